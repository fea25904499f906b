"""A list taken in by one process makes the gates of the others refuse, within the stated bound."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from kycgate.assembly import open_services
from kycgate.core.claims import Account, Address
from kycgate.screening.sources.shipped import WALLETS
from tests.operating import set_up

BOUND_S = 5.0
ADA = Account(Address(bytes.fromhex("ad" * 20)))
YEARS = 10 * 365 * 86_400


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return set_up(tmp_path, screening={"max_age_s": YEARS})


def approved(config: Path) -> None:
    now = int(time.time())
    with open_services(config) as services:
        services.store.note_wallet_proof(ADA.key, at=now)
        details = {"name": "Ada Quillfeather", "birth_date": "1985-12-10", "country": "DE"}
        case = services.identity.open_case(ADA, 1, details, refusal_id=None, now=now)
        services.identity.approve(case.id, reviewer="mara", reason="passport seen", now=now)
        # As if it had been running for a while: nothing is left of its first look at everybody.
        services.rescreening.run(now=now)
        services.rescreening.run(now=now)
        services.rescreening.run(now=now + 60)
        assert services.store.setting("rescreened") is not None


def gate(config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.rescreening_process", str(config), ADA.key]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_wallet_listed_by_one_process_is_refused_by_two_others_within_five_seconds(
    config: Path,
) -> None:
    approved(config)
    listed = config.parent / "wallets.txt"
    listed.write_text(f"0x{ADA.address.hex()}\n")
    gates = [gate(config) for _ in range(2)]
    try:
        for each in gates:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        # Both have built their index once; a gate that runs for long has as well.
        time.sleep(6)
        take = [
            sys.executable,
            "-m",
            "kycgate",
            "lists",
            "import",
            str(listed),
            "--list",
            "wallets",
        ]
        take += ["--dir", str(config.parent / "kycgate-lists"), "--as-of", "2026-11-01"]
        subprocess.run(take, check=True, capture_output=True)
        in_force = time.time()
        refused = [float(each.communicate(timeout=60)[0]) for each in gates]
    finally:
        for each in gates:
            each.kill()
            each.communicate()
    assert max(refused) - in_force < BOUND_S
    print(f"refused after {[round(at - in_force, 2) for at in refused]} s")
    with open_services(config) as services:
        (case,) = services.identity.pending()
        assert case.reason_codes == ("screening_hit_wallet",)
        assert services.store.epoch(ADA.key) >= 1


def test_a_command_that_screens_nobody_builds_no_index(config: Path) -> None:
    with open_services(config) as services:
        assert WALLETS in {each.name for each in services.screener.versions}
        assert services.screener.stale(int(time.time()), YEARS) == ()
        assert not services.screener.backend.built  # type: ignore[attr-defined]
