"""`kycgate vault`, over a configuration as an operator has it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kycgate.assembly import open_services
from kycgate.cli import main
from kycgate.core.claims import Account, Address
from kycgate.errors import Misconfigured
from tests.issuer.proofs import a_proof
from tests.operating import set_up

ADA = Account(Address(b"\xad" * 20))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return set_up(tmp_path, screening={"max_age_s": 315360000})


def proven(config: Path, **changes: Any) -> str:
    now = int(time.time())
    with open_services(config) as services:
        proof = a_proof(proven_at=now, valid_until=None, **changes)
        return services.identity.prove(ADA, proof, now=now).id


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def told(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main(["vault", *words, "--config", str(config), "--json"]) == code
        return json.loads(capsys.readouterr().out or "null")

    return told


def test_a_rotation_in_three_steps_loses_nothing(config: Path, run: Any) -> None:
    case = proven(config)
    old = run("status")
    assert old["subjects"] == {old["current"]: 1}
    assert main(["keys", "secret", str(config.parent / "keys" / "new.key")]) == 0
    before = config.read_text()
    # 1. everybody learns to open with the new key, 2. rewrap, 3. it becomes everybody's own
    config.write_text(before + '[vault]\nalso = ["file:keys/new.key"]\n')
    new = f"file:{config.parent}/keys/new.key"
    assert run("rotate", "--new", new)["rewrapped"] == 1
    with open_services(config) as services:
        now = int(time.time())
        view = services.identity.case_view(case, reader="mara", now=now)
        assert view["details"]["name"] == "Ada Okafor"
    config.write_text(before.replace("keys/vault.key", "keys/new.key"))
    status = run("status")
    assert status["subjects"] == {status["current"]: 1}
    assert status["current"] != old["current"]


def test_with_the_new_key_first_the_rest_is_rewrapped_without_naming_it(
    config: Path, run: Any
) -> None:
    proven(config)
    assert main(["keys", "secret", str(config.parent / "keys" / "new.key")]) == 0
    text = config.read_text().replace("keys/vault.key", "keys/new.key")
    config.write_text(text + '[vault]\nalso = ["file:keys/vault.key"]\n')
    assert run("rotate")["rewrapped"] == 1
    assert run("rotate")["rewrapped"] == 0


def test_a_hold_is_placed_named_and_ended(config: Path, run: Any) -> None:
    case = proven(config)
    words = ("hold", case, "--until", "2099-12-31", "--reason", "order 17", "--by", "mara")
    hold = run(*words)
    assert hold["until"] == 4_102_444_800
    assert run("retention", "--dry-run")["subjects"] == []
    released = run("hold", case, "--release", hold["hold"], "--by", "noor")
    assert released == {"released": hold["hold"]}


@pytest.mark.parametrize(
    "words",
    [
        ("--until", "tomorrow", "--reason", "x1"),
        ("--until", "1999-01-01", "--reason", "x1"),
        ("--until", "2099-01-01"),
        ("--reason", "x1"),
    ],
)
def test_an_unclear_hold_is_a_usage_error(config: Path, run: Any, words: tuple[str, ...]) -> None:
    run("hold", proven(config), *words, "--by", "mara", code=64)


def test_the_calendar_runs_and_says_whom_it_forgot(config: Path, run: Any) -> None:
    now = int(time.time())
    with open_services(config) as services:
        draft = services.identity.draft(
            ADA, 1, {"name": "Ada", "country": "FR"}, refusal_id=None, now=now - 91 * 86_400
        )
    told = run("retention", "--dry-run")
    assert [each["subject"] for each in told["subjects"]] == [draft.subject_id]
    assert run("retention") == told | {"dry_run": False}
    assert run("retention")["subjects"] == []
    assert run("status")["erased"] == 1


def test_a_countrys_own_law_is_read_and_an_unknown_country_refused(config: Path) -> None:
    law = '[[retention]]\ncountry = "DE"\nyears = 5\nreason = "GwG section 8"\n'
    before = config.read_text()
    config.write_text(before + law)
    with open_services(config) as services:
        assert services.verifying.retention.rules.of(276).years == 5
        assert services.verifying.retention.rules.of(250).years == 10
    config.write_text(before + law.replace("DE", "QQ"))
    with pytest.raises(Misconfigured, match="QQ"), open_services(config):
        pass
    config.write_text(before + law + law)
    with pytest.raises(Misconfigured, match="twice"), open_services(config):
        pass
    config.write_text(before + law.replace("[[retention]]", "[retention]"))
    with pytest.raises(Misconfigured, match="double brackets"), open_services(config):
        pass


def test_a_plug_in_needs_its_address_and_must_exist(config: Path) -> None:
    before = config.read_text()
    config.write_text(before + '[vault]\nkeys = "nonesuch"\n')
    with pytest.raises(Misconfigured, match=r"vault\.address"), open_services(config):
        pass
    config.write_text(before + '[vault]\nkeys = "nonesuch"\naddress = "x"\n')
    with pytest.raises(Misconfigured, match="nonesuch"), open_services(config):
        pass


# -- live and test -----------------------------------------------------------------------------


def test_one_issuer_key_never_serves_both_environments(config: Path) -> None:
    with open_services(config):
        pass
    config.write_text(config.read_text() + '[identity]\nenvironment = "test"\n')
    with pytest.raises(Misconfigured, match="live environment"), open_services(config):
        pass
    assert main(["keys", "new", str(config.parent / "keys" / "trial.key")]) == 0
    config.write_text(config.read_text().replace("keys/issuer.key", "keys/trial.key"))
    with open_services(config) as services:
        assert services.identity.rules.live is False
