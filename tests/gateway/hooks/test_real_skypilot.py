"""The real SkyPilot API server with its own `admin_policy`, asking the gate; its command line too.

The cloud behind it is a price list in a file: everything here is a dry run or is refused before.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kycgate.gateway.hooks import HookCaller, HookDoor
from kycgate.gateway.hooks.admission import Admissions
from kycgate.gateway.hooks.linking import Linking, code_hash, draw_code
from kycgate.gateway.hooks.skypilot import SkyPilot
from kycgate.gateway.server import start_in_thread
from kycgate.store.records.signin import UserLink
from tests import tools
from tests.gateway.fronts import free_ports
from tests.gateway.hooks.conftest import SECRET
from tests.gateway.live import LiveWorld
from tests.gateway.test_fronts import no_control
from tests.gateway.world import GPUS, PUBLIC_URL, Renter

HOSTS = tools.hosts()
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
GUARD = tools.REPO / "examples" / "skypilot"
TASK = "name: {name}\nresources:\n  accelerators: H100:8\nrun: nvidia-smi\n"
SERVICE = TASK + "service:\n  readiness_probe: /\n  ports: 8080\n  replicas: 2\n"
POOL = "resources:\n  accelerators: H100:8\npool:\n  workers: 2\n"
MACHINES = """\
InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,StorageGiB,Price,Region,GpuInfo,SpotPrice
8x-H100,H100,8.0,96.0,1024.0,1000.0,8.0,default,"{'Gpus': [{'Name': 'H100', 'Count': 8.0}]}",
"""

pytestmark = [
    pytest.mark.clients,
    # Its server starts in a dozen seconds, and its first dry run packs the whole of SkyPilot.
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        HOSTS is None or not (HOSTS / "bin" / "sky").exists(),
        reason="SkyPilot is missing: make setup",
    ),
]


@dataclass
class Server:
    """A running SkyPilot API server, who may sign in to it, and the port its policy asks at."""

    url: str
    hook_port: int
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, str, str]:
        """Status, what was said, and the number of the request it became."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-SkyPilot-API-Version": "62", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=240) as answer:
                number = answer.headers.get("X-Skypilot-Request-ID") or ""
                return answer.status, answer.read().decode(), number
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), ""

    def add_user(self, name: str) -> None:
        """A service account, made by somebody whom a proxy in front would have signed in."""
        made = {"token_name": name, "expires_in_days": 1}
        headers = {"X-Auth-Request-Email": "operator@example.org"}
        status, said, _ = self.post("/users/service-account-tokens", made, **headers)
        assert status == 200, said
        self.tokens[name] = json.loads(said)["token"]
        self.ids[name] = json.loads(said)["service_account_user_id"]

    def ask(self, user: str, path: str, body: Any, **changes: Any) -> tuple[bool, str]:
        """Through the API, as the command line does: whether it was done, and what was said."""
        signed_in = {"Authorization": f"Bearer {self.tokens[user]}"}
        variables = {"SKYPILOT_USER_ID": "0123abcd", "SKYPILOT_USER": "nobody"}
        body = {"env_vars": variables, "override_skypilot_config": {}, **body, **changes}
        status, said, number = self.post(path, body, **signed_in)
        if status == 200 and path != "/validate":
            status, said, _ = self.post(f"/api/get?request_id={number}", None, **signed_in)
        return status == 200, said

    def launch(self, user: str, text: str, **changes: Any) -> tuple[bool, str]:
        asked = {"task": text, "cluster_name": f"{user}-1", "dryrun": True}
        return self.ask(user, "/launch", asked, **changes)

    def sky(self, user: str, *arguments: str, text: str) -> subprocess.CompletedProcess[str]:
        """What the user sees of the command line."""
        home = self.folder / f"home-{user}"
        home.mkdir(exist_ok=True)
        (home / "task.yaml").write_text(text)
        assert HOSTS is not None
        return subprocess.run(
            [str(HOSTS / "bin" / "sky"), *arguments, "task.yaml"],
            env={
                "HOME": str(home),
                "PATH": f"{HOSTS / 'bin'}:/usr/bin:/bin",
                "COLUMNS": "400",
                "SKYPILOT_API_SERVER_ENDPOINT": self.url,
                "SKYPILOT_SERVICE_ACCOUNT_TOKEN": self.tokens[user],
                "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
            },
            cwd=home,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert HOSTS is not None
    folder = tmp_path_factory.mktemp("skypilot")
    port, metrics_port, hook_port = free_ports(3)
    _write_home(folder, hook_port)
    environment = {
        "HOME": str(folder),
        "PATH": f"{folder / 'bin'}:{HOSTS / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(GUARD),
        "NETRC": str(folder / "netrc"),
        "IS_SKYPILOT_SERVER": "true",
        "ENABLE_SERVICE_ACCOUNTS": "true",
        "SKYPILOT_SERVER_PLUGINS_CONFIG": str(GUARD / "plugins.yaml"),
        "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
        "SKYPILOT_API_SERVER_ENDPOINT": f"http://127.0.0.1:{port}",
        # Two workers for long requests, not four: each reads all of SkyPilot before it works.
        "SKYPILOT_POD_MEMORY_GB_LIMIT": "3.5",
        # A dry run packs SkyPilot for machines to come, from what is installed.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }
    command = [str(HOSTS / "bin" / "python"), "-m", "sky.server.server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--metrics-port", str(metrics_port)]
    with (folder / "log").open("wb") as log:
        # What `sky api start` runs; in a session of its own, since it starts many processes.
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            made = Server(f"http://127.0.0.1:{port}", hook_port, folder)
            _until_it_answers(made.url, process)
            for name in ("ann", "bob", "cleo"):
                made.add_user(name)
            yield made
        finally:
            _end(process, folder)


def _write_home(folder: Path, hook_port: int) -> None:
    """What an operator sets up, and a cloud that is a list of prices."""
    files = {
        ".sky/config.yaml": f"admin_policy: http://127.0.0.1:{hook_port}/policy\n"
        "allowed_clouds: [hyperbolic]\nrbac: {default_role: user}\n",
        ".sky/catalogs/v8/hyperbolic/vms.csv": MACHINES,
        ".sky/catalogs/v8/common/accelerators.csv": 'AcceleratorName,Clouds\nH100,"[Hyperbolic]"\n',
        ".hyperbolic/api_key": "none",
        "netrc": f"machine 127.0.0.1 login sky password {SECRET}\n",
        # A dry run asks whether there is one, and copies nothing.
        "bin/rsync": '#!/bin/sh\n[ "$1" = --version ]\n',
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "netrc").chmod(0o600)
    (folder / "bin" / "rsync").chmod(0o755)


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{url}/api/health", timeout=1):
            return
        assert process.poll() is None, "SkyPilot's server ended"
        time.sleep(0.25)
    raise AssertionError("SkyPilot's server does not answer")


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """The server, its workers, and whatever they started in sessions of their own."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    for _ in range(50):
        left = _started(process.pid, folder)
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if not left:
            process.wait(timeout=5)
            return
        time.sleep(0.1)
    raise AssertionError(f"SkyPilot left processes behind: {left}")


def _started(group: int, folder: Path) -> list[int]:
    """Workers rename themselves over their environment, but stay in the group."""
    mark = f"HOME={folder}".encode()
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError):
                state, _, its_group = (each / "stat").read_text().rpartition(")")[2].split()[:3]
                variables = (each / "environ").read_bytes().split(b"\0")
                if state != "Z" and (int(its_group) == group or mark in variables):
                    found.append(int(each.name))
    return found


@dataclass
class Gated:
    server: Server
    world: LiveWorld

    def code(self, renter: Renter) -> str:
        code = draw_code(os.urandom)
        now = int(time.time())
        link = UserLink(code[-12:], renter.account, code_hash(code), now + 900, now)
        self.world.store.add_user_code(link)
        return code

    def link(self, renter: Renter, user: str) -> None:
        """The renter draws a code, and the user shows it to SkyPilot as a task's name."""
        done, said = self.server.launch(user, TASK.format(name=self.code(renter)))
        assert not done
        assert "Linked" in said


@contextmanager
def gate(server: Server, folder: Path, secret: str) -> Iterator[Gated]:
    with closing(LiveWorld(folder, "http://127.0.0.1:9")) as world:
        parts = world.gate._parts
        caller = HookCaller(
            "sky",
            hashlib.sha256(secret.encode()).digest(),
            SkyPilot(GPUS.classify),
            Admissions(parts, world.store, "sky", "skypilot"),
            Linking(world.store, world.log, "sky", PUBLIC_URL),
        )
        door = HookDoor([caller], peers=[LOOPBACK], body_limit=2**20, clock=time.time)
        further = [(door, ("127.0.0.1", server.hook_port))]
        with start_in_thread(door, no_control, further=further):
            yield Gated(server, world)


@pytest.fixture
def gated(server: Server, tmp_path: Path) -> Iterator[Gated]:
    with gate(server, tmp_path, SECRET) as it:
        yield it


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\n", "")


def test_an_unlinked_user_reads_the_refusal_and_where_to_go(gated: Gated) -> None:
    shown = gated.server.sky("cleo", "launch", "-y", "--dryrun", text=TASK.format(name="cleo-1"))
    text = plain(shown.stdout + shown.stderr)
    assert shown.returncode != 0
    assert "rejected by admin policy" in text
    assert "link it once" in text
    assert f"{PUBLIC_URL}/r/" in text


def test_a_user_is_linked_refused_attested_and_then_goes_ahead_as_one_job(gated: Gated) -> None:
    ann = gated.world.stranger("ann")
    gated.link(ann, "ann")
    done, said = gated.server.launch("ann", TASK.format(name="ann-1"))
    assert not done
    assert "not verified" in said
    gated.world.attest(ann)
    arguments = ("launch", "-y", "-c", "ann-1", "--dryrun")
    shown = gated.server.sky("ann", *arguments, text=TASK.format(name="ann-1"))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Dryrun finished" in shown.stdout
    jobs = gated.world.store.jobs_of(ann.account)
    assert [json.loads(job.request)["gpu_count"] for job in jobs] == [8]


def test_a_task_that_names_no_gpu_may_meet_one_and_counts_as_any(gated: Gated) -> None:
    low = gated.world.renter("low", level=1)
    gated.link(low, "bob")
    assert "needs a higher level" in gated.server.launch("bob", "run: nvidia-smi\n")[1]
    assert gated.world.store.jobs_of(low.account) == []


@pytest.mark.parametrize(
    "path, body",
    [
        ("/launch", {"cluster_name": "c", "task": TASK}),
        ("/launch", {"cluster_name": "c", "task": TASK, "is_launched_by_jobs_controller": True}),
        ("/jobs/launch", {"name": "j", "task": TASK}),
        ("/jobs/launch", {"name": "j", "task": f"name: pipe\n---\n{TASK}---\n{TASK}"}),
        ("/serve/up", {"service_name": "s", "task": SERVICE}),
        ("/jobs/pool_apply", {"pool_name": "p", "task": POOL, "workers": None, "mode": "rolling"}),
    ],
)  # fmt: skip
def test_every_way_to_rent_asks(gated: Gated, path: str, body: dict[str, Any]) -> None:
    done, said = gated.server.ask("cleo", path, body | {"task": body["task"].format(name="x")})
    assert not done
    assert f"{PUBLIC_URL}/r/" in said


def test_who_signed_in_counts_and_not_whom_they_name(gated: Gated) -> None:
    gated.link(gated.world.renter("ann"), "ann")
    ann = {"SKYPILOT_USER_ID": gated.server.ids["ann"], "SKYPILOT_USER": "ann"}
    done, said = gated.server.launch("cleo", TASK.format(name="x"), env_vars=ann)
    assert not done
    assert "link it once" in said


def test_a_code_shown_in_anothers_name_links_nobody(gated: Gated) -> None:
    """`validate` takes the user from the body, whoever signed in."""
    eve = gated.world.renter("eve")
    code = gated.code(eve)
    ann = {"SKYPILOT_USER_ID": gated.server.ids["ann"], "SKYPILOT_USER": "ann"}
    asked = {"dag": TASK.format(name=code), "request_options": None}
    assert gated.server.ask("cleo", "/validate", asked, env_vars=ann)[0]
    now = int(time.time())
    assert gated.world.store.linked_user("sky", gated.server.ids["ann"], now=now) is None
    assert "Linked" in gated.server.launch("cleo", TASK.format(name=code), env_vars=ann)[1]
    assert gated.world.store.linked_user("sky", gated.server.ids["ann"], now=now) is None
    assert gated.world.store.linked_user("sky", gated.server.ids["cleo"], now=now) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"override_skypilot_config": {"admin_policy": "http://127.0.0.1:9/policy"}},
        {"env_vars": {"SKYPILOT_GLOBAL_CONFIG": "/dev/null"}},
        {"env_vars": {"HOME": "/nonexistent"}},
        {"env_vars": {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}},
        {"env_vars": {"NETRC": "/nonexistent"}},
    ],
    ids=["own policy", "no configuration", "another home", "own proxy", "no secret"],
)
def test_a_client_cannot_leave_the_policy_out(gated: Gated, changes: dict[str, Any]) -> None:
    """Without the guard the gate answers none of these: SkyPilot takes them from the body."""
    done, said = gated.server.launch("cleo", TASK.format(name="x"), **changes)
    assert not done
    assert "link it once" in said


