"""A small marketplace shaped like RunPod: a GraphQL server that executes, and pods by REST v2."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import GraphQLError, build_schema, graphql_sync

SCHEMA = build_schema("""
    enum CloudTypeEnum { ALL SECURE COMMUNITY }
    input EnvironmentVariableInput { key: String!, value: String! }
    input PodFindAndDeployOnDemandInput {
      name: String, imageName: String, cloudType: CloudTypeEnum, startSsh: Boolean
      gpuTypeId: String, gpuTypeIdList: [String], supportPublicIp: Boolean, gpuCount: Int
      volumeInGb: Int, minVcpuCount: Int, minMemoryInGb: Int, dataCenterId: String
      dockerArgs: String, countryCode: String, containerDiskInGb: Int, ports: String
      volumeMountPath: String, templateId: String, networkVolumeId: String
      env: [EnvironmentVariableInput], allowedCudaVersions: [String], instanceId: String
    }
    input OfPod { podId: String!, gpuCount: Int }
    input PodFilter { podId: String! }
    input GpuTypeFilter { id: String }
    input GpuLowestPriceInput { gpuCount: Int }
    type PodMachineInfo { podHostId: String, gpuDisplayName: String, pods: [Pod] }
    type PodRuntimePorts {
      ip: String, isIpPublic: Boolean, privatePort: Int, publicPort: Int, type: String
    }
    type PodRuntime { ports: [PodRuntimePorts] }
    type Pod {
      id: String, name: String, imageName: String, env: [String], machineId: String, apiKey: String
      machine: PodMachineInfo, runtime: PodRuntime, desiredStatus: String, gpuCount: Int
      containerDiskInGb: Int, costPerHr: Float, dockerArgs: String, dockerId: String
      lastStatusChange: String, memoryInGb: Int, podType: String, port: Int, ports: String
      uptimeSeconds: Int, vcpuCount: Int, volumeInGb: Int, volumeMountPath: String
    }
    type LowestPrice { minimumBidPrice: Float, uninterruptablePrice: Float }
    type GpuType {
      id: String, displayName: String, manufacturer: String, memoryInGb: Int, cudaCores: Int
      maxGpuCount: Int, secureCloud: Boolean, communityCloud: Boolean, securePrice: Float
      communityPrice: Float, oneMonthPrice: Float, threeMonthPrice: Float, oneWeekPrice: Float
      communitySpotPrice: Float, secureSpotPrice: Float
      lowestPrice(input: GpuLowestPriceInput): LowestPrice
    }
    type User { id: String, pods: [Pod], clientBalance: Float }
    type Query {
      gpuTypes(input: GpuTypeFilter): [GpuType], pod(input: PodFilter): Pod, myself: User
    }
    scalar Void
    type Mutation {
      podFindAndDeployOnDemand(input: PodFindAndDeployOnDemandInput): Pod
      deployCpuPod(input: PodFindAndDeployOnDemandInput): Pod
      podResume(input: OfPod!): Pod
      podStop(input: OfPod!): Pod
      podTerminate(input: OfPod!): Void
    }
""")
GPUS = {"NVIDIA H100 80GB HBM3": 8, "NVIDIA GeForce RTX 3090": 4}


class RunPodMarket:
    """Listens while entered, checks nothing but the operator's key, keeps all it received."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.received: list[tuple[str, str, dict[str, str], bytes]] = []
        self.pods: dict[str, dict[str, Any]] = {}
        self.rented: list[dict[str, Any]] = []
        """The arguments of every rental that was executed."""
        self.renting, self.may_rent = threading.Event(), threading.Event()
        """A rental has begun; it may end."""
        self.may_rent.set()
        self.sold_out = False

    def __enter__(self) -> RunPodMarket:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if (method, path) == ("POST", "/graphql"):
            return self._execute(json.loads(body))
        pod = re.fullmatch(r"/v2/pods/([a-z0-9]+)", path)
        if (method, path) == ("GET", "/v2/pods"):
            return 200, {"pods": list(self.pods.values())}
        if method == "DELETE" and pod is not None and pod[1] in self.pods:
            del self.pods[pod[1]]
            return 204, None
        return 404, {"title": "Not Found", "status": 404, "detail": "resource not found"}

    def _execute(self, request: dict[str, Any]) -> tuple[int, Any]:
        root = {
            "gpuTypes": self._gpus, "pod": self._pod, "myself": self._myself,
            "podFindAndDeployOnDemand": self._rent, "deployCpuPod": self._rent,
            "podResume": self._resume, "podStop": self._stop, "podTerminate": self._terminate,
        }  # fmt: skip
        result = graphql_sync(
            SCHEMA, request["query"], root, variable_values=request.get("variables")
        )
        said: dict[str, Any] = {"data": result.data}
        if result.errors:
            said["errors"] = [{"message": error.message} for error in result.errors]
        return 200, said

    def _gpus(self, info: Any, **given: Any) -> Any:
        wanted = (given.get("input") or {}).get("id")
        return [
            {"id": name, "maxGpuCount": most}
            for name, most in GPUS.items()
            if wanted in (None, name)
        ]

    def _pod(self, info: Any, **given: Any) -> Any:
        return self.pods.get(given["input"]["podId"])

    def _myself(self, info: Any) -> Any:
        return {"id": "operator", "pods": list(self.pods.values()), "clientBalance": 12.5}

    def _rent(self, info: Any, **given: Any) -> Any:
        asked = given["input"]
        self.renting.set()
        self.may_rent.wait(30)
        if self.sold_out:
            raise GraphQLError("There are no longer any instances available.")
        self.rented.append(asked)
        number = f"pod{len(self.rented)}"
        self.pods[number] = {
            "id": number, "name": asked["name"], "imageName": asked["imageName"], "env": [],
            "gpuCount": asked.get("gpuCount", 0), "desiredStatus": "RUNNING", "machineId": "m1",
            "machine": {"podHostId": f"{number}-1", "pods": []}, "apiKey": "secret-of-the-operator",
        }  # fmt: skip
        return self.pods[number]

    def _changed(self, pod: str, status: str) -> Any:
        if pod not in self.pods:
            raise GraphQLError("Pod not found.")
        self.pods[pod]["desiredStatus"] = status
        return self.pods[pod]

    def _resume(self, info: Any, **given: Any) -> Any:
        return self._changed(given["input"]["podId"], "RUNNING")

    def _stop(self, info: Any, **given: Any) -> Any:
        return self._changed(given["input"]["podId"], "EXITED")

    def _terminate(self, info: Any, **given: Any) -> Any:
        self._changed(given["input"]["podId"], "TERMINATED")
        del self.pods[given["input"]["podId"]]


def _handler(market: RunPodMarket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            fields = {name.lower(): value for name, value in self.headers.items()}
            market.received.append((self.command, path, fields, body))
            status: int = 401
            said: Any = {"errors": [{"message": "unauthorized"}]}
            if fields.get("authorization") == f"Bearer {market.api_key}":
                status, said = market.answer(self.command, path, body)
            data = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            if data:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Quiet: what arrived is in `received`."""

    return Handler
