"""The container's first process with the real nginx and the real gate, without an engine.

With KYCGATE_IMAGE, the mounted root of a built image, the same tests run its own programs instead,
in that root and as its own user (by root, who alone can mount and change root).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kycgate.cli import main
from kycgate.demo.marketplace import Marketplace
from kycgate.store import open_store
from kycgate.store.records.signin import Key
from tests.gateway import fronts
from tests.gateway.wire import body_of, drain, get, status, talk
from tests.gateway.world import CAAS, deploy
from tests.tools import REPO

FOLDER = REPO / "examples" / "container"
ALICE = "eip155:1:0x" + "a1" * 20
SECRET = "kg_" + "a" * 40
UPSTREAM_KEY = "operator-upstream-key"
IMAGE = os.environ.get("KYCGATE_IMAGE")
IMAGE_USER = 10001


def load_entrypoint() -> ModuleType:
    spec = importlib.util.spec_from_file_location("entrypoint", FOLDER / "entrypoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Container:
    """A running one, and the marketplace behind it."""

    process: subprocess.Popen[bytes]
    market_port: int
    control_port: int
    market: Marketplace
    said: Path

    def asks(self, path: str, *fields: bytes, method: bytes = b"GET", body: Any = None) -> bytes:
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            fields = (*fields, b"content-type: application/json", b"content-length: %d" % len(data))
        key = b"x-api-key: " + SECRET.encode()
        return talk(
            self.market_port, get(path.encode(), key, *fields, method=method) + data, seconds=20
        )

    def control(self, path: str, scheme: str = "http") -> Any:
        unverified = ssl._create_unverified_context()
        url = f"{scheme}://127.0.0.1:{self.control_port}{path}"
        return urllib.request.urlopen(url, timeout=10, context=unverified)

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in listed.split()]

    def family(self) -> list[int]:
        """The children and theirs: nginx's workers."""
        found = self.children()
        for pid in self.children():
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def child(self, name: str) -> int:
        return next(
            pid for pid in self.children() if name in Path(f"/proc/{pid}/cmdline").read_text()
        )


def configured(folder: Path, upstream: str, control_port: int, market_port: int) -> Path:
    with contextlib.redirect_stdout(None):
        assert main(["keys", "init", str(folder / "keys")]) == 0
    (folder / "keys" / "upstream.key").write_text(UPSTREAM_KEY)
    (folder / "keys" / "upstream.key").chmod(0o600)
    path = folder / "kycgate.toml"
    path.write_text(
        f"""\
[gate]
public_url = "http://127.0.0.1:{control_port}"
gateway_url = "http://127.0.0.1:{market_port}"
database = "sqlite:///gate.sqlite3"

[marketplace]
upstream = "{upstream}"
upstream_key = "file:keys/upstream.key"

[keys]
issuer = "file:keys/issuer.key"
permit = "file:keys/permit.key"
log = "file:keys/log.key"
vault = "file:keys/vault.key"
assertion = "file:keys/assertion.key"

[issuer]
chain_id = 8453
eas = "0x4200000000000000000000000000000000000021"
"""
    )
    store = open_store(f"sqlite:///{folder / 'gate.sqlite3'}")
    now = int(time.time())
    secret_hash = hashlib.sha256(SECRET.encode()).digest()
    store.add_key(
        Key("key-1", secret_hash, ALICE, "", ("read", "stop", "rent"), "kg_aaaaa", now, now + 86400)
    )
    store.own_deployment("dep-1", ALICE, b"j" * 32, at=now)
    store.close()
    return path


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def in_image(root: Path, folder: Path) -> Iterator[list[str]]:
    """The command that runs the image's entrypoint, with `folder` where it is outside."""
    mounts = [(Path("/proc"), "--rbind"), (Path("/dev"), "--rbind"), (folder, "--bind")]
    subprocess.run(["chown", "-R", str(IMAGE_USER), folder], check=True)
    try:
        for place, how in mounts:
            there = root / place.relative_to("/")
            there.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", how, "--make-rslave", place, there], check=True)
        user = f"--userspec={IMAGE_USER}:{IMAGE_USER}"
        entry = ["/opt/kycgate/bin/python", "/opt/kycgate/container/entrypoint.py"]
        yield ["chroot", user, str(root), *entry]
    finally:
        for place, _ in reversed(mounts):
            subprocess.run(["umount", "--lazy", root / place.relative_to("/")], check=False)


