"""First process of the container: writes nginx's configuration, runs the gate and nginx, and ends.

    KYCGATE_CONFIG         the configuration (/etc/kycgate/kycgate.toml)
    KYCGATE_MARKET_PORT    where renters' clients connect (8080)
    KYCGATE_CONTROL_PORT   where browsers connect (8081)
    KYCGATE_TLS            folder with tls.crt and tls.key; without them plain HTTP
    KYCGATE_FRONTS         networks of load balancers before this container, by commas: their
                           X-Forwarded-For is believed, and what they say arrived by TLS did
    KYCGATE_WORKERS        nginx workers (auto)

Whichever of the two programs ends first takes the other with it: a container that decides nothing,
or forwards nothing, must be seen to be down. Needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
STOP_S = 20
START_S = 60
_SAFE = re.compile(r"[A-Za-z0-9._/:\[\]-]+")
"""What may stand in nginx's configuration unquoted: a value with anything else ends the start."""


class Unfit(Exception):
    """The container can't start like this. The text says what to mend."""


# -- nginx's configuration -------------------------------------------------------------------------


def render(template: str, values: Mapping[str, str], blocks: Mapping[str, str]) -> str:
    """The template with each @name@ filled in. `values` are checked, `blocks` are ours."""
    for name, value in values.items():
        if not _SAFE.fullmatch(value):
            raise Unfit(f"{name}: {value!r} can't stand in nginx's configuration")
    return re.sub(r"@([a-z_]+)@", lambda found: {**values, **blocks}[found[1]], template)


def values(
    config: Mapping[str, Any], environ: Mapping[str, str], run: Path, inside: Mapping[str, int]
) -> tuple[dict[str, str], dict[str, str]]:
    """What the template asks for, from the product's configuration and the container's."""
    upstream = urlsplit(
        environ.get("KYCGATE_MARKETPLACE_UPSTREAM") or config["marketplace"]["upstream"]
    )
    if upstream.scheme not in ("http", "https") or not upstream.hostname:
        raise Unfit("marketplace.upstream: needs an origin such as https://api.example")
    port = upstream.port or (443 if upstream.scheme == "https" else 80)
    folder = Path(environ.get("KYCGATE_TLS", "/etc/kycgate/tls"))
    tls = (folder / "tls.crt").exists() and (folder / "tls.key").exists()
    fronts = [each.strip() for each in environ.get("KYCGATE_FRONTS", "").split(",") if each.strip()]
    bare_host = f"[{upstream.hostname}]" if ":" in upstream.hostname else upstream.hostname
    filled = {
        "run": str(run),
        "workers": environ.get("KYCGATE_WORKERS", "auto"),
        "body": str(config.get("gate", {}).get("body_limit", 2**20)),
        "gate": str(inside["gate"]),
        "desk": str(inside["desk"]),
        "asked": str(inside["asked"]),
        "scheme": upstream.scheme,
        "upstream": f"{bare_host}:{port}",
        "host": upstream.netloc,
        "host_name": upstream.hostname,
        "roots": environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
        "static": str(_static()),
    }
    blocks = {
        "market": _listen(environ.get("KYCGATE_MARKET_PORT", "8080"), tls=tls),
        "control": _listen(environ.get("KYCGATE_CONTROL_PORT", "8081"), tls=tls),
        "tls": _tls(folder) if tls else "",
        "fronts": _fronts(fronts),
        "public_scheme": "$public_scheme" if fronts else "$scheme",
        "headers": "\n            ".join(_headers()),
        "hsts": _hsts(config),
    }
    return filled, blocks


def _listen(port: str, *, tls: bool) -> str:
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise Unfit(f"{port!r} is no port")
    return f"{port} ssl" if tls else port


def _tls(folder: Path) -> str:
    if not _SAFE.fullmatch(str(folder)):
        raise Unfit(f"KYCGATE_TLS: {str(folder)!r} can't stand in nginx's configuration")
    return (
        f"    ssl_certificate {folder}/tls.crt;\n    ssl_certificate_key {folder}/tls.key;\n"
        "    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:tls:4m;\n"
        "    ssl_session_tickets off;\n"
    )


def _fronts(networks: list[str]) -> str:
    if not networks:
        return ""
    try:
        known = [ipaddress.ip_network(each) for each in networks]
    except ValueError as error:
        raise Unfit(f"KYCGATE_FRONTS: {error}") from error
    if any(each.prefixlen == 0 for each in known):
        raise Unfit("KYCGATE_FRONTS: would believe everybody")
    believed = "".join(f"    set_real_ip_from {each};\n" for each in known)
    near = "".join(f"        {each} 1;\n" for each in known)
    return (
        f"{believed}    real_ip_header X-Forwarded-For;\n    real_ip_recursive on;\n"
        f"    geo $realip_remote_addr $from_front {{\n        default 0;\n{near}    }}\n"
        '    map "$from_front:$http_x_forwarded_proto" $public_scheme {\n'
        '        default $scheme;\n        "1:https" https;\n    }\n'
    )


def _static() -> Path:
    import kycgate

    return Path(kycgate.__file__).parent / "web" / "static"