@pytest.mark.parametrize(
    "body, kind",
    [
        ('{"task": "run: x", "cluster_name": "c", "env_vars": {}, "env_vars": {"A": "b"}}', None),
        ('{"task": "run: x", "cluster_name": "c"}'.encode("utf-16"), None),
        ("[" * 100_000, None),
        ('{"task": "run: x", "cluster_name": "c"}', "application/octet-stream"),
    ],
    ids=["a key twice", "another alphabet", "deep", "called an upload"],
)  # fmt: skip
def test_what_the_guard_cannot_read_is_not_read_by_the_server(
    gated: Gated, body: Any, kind: str | None
) -> None:
    request = urllib.request.Request(
        f"{gated.server.url}/launch",
        data=body if isinstance(body, bytes) else body.encode(),
        headers={
            "Content-Type": kind or "application/json",
            "Authorization": f"Bearer {gated.server.tokens['cleo']}",
        },
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value:
        assert caught.value.code in (400, 422)


def test_a_user_cannot_change_the_servers_configuration(server: Server) -> None:
    signed_in = {"Authorization": f"Bearer {server.tokens['cleo']}"}
    status, said, _ = server.post("/workspaces/config", {"config": {}}, **signed_in)
    assert (status, said) == (403, '{"detail":"Forbidden"}')


def test_an_operator_sees_that_the_guard_is_there(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/api/plugins", timeout=10) as answer:
        (plugin,) = json.loads(answer.read())["plugins"]
    assert plugin["name"] == "kycgate guard"


def test_whoever_is_not_signed_in_places_no_work(server: Server) -> None:
    """Behind a front; from the machine itself, as SkyPilot's own controllers ask, one may."""
    variables = {"SKYPILOT_USER_ID": server.ids["ann"], "SKYPILOT_USER": "ann"}
    asked = {"task": TASK.format(name="x"), "cluster_name": "c", "env_vars": variables}
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    status, said, _ = server.post("/launch", asked, **forwarded)
    assert (status, "Sign in" in said) == (401, True)


def test_with_the_gate_down_nothing_starts_and_no_secret_is_shown(server: Server) -> None:
    """SkyPilot names the address it asks to whoever launches: the secret must not be part of it."""
    done, said = server.launch("ann", TASK.format(name="ann-2"))
    assert not done
    assert f"Failed to call admin policy URL http://127.0.0.1:{server.hook_port}/policy" in said
    assert SECRET not in said


def test_a_server_without_the_right_secret_starts_nothing(server: Server, tmp_path: Path) -> None:
    with gate(server, tmp_path, "kgh_" + "o" * 43) as other:
        ann = other.world.renter("ann")
        done, said = server.launch("ann", TASK.format(name=other.code(ann)))
        assert not done
        assert "401" in said
        assert "Linked" not in said
