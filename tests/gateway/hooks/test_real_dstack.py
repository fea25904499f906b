"""The real dstack server with its own `rest_plugin`, asking the gate; its command line, its API."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kycgate.assembly.asking import posting
from kycgate.errors import Unavailable
from kycgate.gateway.hooks import HookCaller, HookDoor
from kycgate.gateway.hooks.admission import Admissions
from kycgate.gateway.hooks.dstack import Dstack
from kycgate.gateway.hooks.ending import DstackServer
from kycgate.gateway.hooks.linking import Linking, code_hash, draw_code
from kycgate.gateway.server import Running, start_in_thread
from kycgate.store.records.signin import UserLink
from tests import tools
from tests.gateway.fronts import free_ports
from tests.gateway.hooks.conftest import SECRET
from tests.gateway.live import LiveWorld
from tests.gateway.test_fronts import no_control
from tests.gateway.world import GPUS, PUBLIC_URL, Renter

HOSTS = tools.hosts()
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
RUN = """type: task
name: {name}
commands: ["nvidia-smi"]
max_duration: 1d
resources:
  gpu: {gpu}
"""

pytestmark = [
    pytest.mark.clients,
    # Its server makes a database and reads its catalogues first: a minute on a busy machine.
    pytest.mark.timeout(300),
    pytest.mark.skipif(HOSTS is None, reason="dstack is missing: make setup"),
]


@dataclass
class Server:
    """A running dstack server, its users, and the port its plugin asks at."""

    url: str
    hook_port: int
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def api(self, user: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body or {}).encode(),
            headers={
                "Authorization": f"Bearer {self.tokens[user]}",
                "Content-Type": "application/json",
                "x-api-version": "latest",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def add_user(self, name: str) -> None:
        self.api("admin", "/api/users/create", {"username": name, "global_role": "user"})
        _, made = self.api("admin", "/api/users/get_user", {"username": name})
        self.tokens[name] = made["creds"]["token"]
        member = {"members": [{"username": name, "project_role": "user"}]}
        status, said = self.api("admin", "/api/projects/main/add_members", member)
        assert status == 200, said

    def runs(self, user: str) -> dict[str, str]:
        """States of a user's runs, by name."""
        status, listed = self.api("admin", "/api/runs/list", {"username": user})
        assert status == 200, listed
        return {run["run_spec"]["run_name"]: run["status"] for run in listed}

    def apply(self, user: str, text: str) -> subprocess.CompletedProcess[str]:
        """What the user sees of `dstack apply`."""
        home = self.folder / f"home-{user}"
        (home / ".dstack").mkdir(parents=True, exist_ok=True)
        (home / ".dstack" / "config.yml").write_text(
            f"projects:\n- name: main\n  url: {self.url}\n  token: {self.tokens[user]}\n"
            "  default: true\n"
        )
        (home / "x.dstack.yml").write_text(text)
        assert HOSTS is not None
        return subprocess.run(
            [str(HOSTS / "bin" / "dstack"), "apply", "-f", "x.dstack.yml", "-y", "-d"],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "DO_NOT_TRACK": "1", "COLUMNS": "400"},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert HOSTS is not None
    folder = tmp_path_factory.mktemp("dstack")
    port, hook_port = free_ports(2)
    (folder / "config.yml").write_text("projects: []\nplugins: [rest_plugin]\n")
    netrc = folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login main password {SECRET}\n")
    netrc.chmod(0o600)
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "NETRC": str(netrc),
        "DSTACK_SERVER_DIR": str(folder),
        "DSTACK_PLUGIN_SERVICE_URI": f"http://127.0.0.1:{hook_port}",
        "DO_NOT_TRACK": "1",
        "DSTACK_SERVER_BACKGROUND_PROCESSING_DISABLED": "1",
    }
    log = (folder / "log").open("wb")
    command = [str(HOSTS / "bin" / "dstack"), "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--token", "admin-token", "--yes"]
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        made = Server(f"http://127.0.0.1:{port}", hook_port, folder, {"admin": "admin-token"})
        _until(lambda: _answers(made.url), process)
        for name in ("ann", "bob", "cleo"):
            made.add_user(name)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthcheck", timeout=1):
            return True
    except OSError:
        return False


