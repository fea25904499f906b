"""The control plane takes only so much from one address."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

from kycgate.gateway.limits import Rate
from kycgate.web.limits import PerAddress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """What the application saw, and what the caller got."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.passed = 0
        self.app = PerAddress(
            self._app, every=Rate(1, 6), changes=Rate(1, 2), monotonic=self.clock, **options
        )

    def _app(self, environ: Any, start: Any) -> list[bytes]:
        self.passed += 1
        start("200 OK", [])
        return [b""]

    def ask(self, method: str = "GET", ip: str = "192.0.2.1", **more: str) -> int:
        got: list[Any] = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": "/v1/x", "REMOTE_ADDR": ip, **more}
        body = b"".join(self.app(environ, lambda *said: got.append(said)))  # type: ignore
        status, fields = got[0]
        if status.startswith("429"):
            assert int(dict(fields)["Retry-After"]) >= 1
            assert json.loads(body)["code"] == "rate_limited"
        return int(status.split()[0])


def test_challenges_and_sign_ins_run_out_before_reads_do() -> None:
    asked = Asked()
    assert [asked.ask("POST") for _ in range(4)] == [200, 200, 429, 429]
    assert [asked.ask() for _ in range(6)] == [200] * 4 + [429] * 2
    asked.clock.now += 1
    assert asked.ask("POST") == 200


def test_a_providers_backlog_is_taken_as_reads_are_and_no_further() -> None:
    """Its messages come at once and from few addresses; whose they are is proven by signature."""
    asked = Asked()
    path = {"PATH_INFO": "/v1/webhooks/sumsub"}
    assert [asked.ask("POST", **path) for _ in range(8)] == [200] * 6 + [429] * 2


def test_what_is_refused_reaches_no_application() -> None:
    asked = Asked()
    for _ in range(10):
        asked.ask("POST")
    assert asked.passed == 2


def test_one_address_does_not_use_up_anothers_turns() -> None:
    asked = Asked()
    for _ in range(10):
        asked.ask("POST", "2001:db8::1")
    assert asked.ask("POST", "2001:db8::2") == 429  # the same /64
    assert asked.ask("POST", "192.0.2.2") == 200


def test_behind_a_front_its_word_counts_and_nobody_elses() -> None:
    asked = Asked(fronts=(ip_network("127.0.0.0/8"),))
    for n in range(4):
        asked.ask("POST", "192.0.2.1", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}")
    assert asked.passed == 2
    for n in range(4):
        forged = f"203.0.113.{n}, 198.51.100.7"
        asked.ask("POST", "127.0.0.1", HTTP_X_FORWARDED_FOR=forged)
    assert asked.passed == 4
