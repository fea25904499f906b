"""A configuration becomes a running product, and a wrong one says what to mend."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from kycgate.assembly import (
    background,
    check_config,
    control_app,
    forward_auth_app,
    gateway_app,
    open_services,
)
from kycgate.cli import main
from kycgate.core.assertion import JWKS_PATH, AssertionKeys
from kycgate.core.claims import Account, checksum
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Misconfigured, Refused, Unavailable
from kycgate.gateway.hooks.linking import code_hash, draw_code
from kycgate.gateway.server import start_in_thread
from kycgate.gateway.view import Reply, RequestView
from kycgate.keys import LocalSigner, load_assertion_signer, load_signer
from kycgate.store.records.signin import UserLink
from kycgate.web.parts import Scheduler
from tests.operating import EAS, set_up

ROOT = LocalSigner(b"\x42" * 31 + b"\x01")
HOUR = 3600


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """What an operator has after following the operating notes."""
    return set_up(tmp_path, keys={"assertion": "file:keys/assertion.key"})


def test_the_operating_notes_lead_to_a_sound_configuration(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = check_config(config)
    assert facts["settlement"] == "none"
    assert "us-csl of 2026-07-31" in facts["lists"]
    capsys.readouterr()
    assert main(["config", "check", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_an_assertion_key_is_used_where_one_is_named_and_published(config: Path) -> None:
    signer = load_assertion_signer(f"file:{config.parent}/keys/assertion.key")
    with open_services(config) as services:
        view = RequestView(
            "GET", JWKS_PATH.encode(), "127.0.0.1:8080", "http",
            (("Host", "127.0.0.1:8080"),), None, "192.0.2.7", int(time.time()), "test",
        )  # fmt: skip
        reply = services.gate.check(view)
        assert isinstance(reply, Reply)
        assert AssertionKeys.from_jwks(reply.body) == AssertionKeys((signer.public,))
    config.write_text(config.read_text().replace('assertion = "file:keys/assertion.key"', ""))
    with open_services(config) as services:
        reply = services.gate.check(view)
        assert isinstance(reply, Reply)
        assert json.loads(reply.body) == {"keys": []}


def test_a_wrong_configuration_exits_64_and_names_the_line(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace('upstream = "', 'upstream = "ftp'))
    capsys.readouterr()
    assert main(["config", "check", str(config)]) == 64
    assert "kycgate.toml:6: marketplace.upstream: needs an origin" in capsys.readouterr().out


def test_a_missing_key_file_is_named(config: Path) -> None:
    (config.parent / "keys" / "log.key").unlink()
    with pytest.raises(Misconfigured, match=r"log\.key"):
        check_config(config)


def test_a_key_others_may_read_is_refused(config: Path) -> None:
    (config.parent / "keys" / "issuer.key").chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        check_config(config)


def test_keys_are_never_overwritten(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (config.parent / "keys" / "issuer.key").read_text()
    assert main(["keys", "init", str(config.parent / "keys")]) == 1
    assert (config.parent / "keys" / "issuer.key").read_text() == before
    assert before.strip() not in capsys.readouterr().out


def test_an_operator_token_is_shown_once_and_configured_by_its_digest(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["keys", "token", "alice", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    text = config.read_text().replace(
        "[marketplace]", f'operators = ["{told["operators"]}"]\n\n[marketplace]'
    )
    config.write_text(text)
    with open_services(config) as services:
        [digest] = services.web.operator_tokens
    assert told["token"].startswith("kgo_")
    assert told["token"] not in text
    assert digest.hex() in text


def test_the_background_works_and_ends(config: Path) -> None:
    with open_services(config) as services, background(services):
        services.tick(60)


# -- trust lists -----------------------------------------------------------------------------------


def trusting(config: Path, sequence: int, *, days: int = 30, signer: LocalSigner = ROOT) -> None:
    """Give the configuration a trust list for its own issuer."""
    issuer = load_signer(f"file:{config.parent}/keys/issuer.key").address
    now = int(time.time())
    trust = TrustList(
        sequence=sequence,
        issued_at=now - HOUR,
        expires_at=now - HOUR + days * 86_400,
        issuers=(
            TrustedIssuer(
                address=issuer,
                domain_version="1.4.0",
                chain_id=8453,
                eas=Account.from_key(EAS.lower()).address,
                not_before=0,
                not_after=None,
            ),
        ),
        permit_signers=(),
        root=signer.address,
    )
    (config.parent / "trust.json").write_bytes(trust.to_wire(signer.sign_digest))
    if "trust_list" not in config.read_text():
        lines = f'trust_list = "trust.json"\nroot = "{checksum(ROOT.address)}"\n'
        config.write_text(config.read_text() + lines)


def test_the_roots_trust_list_is_in_force(config: Path) -> None:
    trusting(config, 7)
    with open_services(config) as services:
        assert services.store.setting("trust_sequence") == "7"


def test_an_older_trust_list_does_not_come_back(config: Path) -> None:
    trusting(config, 7)
    with open_services(config):
        pass
    trusting(config, 6)
    with pytest.raises(Refused, match="older than 7"), open_services(config):
        pass


def test_a_trust_list_of_another_root_is_refused(config: Path) -> None:
    trusting(config, 7, signer=LocalSigner(b"\x43" * 31 + b"\x01"))
    with pytest.raises(Refused, match="did not sign"), open_services(config):
        pass


def test_an_expired_trust_list_stops_the_start(config: Path) -> None:
    trusting(config, 7, days=0)
    with pytest.raises((Refused, Unavailable)), open_services(config):
        pass


def test_the_command_signs_a_list_the_gate_takes(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root_path = config.parent / "root.key"
    assert main(["keys", "new", str(root_path)]) == 0
    root = load_signer(f"file:{root_path}")
    issuer = checksum(load_signer(f"file:{config.parent}/keys/issuer.key").address)
    words = ["keys", "trust", "--root", f"file:{root_path}", "--sequence", "1"]
    words += ["--issuer", issuer, "--chain-id", "8453", "--eas", EAS, "--eas-version", "1.4.0"]
    out = config.parent / "list.json"
    assert main([*words, "--out", str(out)]) == 0
    text = config.read_text()
    config.write_text(f'{text}trust_list = "list.json"\nroot = "{checksum(root.address)}"\n')
    with open_services(config) as services:
        assert services.store.setting("trust_sequence") == "1"
    assert root_path.read_text().strip() not in capsys.readouterr().out


# -- upstream credentials and the vault ------------------------------------------------------------


def person_of(services: object, account: str) -> None:
    details = {"name": "Ada Example", "birth_date": "1985-12-10", "country": "DE"}
    services.identity.open_case(  # type: ignore[attr-defined]
        Account.from_key(account), 1, details, refusal_id=None, now=int(time.time())
    )


def test_an_accounts_own_marketplace_key_survives_a_rotation_of_the_vault(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "0x" + "ab" * 20
    with open_services(config) as services:
        person_of(services, account)
    reading, writing = os.pipe()
    os.write(writing, b"io-v2-renters-own\n")
    os.close(writing)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        assert main(["keys", "upstream", "set", account, "--config", str(config)]) == 0
    database = (config.parent / "kycgate.sqlite3").read_bytes()
    assert b"io-v2-renters-own" not in database
    new = config.parent / "keys" / "vault2.key"
    assert main(["keys", "secret", str(new)]) == 0
    assert main(["keys", "rotate-vault", "--config", str(config), "--new", f"file:{new}"]) == 0
    config.write_text(config.read_text().replace("keys/vault.key", "keys/vault2.key"))
    with open_services(config) as services:
        subject = services.store.subject_of(account)
        sealed = services.store.upstream_key(account)
        assert subject is not None
        assert sealed is not None
        opened = services.vault.open_credential(subject.id, account, sealed)
    assert opened == "io-v2-renters-own"


def test_config_check_refuses_renting_through_a_front_that_shows_no_body(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = '[gate]\nforward_auth = "nginx"\nforward_auth_routes = ["read", "stop", "rent"]\n'
    config.write_text(config.read_text().replace("[gate]\n", lines))
    capsys.readouterr()
    assert main(["config", "check", str(config)]) != 0
    said = capsys.readouterr()
    assert "gate.forward_auth_routes" in said.out + said.err


def test_a_configured_front_is_answered_on_its_own_listener(config: Path) -> None:
    with open_services(config) as services:
        assert forward_auth_app(services) is None
    config.write_text(config.read_text().replace("[gate]\n", '[gate]\nforward_auth = "nginx"\n'))
    with (
        open_services(config) as services,
        start_in_thread(
            gateway_app(services),
            control_app(services),
            beside=(forward_auth_app(services), ("127.0.0.1", 0)),
        ) as running,
    ):
        asked = {
            "X-Original-Method": "GET",
            "X-Original-URI": "/enterprise/v1/io-cloud/caas/deployment/1",
            "X-Original-Host": "127.0.0.1:8080",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-For": "192.0.2.7",
        }
        url = f"http://127.0.0.1:{running.beside_port}/auth"
        answer = requests.get(url, headers=asked, timeout=10)
    assert answer.status_code == 403
    assert "/r/" in answer.headers["Kycgate-Refusal"]


def test_an_order_to_stop_goes_to_the_named_server_with_its_token(config: Path) -> None:
    asked = []

    class Dstack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Authorization"], body.get("username")))
            self.send_response(200)
            self.end_headers()
            told = {"global_role": "admin"} if self.path.endswith("get_my_user") else []
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *said: object) -> None:
            """Says nothing."""

    token = config.parent / "keys" / "dstack"
    token.write_text("dstack-admin\n")
    token.chmod(0o600)
    with ThreadingHTTPServer(("127.0.0.1", 0), Dstack) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        config.write_text(
            config.read_text()
            + f'\n[hooks]\ndstack = ["main:{"a" * 64}"]\n'
            + f'stop = ["main {origin} file:keys/dstack"]\n'
        )
        assert check_config(config)["schedulers"] == "main (dstack, told to stop on revocation)"
        with open_services(config) as services:
            users = [["main", "ann", 2**40]]
            services.store.enqueue("stop_runs", {"account": "0x", "users": users}, due_at=0)
            rounds = dict(services.ticks)
            rounds["schedulers"](int(time.time()))
            assert services.store.due("stop_runs", now=2**40) == []
        server.shutdown()
    mine, listed = asked
    assert mine[:2] == ("/api/users/get_my_user", "Bearer dstack-admin")
    assert listed == ("/api/runs/list", "Bearer dstack-admin", "ann")


def test_a_named_scheduler_is_answered_on_its_own_listener(config: Path) -> None:
    secret = "kgh_" + "s" * 43
    entry = f"main:{hashlib.sha256(secret.encode()).hexdigest()}"
    with open_services(config) as services:
        assert services.hooks is None
        assert services.web.schedulers == (), "and pages speak of no linked users"
    config.write_text(config.read_text() + f'\n[hooks]\ndstack = ["{entry}"]\n')
    spec = {"configuration": {"type": "task", "resources": {"gpu": {"name": ["H100"]}}}}
    with (
        open_services(config) as services,
        start_in_thread(
            gateway_app(services),
            control_app(services),
            further=[(services.hooks, ("127.0.0.1", 0))],
        ) as running,
    ):
        url = f"http://127.0.0.1:{running.ports[-1]}/apply_policies/on_run_apply"
        body = {"user": "ann", "project": "main", "spec": spec}
        answer = requests.post(url, json=body, auth=("main", secret), timeout=10)
        code, now = draw_code(os.urandom), int(time.time())
        account = Account(ROOT.address).key
        services.store.add_user_code(UserLink("5c" * 8, account, code_hash(code), now + 900, now))
        body["spec"] = spec | {"run_name": code}
        shown = requests.post(url, json=body, auth=("main", secret), timeout=10)
        assert services.web.schedulers == (Scheduler("main", "dstack"),)
        (logged,) = [e for e in services.store.log_entries() if e.kind == "user_link"]
    assert answer.status_code == 200
    assert answer.json()["spec"] == spec
    assert "not linked" in answer.json()["error"]
    assert "Linked" in shown.json()["error"]
    assert json.loads(logged.body) == {"scheduler": "main", "account": account, "link": "5c" * 8}


def test_pages_name_whom_renters_turn_to(config: Path) -> None:
    with open_services(config) as services:
        assert services.web.words.contact == "http://127.0.0.1:8081"
    text = config.read_text().replace("[gate]\n", '[gate]\ncontact = "appeals@market.example"\n')
    config.write_text(text)
    with open_services(config) as services:
        assert services.web.words.contact == "appeals@market.example"