def _headers() -> list[str]:
    """The same fields as the application sends with its own pages."""
    from kycgate.web.app import HEADERS

    for value in HEADERS.values():
        if '"' in value or "$" in value or "\\" in value:
            raise Unfit("a header of the pages can't stand in nginx's configuration")
    return [f'add_header {name} "{value}" always;' for name, value in HEADERS.items()]


def _hsts(config: Mapping[str, Any]) -> str:
    secure = str(config.get("gate", {}).get("public_url", "")).startswith("https://")
    return 'add_header Strict-Transport-Security "max-age=31536000" always;' if secure else ""


# -- the two programs ------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


def gate_environment(environ: Mapping[str, str], inside: Mapping[str, int]) -> dict[str, str]:
    """The gate listens on loopback only, answers nginx, and believes what nginx says of callers."""
    return {
        **environ,
        "KYCGATE_GATE_LISTEN": f"127.0.0.1:{inside['gate']}",
        "KYCGATE_GATE_CONTROL_LISTEN": f"127.0.0.1:{inside['desk']}",
        "KYCGATE_GATE_FORWARD_AUTH": "nginx",
        "KYCGATE_GATE_FORWARD_AUTH_LISTEN": f"127.0.0.1:{inside['asked']}",
        "KYCGATE_GATE_FORWARD_AUTH_PEERS": "127.0.0.1",
        "KYCGATE_GATE_FORWARD_AUTH_ROUTES": "read",
        "KYCGATE_GATE_TRUSTED_FRONTS": "127.0.0.1",
    }


class Supervisor:
    """Runs both, passes signals on, collects the dead (it may be process 1), and ends with them."""

    def __init__(self) -> None:
        self._children: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        self._asked_to_stop = False

    def start(self, name: str, command: list[str], environ: Mapping[str, str]) -> None:
        # A group of its own: what it leaves behind when it is killed is ended with it.
        child = subprocess.Popen(command, env=dict(environ), process_group=0)
        self._children[child.pid] = (name, child)

    def stop(self) -> None:
        """nginx finishes what is under way (QUIT), for which it needs the gate: that goes last."""
        self._asked_to_stop = True
        by_name = dict(self._children.values())
        for name, number in (("nginx", signal.SIGQUIT), ("kycgate", signal.SIGTERM)):
            if name in by_name:
                with contextlib.suppress(ProcessLookupError):
                    by_name[name].send_signal(number)
                return

    def wait(self) -> int:
        """Until both are gone. 0 only if somebody asked for it."""
        ended_by_themselves = False
        while self._children:
            name, code = self._reap()
            if name is None:
                continue
            print(f"{name} ended with {code}", file=sys.stderr, flush=True)
            if not self._asked_to_stop:
                ended_by_themselves = True
                self._kill_later()
            self.stop()
        return 1 if ended_by_themselves else 0

    def _reap(self) -> tuple[str | None, int]:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            self._children.clear()
            return None, 0
        name, child = self._children.pop(pid, (None, None))
        code = os.waitstatus_to_exitcode(status)
        if child is not None:
            child.returncode = code
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        return name, code

    def alarm(self, signum: int, frame: FrameType | None) -> None:
        for _, child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    def _kill_later(self) -> None:
        signal.alarm(STOP_S)

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._kill_later()
        self.stop()


def await_port(port: int, child_lives: Any) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and child_lives():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Unfit("the gate did not start: its own words stand above")


def main(environ: Mapping[str, str]) -> int:
    config_path = Path(environ.get("KYCGATE_CONFIG", "/etc/kycgate/kycgate.toml"))
    nginx = shutil.which("nginx", path=f"{environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise Unfit("there is no nginx here")
    config = tomllib.loads(config_path.read_text(encoding="utf-8"))
    ports = free_ports(3)
    inside = {"gate": ports[0], "desk": ports[1], "asked": ports[2]}
    with tempfile.TemporaryDirectory(prefix="kycgate-nginx-") as folder:
        run = Path(folder)
        text = render(
            (HERE / "nginx.conf.template").read_text(), *values(config, environ, run, inside)
        )
        conf = run / "nginx.conf"
        conf.write_text(text)
        front = [nginx, "-p", folder, "-e", "stderr", "-c", str(conf), "-g", "daemon off;"]
        subprocess.run([*front, "-t", "-q"], check=True)
        both = Supervisor()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, both.on_signal)
        signal.signal(signal.SIGALRM, both.alarm)
        gate = [sys.executable, "-m", "kycgate", "serve", "--config", str(config_path)]
        both.start("kycgate", gate, gate_environment(environ, inside))
        (child,) = (each for _, each in both._children.values())
        try:
            await_port(inside["asked"], lambda: child.poll() is None and not both._asked_to_stop)
        except Unfit:
            both.stop()
            both.wait()
            raise
        both.start("nginx", front, environ)
        return both.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(os.environ))
    except (Unfit, OSError, tomllib.TOMLDecodeError, KeyError, subprocess.CalledProcessError) as e:
        sys.exit(f"kycgate: {e}")
