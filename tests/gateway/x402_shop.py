"""A marketplace paid by x402 behind the gate, in one process: run with the environment `.hosts`.

Prints one JSON object a line: what each caller was answered, and what the facilitator was asked.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import requests
import uvicorn
from eth_account import Account
from fastapi import FastAPI
from flask import Flask
from x402 import x402ClientSync, x402ResourceServer, x402ResourceServerSync
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, HTTPFacilitatorClientSync
from x402.http.clients.requests import wrapRequestsWithPayment
from x402.http.middleware.fastapi import payment_middleware as fastapi_payment
from x402.http.middleware.flask import payment_middleware as flask_payment
from x402.mechanisms.evm import EthAccountSigner
from x402.mechanisms.evm.exact import register_exact_evm_client
from x402.mechanisms.evm.exact.server import ExactEvmScheme

from kycgate.gateway.asgi import KycgateASGI
from kycgate.gateway.middleware import KycgateWSGI
from tests.gateway.world import CAAS, World, deploy

NETWORK = "eip155:84532"
asked: list[str] = []


class Facilitator(BaseHTTPRequestHandler):
    """Says yes to every payment, and remembers that it was asked."""

    def answer(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        kind = {"x402Version": 2, "scheme": "exact", "network": NETWORK}
        self.answer({"kinds": [kind], "extensions": [], "signers": {}})

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(self.path)
        payer = said["paymentPayload"]["payload"]["authorization"]["from"]
        if self.path == "/verify":
            self.answer({"isValid": True, "payer": payer})
        else:
            answer = {"success": True, "payer": payer, "transaction": "0x" + "ab" * 32}
            self.answer({**answer, "network": NETWORK})

    def log_message(self, *args: object) -> None:
        pass


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


RENT = f"{CAAS}/deploy"
TERMS = {"scheme": "exact", "payTo": "0x" + "22" * 20, "price": "$0.01", "network": NETWORK}
PAID_ROUTES: Any = {f"POST {RENT}": {"accepts": TERMS}}
rented: list[str] = []


def rent() -> dict[str, str]:
    rented.append(f"dep-{len(rented) + 1}")
    return {"status": "success", "deployment_id": rented[-1]}


def serve_wsgi(facilitator: str, world: World) -> int:
    """Flask, x402 around it, the gate around both. Gives the port."""
    app = Flask("shop")
    app.post(RENT)(rent)
    server = x402ResourceServerSync(HTTPFacilitatorClientSync(FacilitatorConfig(url=facilitator)))
    server.register(NETWORK, ExactEvmScheme())
    flask_payment(app, PAID_ROUTES, server)
    gated = KycgateWSGI(app, world.gate, clock=lambda: world.now)
    httpd = make_server("127.0.0.1", 0, gated, handler_class=Quiet)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    return httpd.server_port


def serve_asgi(facilitator: str, world: World) -> int:
    """FastAPI, x402 around it, the gate around both. Gives the port."""
    app = FastAPI()
    app.post(RENT)(rent)
    server = x402ResourceServer(HTTPFacilitatorClient(FacilitatorConfig(url=facilitator)))
    server.register(NETWORK, ExactEvmScheme())
    app.middleware("http")(fastapi_payment(PAID_ROUTES, server))
    gated = KycgateASGI(app, world.gate, clock=lambda: world.now)
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(gated, log_level="error", lifespan="off"))
    threading.Thread(target=running.run, args=([listener],), daemon=True).start()
    return int(listener.getsockname()[1])


def main() -> None:
    facilitator = ThreadingHTTPServer(("127.0.0.1", 0), Facilitator)
    threading.Thread(target=facilitator.serve_forever, daemon=True).start()
    world = World()
    serve = {"wsgi": serve_wsgi, "asgi": serve_asgi}[sys.argv[1]]
    port = serve(f"http://127.0.0.1:{facilitator.server_port}", world)
    url = f"http://127.0.0.1:{port}{RENT}"

    client = x402ClientSync()
    register_exact_evm_client(client, EthAccountSigner(Account.from_key("0x" + "11" * 32)))
    paying = wrapRequestsWithPayment(requests.Session(), client)

    def tell(case: str, answer: requests.Response) -> None:
        required = answer.headers.get("PAYMENT-REQUIRED")
        said = {
            "case": case,
            "status": answer.status_code,
            "body": answer.text[:300],
            "price": None if required is None else json.loads(b64decode(required))["accepts"],
            "settled": "PAYMENT-RESPONSE" in answer.headers,
            "job": answer.headers.get("Kycgate-Job"),
            "facilitator": list(asked),
            "rented": len(rented),
        }
        print(json.dumps(said), flush=True)

    bob, alice = world.stranger("bob"), world.renter("alice")

    def keyed(secret: str, key: str | None = None) -> dict[str, str]:
        more = {} if key is None else {"Idempotency-Key": key}
        return {"x-api-key": secret, **more}

    tell("refused", paying.post(url, json=deploy(), headers=keyed(bob.secret)))
    forged = {**keyed(bob.secret), "PAYMENT-SIGNATURE": "e30=", "X-PAYMENT": "e30="}
    tell("refused with a payment", requests.post(url, json=deploy(), headers=forged))
    tell(
        "unproven with a payment", requests.post(url, json=deploy(), headers={"X-PAYMENT": "e30="})
    )
    tell("unpaid", requests.post(url, json=deploy(), headers=keyed(alice.secret)))
    tell("paid", paying.post(url, json=deploy(), headers=keyed(alice.secret)))
    tell("paid, keyed", paying.post(url, json=deploy(), headers=keyed(alice.secret, "order-1")))
    tell("again", paying.post(url, json=deploy(), headers=keyed(alice.secret, "order-1")))


if __name__ == "__main__":
    sys.exit(main())