def _until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if holds():
            return
        assert process.poll() is None, "dstack's server ended"
        time.sleep(0.25)
    raise AssertionError("dstack's server does not answer")


@dataclass
class Gated:
    server: Server
    world: LiveWorld
    running: Running

    def link(self, renter: Renter, user: str) -> None:
        """The renter draws a code, and the user shows it to dstack as a run's name."""
        code = draw_code(os.urandom)
        now = int(time.time())
        link = UserLink(code[-12:], renter.account, code_hash(code), now + 900, now)
        self.world.store.add_user_code(link)
        shown = plan(self.server, user, RUN.format(name=code, gpu="0"))
        assert shown[0] == 400
        assert "Linked" in json.dumps(shown[1])


@pytest.fixture
def gated(server: Server, tmp_path: Path) -> Iterator[Gated]:
    with closing(LiveWorld(tmp_path, "http://127.0.0.1:9")) as world:
        caller = HookCaller(
            "main",
            hashlib.sha256(SECRET.encode()).digest(),
            Dstack(GPUS.classify),
            Admissions(_parts(world), world.store, "main", "dstack"),
            Linking(world.store, world.log, "main", PUBLIC_URL),
        )
        door = HookDoor([caller], peers=[LOOPBACK], body_limit=2**20, clock=time.time)
        further = [(door, ("127.0.0.1", server.hook_port))]
        with start_in_thread(door, no_control, further=further) as running:
            yield Gated(server, world, running)


def _parts(world: LiveWorld) -> Any:
    return world.gate._parts


def plan(server: Server, user: str, text: str) -> tuple[int, Any]:
    """Through the API: what the command line asks first."""
    configuration = yaml.safe_load(text)
    run_spec = {
        "run_name": configuration["name"],
        "configuration_path": "x.dstack.yml",
        "configuration": configuration,
        "profile": {"name": "default"},
        "ssh_key_pub": "ssh-ed25519 AAAA test",
    }
    return server.api(user, "/api/project/main/runs/get_plan", {"run_spec": run_spec})


def stopper(server: Server, token: str = "admin-token") -> DstackServer:
    return DstackServer(posting(server.url, "main", token))


def make_fleet(server: Server, user: str, name: str) -> tuple[int, Any]:
    resources = {"gpu": {"name": ["H100"], "count": 8}}
    configuration = {"type": "fleet", "name": name, "nodes": "0..2", "resources": resources}
    spec = {"configuration": configuration, "profile": {"name": "default"}}
    planned = server.api(user, "/api/project/main/fleets/get_plan", {"spec": spec})
    if planned[0] != 200:
        return planned
    asked = {"plan": {"spec": planned[1]["effective_spec"]}, "force": False}
    return server.api(user, "/api/project/main/fleets/apply", asked)


def test_an_unlinked_user_reads_the_refusal_and_where_to_go(gated: Gated) -> None:
    shown = gated.server.apply("cleo", RUN.format(name="cleo-1", gpu="H100:8"))
    text = shown.stdout + shown.stderr
    assert shown.returncode != 0
    assert "Apply request rejected" in text
    assert f"{PUBLIC_URL}/r/" in text.replace("\n", "")


def test_a_user_is_linked_refused_attested_and_then_goes_ahead_as_one_job(gated: Gated) -> None:
    ann = gated.world.stranger("ann")
    gated.link(ann, "ann")
    status, said = plan(gated.server, "ann", RUN.format(name="ann-1", gpu="H100:8"))
    assert status == 400
    assert "not verified" in json.dumps(said)
    gated.world.attest(ann)
    shown = gated.server.apply("ann", RUN.format(name="ann-1", gpu="H100:8"))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "ann-1 submitted" in shown.stdout
    jobs = gated.world.store.jobs_of(ann.account)
    assert [json.loads(job.request)["gpu_count"] for job in jobs] == [8]


