"""`kycgate renter`: the whole way of a renter from a terminal, against a live control plane."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main
from kycgate.cli.output import Exit
from kycgate.client.questions import ask_details
from kycgate.core.claims import Account
from kycgate.core.permit import SignedPermit
from kycgate.core.typed import keccak
from kycgate.keys import generate_key
from kycgate.store.records.jobs import Job
from tests.client.conftest import live  # noqa: F401
from tests.web.browser import ALICE, Browser, key_of
from tests.web.world import World

TERMS = ["--provider", "0x" + "11" * 20, "--token", "0x" + "22" * 20, "--max-value", "5"]


@dataclass
class Terminal:
    """Runs the command as a shell would: words in, exit code, stdout and stderr out."""

    world: World
    capsys: pytest.CaptureFixture[str]
    state: Path

    def __call__(self, *words: str) -> tuple[int, str, str]:
        try:
            code = main(["renter", *words, "--gate", self.world.parts.public_url])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *words: str) -> tuple[int, Any]:
        code, out, _ = self(*words, "--json")
        return code, json.loads(out)


@pytest.fixture
def terminal(
    live: World,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KYCGATE_RENTER_KEY", keccak(b"alice").hex())
    return Terminal(live, capsys, tmp_path / "state" / "kycgate" / "sessions.json")


@pytest.fixture
def signed_in(terminal: Terminal) -> Terminal:
    assert terminal("login")[0] == Exit.YES
    return terminal


def test_login_keeps_the_session_where_only_the_owner_reads_it(terminal: Terminal) -> None:
    code, told = terminal.json("login")
    assert (code, told["account"]) == (Exit.YES, key_of(ALICE))
    assert stat.S_IMODE(terminal.state.stat().st_mode) == 0o600
    assert stat.S_IMODE(terminal.state.parent.stat().st_mode) == 0o700
    kept = terminal.state.read_text()
    assert keccak(b"alice").hex() not in kept, "the key itself is never kept"
    assert "kgs_" in kept
    assert "kgs_" not in json.dumps(told), "the token is no output"


def test_a_key_is_read_from_a_file_or_keystore_never_from_the_line(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KYCGATE_RENTER_KEY")
    plain = generate_key(tmp_path / "plain")
    assert terminal.json("login", "--key-file", str(tmp_path / "plain"))[1]["account"] == (
        "0x" + plain.hex()
    )
    password = tmp_path / "password"
    password.write_text("correct horse battery\n")
    password.chmod(0o600)
    sealed = generate_key(tmp_path / "sealed", password=f"file:{password}")
    words = ("--key-file", str(tmp_path / "sealed"), "--password-file", str(password))
    assert terminal.json("login", *words)[1]["account"] == "0x" + sealed.hex()
    assert terminal("login", "--key", keccak(b"alice").hex())[0] == Exit.USAGE


def test_without_a_key_the_answer_names_both_ways(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KYCGATE_RENTER_KEY")
    code, _, err = terminal("login")
    assert code == Exit.USAGE
    assert "KYCGATE_RENTER_KEY" in err
    assert "Traceback" not in err


def test_commands_that_need_a_session_say_how_to_get_one(terminal: Terminal) -> None:
    for words in (("status",), ("key",), ("permit", "--job", "0x" + "00" * 32)):
        code, out, err = terminal(*words)
        assert (code, out) == (Exit.USAGE, "")
        assert "kycgate renter login --gate" in err


def test_a_session_file_others_can_read_is_refused(signed_in: Terminal) -> None:
    signed_in.state.chmod(0o644)
    code, _, err = signed_in("status")
    assert code == Exit.USAGE
    assert "others can read it" in err


def test_a_broken_session_file_is_named(signed_in: Terminal) -> None:
    signed_in.state.write_text("{")
    assert signed_in("status")[0] == Exit.USAGE


def test_the_exit_code_of_status_is_the_state(signed_in: Terminal, tmp_path: Path) -> None:
    details = tmp_path / "who.json"
    details.write_text('{"kind": "person", "details": {"name": "Ada", "country": "SG"}}')
    assert signed_in.json("status")[0] == Exit.UNDECIDED
    code, case = signed_in.json("verify", "--details", str(details))
    assert (code, case["state"]) == (Exit.UNDECIDED, "checking")
    assert signed_in("status")[0] == Exit.UNDECIDED
    signed_in.world.registrar.decide_case(case["id"], "refused", now=int(time.time()))
    code, out, _ = signed_in("status")
    assert code == Exit.NO
    assert "Refused" in out


def test_watch_ends_with_the_answer(signed_in: Terminal, tmp_path: Path) -> None:
    details = tmp_path / "who.json"
    details.write_text('{"kind": "person", "details": {"name": "Ada", "country": "SG"}}')
    case = signed_in.json("verify", "--details", str(details))[1]
    code, out, err = signed_in("status", "--watch", "--timeout", "1")
    assert code == Exit.UNDECIDED
    assert "Checking" in err
    signed_in.world.registrar.decide_case(case["id"], "approved", now=int(time.time()))
    code, out, _ = signed_in("status", "--watch", "--json")
    assert code == Exit.YES
    assert json.loads(out)["attestation"]["uid"].startswith("0x")


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"kind": "person"}', '{"kind": "person", "details": []}', '{"details": {}}'],
)
def test_a_details_file_that_is_no_case_is_refused_before_it_is_sent(
    signed_in: Terminal, tmp_path: Path, content: str
) -> None:
    details = tmp_path / "who.json"
    details.write_text(content)
    code, _, err = signed_in("verify", "--details", str(details))
    assert code == Exit.USAGE
    assert "who.json" in err
    assert signed_in.world.registrar.told == []


def test_the_gate_names_the_field_that_is_wrong(signed_in: Terminal, tmp_path: Path) -> None:
    details = tmp_path / "who.json"
    details.write_text('{"kind": "person", "details": {"country": "SG"}}')
    code, _, err = signed_in("verify", "--details", str(details))
    assert code == Exit.USAGE
    assert "details.name" in err


def test_keys_are_made_listed_and_revoked(signed_in: Terminal) -> None:
    code, made = signed_in.json("key", "--label", "ci", "--days", "3", "--scope", "rent")
    assert code == Exit.YES
    assert made["secret"].startswith("kg_")
    assert made["scope"] == ["rent"]
    listed = signed_in("key", "list")[1]
    assert made["id"] in listed
    assert made["secret"] not in listed
    assert signed_in("key", "revoke", made["id"])[0] == Exit.YES
    assert signed_in("key", "revoke", made["id"])[0] == Exit.NO
    assert signed_in("key", "revoke")[0] == Exit.USAGE
    assert "ended" in signed_in("key", "list")[1]


def test_a_permit_is_refused_with_reasons_and_given_when_allowed(signed_in: Terminal) -> None:
    job = ["--gpu-model", "H100", "--gpu-count", "8", "--hours", "24", *TERMS]
    code, out, err = signed_in("permit", *job)
    assert (code, out) == (Exit.NO, "")
    assert "There is no valid identity attestation" in err
    signed_in.world.registrar.attest(Account(ALICE.address), now=int(time.time()))
    code, document = signed_in.json("permit", *job)
    assert code == Exit.YES
    permit = SignedPermit.from_wire(json.dumps(document).encode())
    assert permit.permit.max_value == 5
    record = Job(permit.permit.job, key_of(ALICE), b"f" * 32, None, "decided", "d", b"{}", 1, 1)
    signed_in.world.store.begin_job(record, repeat_window_s=1)
    found = signed_in.json("permit", "--job", "0x" + permit.permit.job.hex())
    assert found == (Exit.YES, document)


@pytest.mark.parametrize("job", ["0x12", "zz", "0x" + "00" * 33])
def test_a_job_that_is_no_id_is_a_usage_error(signed_in: Terminal, job: str) -> None:
    assert signed_in("permit", "--job", job)[0] == Exit.USAGE


def test_logout_ends_the_session_at_the_gate_too(signed_in: Terminal) -> None:
    token = json.loads(signed_in.state.read_text())[signed_in.world.parts.public_url]["token"]
    assert signed_in("logout")[0] == Exit.YES
    assert signed_in("status")[0] == Exit.USAGE
    assert Browser(signed_in.world, token=token).get("/v1/status").status_code == 401


def test_a_gate_that_does_not_answer_is_undecided(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renter", "login", "--gate", "http://127.0.0.1:9"]) == Exit.UNDECIDED
    assert "did not answer" in capsys.readouterr().err


def test_a_gate_over_plain_http_elsewhere_is_refused(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renter", "login", "--gate", "http://gate.example"]) == Exit.USAGE
    assert "https" in capsys.readouterr().err


# -- questions ---------------------------------------------------------------------------------


def _answers(*lines: str) -> Callable[[str], str]:
    waiting = iter(lines)
    return lambda question: next(waiting)


def test_questions_make_a_person() -> None:
    told = ask_details(_answers("x", "p", "Ada Tan", "sg", ""))
    assert told == {"kind": "person", "details": {"name": "Ada Tan", "country": "SG"}}


def test_questions_walk_up_the_chain_of_owners() -> None:
    told = ask_details(
        _answers("o", "Sub Ltd", "1", "", "SG", "SG", "y", "Top Co", "CN", "", "n", "u", "Mei")
    )
    assert told["details"]["parent"] == {"name": "Top Co", "country": "CN", "parent": None}
    assert told["details"]["representative"] == {"name": "Mei"}


def test_unknown_parents_stay_unknown() -> None:
    told = ask_details(_answers("o", "Sub Ltd", "1", "", "SG", "SG", "u", "u", "Mei"))
    assert "parent" not in told["details"], "a missing key is unknown, null would say there is none"
    assert "owners" not in told["details"], "an empty list would say there are none"


def test_questions_ask_who_holds_a_quarter_and_who_holds_that() -> None:
    top = ("o", "Top Co", "UA", "ua-43", "25-50", "n")
    told = ask_details(
        _answers(
            "o", "Sub Ltd", "1", "", "SG", "SG", "n", "y", "p", "Eva Li", "SG", "40", "y",
            *top, "n", "Mei",
        ),
        lambda country: {"UA-43", "UA-09"} if country == "UA" else (),
    )  # fmt: skip
    assert told["details"]["owners"] == [
        {"kind": "person", "name": "Eva Li", "country": "SG", "share": "40"},
        {
            "kind": "organisation",
            "name": "Top Co",
            "country": "UA",
            "region": "UA-43",
            "share": {"min": "25", "max": "50"},
            "owners": [],
        },
    ]


def test_a_code_is_drawn_and_what_it_linked_is_listed_and_ended(terminal: Terminal) -> None:
    terminal("login")
    code, out, _ = terminal("link")
    assert code == Exit.YES
    assert out.startswith("kycgate-")
    drawn = terminal.json("link")[1]["code"]
    assert len(drawn) == 32
    assert terminal("link", "list")[1] == "No user is linked.\n"
    link = terminal.world.link_user(key_of(ALICE), user="ann")
    assert "ann at main" in terminal("link", "list")[1]
    assert terminal("link", "end")[0] == Exit.USAGE
    assert terminal("link", "end", link.id)[0] == Exit.YES
    assert terminal.json("link", "list")[1] == {"users": []}