@contextlib.contextmanager
def started(folder: Path, **environ: str) -> Iterator[Container]:
    if fronts.NGINX is None:
        pytest.skip("nginx is missing: make setup")
    market_port, control_port = fronts.free_ports(2)
    with contextlib.ExitStack() as inside, Marketplace(api_key=UPSTREAM_KEY) as market:
        config = configured(folder, market.url, control_port, market_port)
        said = folder / "said.log"
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin",
            "HOME": str(folder),
            "KYCGATE_CONFIG": str(config),
            "KYCGATE_MARKET_PORT": str(market_port),
            "KYCGATE_CONTROL_PORT": str(control_port),
            "KYCGATE_WORKERS": "1",
            "KYCGATE_TLS": str(folder / "tls"),
            **environ,
        }
        command = [sys.executable, str(FOLDER / "entrypoint.py")]
        if IMAGE is not None:
            command = inside.enter_context(in_image(Path(IMAGE), folder))
            environment["PATH"] = "/opt/kycgate/bin:/usr/sbin:/usr/bin:/bin"
        with said.open("wb") as out:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder)
        running = Container(process, market_port, control_port, market, said)
        try:
            end = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", market_port), 1).close()
                    if len(running.children()) == 2:  # not nginx trying its configuration
                        break
                time.sleep(0.05)
            assert process.poll() is None, said.read_text()
            yield running
        finally:
            process.terminate()
            process.wait(timeout=40)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with started(tmp_path_factory.mktemp("container")) as running:
        yield running


# -- what passes -----------------------------------------------------------------------------------


def test_a_read_is_forwarded_by_nginx_under_the_operators_key(container: Container) -> None:
    answer = container.asks(f"{CAAS}/hardware")
    assert status(answer) == 200, container.said.read_text()
    assert b"H100" in body_of(answer)


def test_what_the_gate_wants_to_see_itself_goes_through_its_proxy(container: Container) -> None:
    """Nobody told nginx which routes are listings: the gate did."""
    answer = container.asks(f"{CAAS}/deployments")
    assert status(answer) == 200
    assert json.loads(body_of(answer))["data"] == {"deployments": [], "total": 0}


def test_renting_reaches_the_gate_with_its_body_and_a_stranger_is_told_where_to_go(
    container: Container,
) -> None:
    answer = container.asks(f"{CAAS}/deploy", method=b"POST", body=deploy())
    assert status(answer) == 403
    said = json.loads(body_of(answer))["error"]
    assert re.search(rf"http://127.0.0.1:{container.control_port}/r/[0-9a-f]{{32}}", said)
    assert container.market.deployments == {}


def test_a_stop_reaches_the_marketplace(container: Container) -> None:
    answer = container.asks(f"{CAAS}/deployment/dep-1", method=b"DELETE")
    assert status(answer) in (200, 404)  # the stand-in never heard of it


def test_a_read_with_a_body_is_no_read_for_nginx(container: Container) -> None:
    answer = container.asks(f"{CAAS}/hardware", body={"gpus": 8})
    assert status(answer) == 200


@pytest.mark.parametrize(
    "field", [b"Kycgate-Level: 3", b"X-HTTP-Method-Override: DELETE", b"Kycgate-Door: proxy"]
)
def test_what_is_not_a_callers_to_say_is_refused(container: Container, field: bytes) -> None:
    assert status(container.asks(f"{CAAS}/hardware", field)) in (400, 403)


def test_our_own_address_space_is_the_gates(container: Container) -> None:
    answer = container.asks("/.well-known/kycgate/jwks.json")
    assert len(json.loads(body_of(answer))["keys"]) == 1


def test_pages_come_from_nginx_with_the_applications_own_fields(container: Container) -> None:
    from kycgate.web.app import HEADERS

    with container.control("/static/page.css") as css, container.control("/") as page:
        assert css.read() == (REPO / "kycgate" / "web" / "static" / "page.css").read_bytes()
        for name, value in HEADERS.items():
            assert css.headers.get_all(name) == page.headers.get_all(name) == [value]
    with container.control("/healthz") as health:
        assert json.load(health)["store"] == "ok"


def test_static_files_lead_nowhere_else(container: Container) -> None:
    for path in (b"/static/../app.py", b"/static../app.py", b"/static/%2e%2e/app.py"):
        assert status(talk(container.control_port, get(path))) in (400, 404)


def test_the_health_check_finds_it_well(container: Container) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "health.py")],
        env={"KYCGATE_CONTROL_PORT": str(container.control_port)},
    )
    assert done.returncode == 0


def test_nothing_but_nginx_listens_outside(container: Container) -> None:
    listening = subprocess.run(
        ["cat", f"/proc/{container.process.pid}/net/tcp"], capture_output=True, text=True
    ).stdout
    gate = container.child("serve")
    inodes = {
        os.readlink(each)[8:-1]
        for each in Path(f"/proc/{gate}/fd").iterdir()
        if os.readlink(each).startswith("socket:")
    }
    bound = [row.split() for row in listening.splitlines()[1:]]
    ours = [row[1] for row in bound if row[3] == "0A" and row[9] in inodes]
    assert len(ours) == 3
    assert all(address.startswith("0100007F:") for address in ours)


# -- how it ends -----------------------------------------------------------------------------------


def test_told_to_stop_it_finishes_what_is_under_way_and_leaves_nobody_behind(
    tmp_path: Path,
) -> None:
    with started(tmp_path) as running:
        children = running.children()
        assert len(children) == 2
        body = json.dumps(deploy()).encode()
        fields = (b"x-api-key: " + SECRET.encode(), b"content-type: application/json")
        head = get(
            f"{CAAS}/deploy".encode(), *fields, b"content-length: %d" % len(body), method=b"POST"
        )
        with socket.create_connection(("127.0.0.1", running.market_port), timeout=20) as sock:
            sock.sendall(head + body[:5])
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            sock.sendall(body[5:])
            assert b"not verified yet" in drain(sock)  # the gate's own words
        assert running.process.wait(timeout=40) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