def test_fleets_are_a_second_way_to_rent_and_gated_too(gated: Gated) -> None:
    bob = gated.world.stranger("bob")
    gated.link(bob, "bob")
    status, said = make_fleet(gated.server, "bob", "bob-f")
    assert status == 400
    assert "not verified" in json.dumps(said)
    gated.world.attest(bob)
    status, said = make_fleet(gated.server, "bob", "bob-f")
    assert (status, said["name"]) == (200, "bob-f")
    (job,) = gated.world.store.jobs_of(bob.account)
    assert json.loads(job.request)["gpu_count"] == 16


def test_what_a_revoked_renter_runs_is_told_to_end_and_nobody_elses(gated: Gated) -> None:
    dan, eve = gated.world.renter("dan"), gated.world.renter("eve")
    server = gated.server
    for renter, user in ((dan, "dan"), (eve, "eve")):
        server.add_user(user)
        gated.link(renter, user)
        for name in (f"{user}-1", f"{user}-2"):
            shown = server.apply(user, RUN.format(name=name, gpu="H100:8"))
            assert shown.returncode == 0, shown.stdout + shown.stderr
    assert set(server.runs("dan").values()) == {"submitted"}
    assert stopper(server).stop("dan", until=int(time.time()) + 60) == 2
    assert server.runs("dan") == {"dan-1": "terminating", "dan-2": "terminating"}
    assert set(server.runs("eve").values()) == {"submitted"}
    # Again finds nothing left to stop, and says so.
    assert stopper(server).stop("dan", until=int(time.time()) + 60) == 0


def test_runs_from_after_the_links_end_are_not_the_revoked_accounts(gated: Gated) -> None:
    server, fay = gated.server, gated.world.renter("fay")
    server.add_user("fay")
    gated.link(fay, "fay")
    assert server.apply("fay", RUN.format(name="fay-1", gpu="H100:8")).returncode == 0
    assert stopper(server).stop("fay", until=int(time.time()) - 600) == 0
    assert server.runs("fay") == {"fay-1": "submitted"}


def test_a_user_dstack_does_not_know_runs_nothing(server: Server) -> None:
    assert stopper(server).stop("nobody", until=int(time.time())) == 0


def test_what_is_no_administrators_token_stops_nothing_and_says_so(server: Server) -> None:
    with pytest.raises(Unavailable, match=r"answered 40[13]"):
        stopper(server, token="wrong").stop("ann", until=int(time.time()))


def test_a_users_own_token_is_not_taken_for_an_administrators(server: Server) -> None:
    with pytest.raises(Unavailable, match="administrator"):
        stopper(server, token=server.tokens["bob"]).stop("ann", until=int(time.time()))


def test_what_names_no_gpu_counts_as_any_and_none_is_none(gated: Gated) -> None:
    low = gated.world.renter("low", level=1)
    gated.link(low, "bob")
    free = 'type: task\nname: low-1\ncommands: ["true"]\nmax_duration: 1h\n'
    assert plan(gated.server, "bob", free)[0] == 400
    none = plan(gated.server, "bob", RUN.format(name="low-2", gpu="0"))
    assert none[0] == 200, none


def test_with_the_gate_down_nothing_starts_and_no_secret_is_shown(server: Server) -> None:
    """dstack names the address it asks to whoever applies: the secret must not be part of it."""
    status, said = plan(server, "ann", RUN.format(name="ann-2", gpu="H100:8"))
    assert status == 400
    assert f"Could not connect to plugin service at http://127.0.0.1:{server.hook_port}" in str(
        said
    )
    assert SECRET not in str(said)