@pytest.mark.parametrize("name", ["nginx", "serve"])
def test_when_one_half_dies_the_container_is_down(tmp_path: Path, name: str) -> None:
    with started(tmp_path) as running:
        family = running.family()
        assert len(family) == 3, "the gate, nginx, a worker of nginx"
        os.kill(running.child(name), signal.SIGKILL)
        assert running.process.wait(timeout=40) == 1
        time.sleep(0.2)  # the worker is nobody's child any more: whoever collects it takes a moment
        assert not any(_lives(pid) for pid in family)


def test_with_a_certificate_it_speaks_tls(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    make_certificate(folder)
    with started(tmp_path) as running, running.control("/healthz", scheme="https") as health:
        assert json.load(health)["store"] == "ok"
        done = subprocess.run(
            [sys.executable, str(FOLDER / "health.py")],
            env={"KYCGATE_CONTROL_PORT": str(running.control_port)},
        )
        assert done.returncode == 0


def make_certificate(folder: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate.test")])
    now = datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


# -- what it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("KYCGATE_MARKETPLACE_UPSTREAM", "http://a;return 200 x"),
        ("KYCGATE_MARKETPLACE_UPSTREAM", "http://a\n}"),
        ("KYCGATE_MARKETPLACE_UPSTREAM", "ftp://a"),
        ("KYCGATE_MARKET_PORT", "80; include /etc/passwd"),
        ("KYCGATE_WORKERS", "1; load_module x"),
        ("KYCGATE_FRONTS", "0.0.0.0/0"),
        ("KYCGATE_FRONTS", "10.0.0.1; deny"),
        ("SSL_CERT_FILE", "/etc/x y"),
    ],
)
def test_no_setting_writes_nginxs_configuration(tmp_path: Path, setting: str, value: str) -> None:
    entrypoint = load_entrypoint()
    config = {"marketplace": {"upstream": "http://market.test"}}
    inside = {"gate": 1, "desk": 2, "asked": 3}
    template = (FOLDER / "nginx.conf.template").read_text()
    with pytest.raises(entrypoint.Unfit):
        entrypoint.render(template, *entrypoint.values(config, {setting: value}, tmp_path, inside))


def test_a_load_balancer_in_front_is_believed_only_when_named(tmp_path: Path) -> None:
    entrypoint = load_entrypoint()
    config = {"marketplace": {"upstream": "https://market.test"}}
    inside = {"gate": 1, "desk": 2, "asked": 3}
    template = (FOLDER / "nginx.conf.template").read_text()
    plain, named = (
        entrypoint.render(template, *entrypoint.values(config, environ, tmp_path, inside))
        for environ in ({}, {"KYCGATE_FRONTS": "10.0.0.0/8, 192.168.1.1"})
    )
    assert "set_real_ip_from" not in plain
    assert "X-Forwarded-Proto $scheme;" in plain
    assert named.count("set_real_ip_from") == 2
    assert "X-Forwarded-Proto $public_scheme;" in named
    if fronts.NGINX is not None:
        for text in (plain, named):
            conf = tmp_path / "nginx.conf"
            conf.write_text(text.replace("server market.test:443", "server 127.0.0.1:443"))
            command = [fronts.NGINX, "-t", "-q", "-p", str(tmp_path), "-c", str(conf)]
            done = subprocess.run([*command, "-e", "stderr"], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_a_configuration_the_gate_refuses_ends_the_start_with_its_words(tmp_path: Path) -> None:
    if fronts.NGINX is None:
        pytest.skip("nginx is missing: make setup")
    config = configured(tmp_path, "http://127.0.0.1:9", 1, 2)
    config.write_text(config.read_text().replace("[issuer]", "[issuer]\nlife = 3"))
    done = subprocess.run(
        [sys.executable, str(FOLDER / "entrypoint.py")],
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin",
            "KYCGATE_CONFIG": str(config),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "issuer.life: unknown setting" in done.stderr + done.stdout
    assert "the gate did not start" in done.stderr


def test_the_image_copies_what_there_is_and_runs_as_nobody_special() -> None:
    lines = (REPO / "Dockerfile").read_text().splitlines()
    for line in lines:
        found = re.match(r"COPY (?!--from)(.+) \S+$", line)
        for source in found[1].split() if found else []:
            assert (REPO / source).exists(), source
    assert "USER kycgate" in lines
    entry = next(line for line in lines if line.startswith("ENTRYPOINT"))
    (path,) = re.findall(r"/opt/kycgate/container/(\S+)\"", entry)
    assert (FOLDER / path).exists()
    kept = (REPO / ".dockerignore").read_text().split()
    assert {"!kycgate", "!examples/container", "!requirements-server.lock"} <= set(kept)
