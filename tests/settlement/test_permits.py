"""What a permit is made of, and when none is made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import (
    Account,
    Action,
    Address,
    Claims,
    Digest,
    JobRequest,
    Kind,
    Level,
)
from kycgate.core.decision import Allow, Evidence, decide
from kycgate.core.permit import PermitDomain, SignedPermit, Terms, ValidPermit, job_id, verify
from kycgate.core.policy import ListVersion
from kycgate.core.trust import PermitSigner
from kycgate.core.typed import keccak
from kycgate.errors import Code, Refused, Unavailable
from kycgate.screening.controls import load_default_policy, load_gpus
from kycgate.settlement.escrow import State
from kycgate.settlement.permits import Permits
from tests.settlement.conftest import COIN, KEYS, World
from tests.settlement.outbox import MemoryOutbox

NOW = 1_790_000_000
ESCROW, TOKEN = Address(b"\xe5" * 20), Address(b"\x70" * 20)
RENTER, PROVIDER = KEYS["renter"].address, KEYS["provider"].address
DOMAIN = PermitDomain(31337, ESCROW)
JOB_ID = job_id(RENTER, b"\x01" * 32)
ACCOUNT = Account(RENTER)
H100 = load_gpus().classify("H100 SXM5")
CAP = 5_000_000

JOB = JobRequest(
    marketplace="ionet",
    action=Action.RENT,
    gpu_model="H100",
    gpu_count=8,
    hours=24,
    value=1_000_000,
    resource=None,
    end_user=None,
)
CLAIMS = Claims(
    subject=Digest(b"\x01" * 32),
    kind=Kind.PERSON,
    level=Level.SUBSTANTIAL,
    country=702,
    ultimate_country=702,
    verified_at=NOW - 86400,
    screened_at=NOW - 3600,
    epoch=4,
    policy=Digest(b"\x02" * 32),
    evidence=Digest(b"\x03" * 32),
)
ATTESTATION = ValidAttestation(
    uid=Digest(b"\x04" * 32),
    issuer=Address(b"\x15" * 20),
    account=RENTER,
    claims=CLAIMS,
    time=NOW - 3600,
    expires_at=NOW + 20 * 3600,
    domain=b"\x05" * 32,
)


def allowed(
    *,
    job: JobRequest = JOB,
    account: Account = ACCOUNT,
    attestation: ValidAttestation = ATTESTATION,
    at: int = NOW,
) -> Allow:
    """A decision, made by the only thing that makes one."""
    lists = (ListVersion("us-csl", "v1", at),)
    evidence = Evidence(account, attestation, H100, None, at, lists)
    decision = decide(job, evidence, load_default_policy(), at)
    assert isinstance(decision, Allow)
    return decision


def permits(outbox: MemoryOutbox | None = None, *, domain: PermitDomain = DOMAIN) -> Permits:
    return Permits(
        KEYS["permits"],
        domain,
        provider=PROVIDER,
        token=TOKEN if domain is DOMAIN else COIN,
        cap=CAP,
        margin_percent=25,
        publish_bound_s=300,
        outbox=outbox or MemoryOutbox(),
    )


def held_against(signed: SignedPermit, *, value: int, now: int) -> object:
    return verify(
        signed,
        signers=[PermitSigner(KEYS["permits"].address, 0, None)],
        domain=DOMAIN,
        renter=RENTER,
        escrow=ESCROW,
        job=JOB_ID,
        terms=Terms(PROVIDER, TOKEN, JOB.digest()),
        value=value,
        now=now,
    )


def test_a_permit_says_what_was_allowed_and_nothing_else() -> None:
    allow = allowed()
    signed = permits().issue(allow, job_id=JOB_ID, now=NOW)
    permit = signed.permit
    assert isinstance(held_against(signed, value=1_250_000, now=NOW), ValidPermit)
    assert (permit.attestation, permit.epoch) == (ATTESTATION.uid, CLAIMS.epoch)
    assert (permit.renter, permit.escrow, permit.job) == (RENTER, ESCROW, JOB_ID)
    assert permit.terms == Terms(PROVIDER, TOKEN, JOB.digest())
    assert (permit.policy, permit.max_value) == (allow.policy, 1_250_000)
    assert SignedPermit.from_wire(signed.to_wire()) == signed


def test_a_job_of_unknown_value_is_capped_by_the_configuration() -> None:
    allow = allowed(job=replace(JOB, value=None, hours=None))
    assert permits().issue(allow, job_id=JOB_ID, now=NOW).permit.max_value == CAP


def test_a_later_permit_covers_what_the_job_holds_already() -> None:
    signed = permits().issue(allowed(), job_id=JOB_ID, now=NOW, deposited=700)
    assert signed.permit.max_value == 1_250_700


@given(left=st.integers(-3000, 86_000), now=st.integers(NOW, 2**40))
def test_the_deadline_is_ten_minutes_at_most_and_inside_the_attestation(
    left: int, now: int
) -> None:
    end = now + left
    attestation = replace(ATTESTATION, time=end - 86_400, expires_at=end)
    allow = allowed(attestation=attestation, at=now + min(left - 1, 0))
    if left <= 0:
        with pytest.raises(Refused) as refused:
            permits().issue(allow, job_id=JOB_ID, now=now)
        assert refused.value.code is Code.EXPIRED
        return
    signed = permits().issue(allow, job_id=JOB_ID, now=now)
    assert now <= signed.permit.deadline <= now + 600
    assert signed.permit.deadline < attestation.expires_at


def test_no_permit_while_a_revocation_waits_past_its_bound() -> None:
    outbox = MemoryOutbox()
    outbox.add(Account(PROVIDER).key, 0, at=NOW - 300)
    permits(outbox).issue(allowed(), job_id=JOB_ID, now=NOW)
    with pytest.raises(Unavailable):
        permits(outbox).issue(allowed(), job_id=JOB_ID, now=NOW + 1)
    outbox.done(1)
    permits(outbox).issue(allowed(), job_id=JOB_ID, now=NOW + 1)


def test_a_contract_account_of_another_chain_gets_no_permit() -> None:
    permits().issue(allowed(account=Account(RENTER, 31337)), job_id=JOB_ID, now=NOW)
    with pytest.raises(Refused) as refused:
        permits().issue(allowed(account=Account(RENTER, 1)), job_id=JOB_ID, now=NOW)
    assert refused.value.code is Code.PERMIT_RENTER


def test_a_permit_made_here_opens_the_escrow(world: World) -> None:
    now = world.anvil.now
    attestation = replace(ATTESTATION, expires_at=now + 3600)
    room = permits(domain=world.domain)
    signed = room.issue(allowed(attestation=attestation, at=now), job_id=JOB_ID, now=now)
    world.escrow.open(KEYS["renter"], signed, amount=1_250_000, duration_s=24 * 3600)
    rental = world.escrow.rental(JOB_ID)
    assert (rental.state, rental.epoch, rental.total) == (State.OPEN, 4, 1_250_000)


def test_a_chain_whose_clock_runs_a_minute_behind_still_takes_a_fresh_permit(world: World) -> None:
    now = world.anvil.now + 60
    attestation = replace(ATTESTATION, expires_at=now + 3600)
    room = permits(domain=world.domain)
    signed = room.issue(allowed(attestation=attestation, at=now), job_id=JOB_ID, now=now)
    world.escrow.open(KEYS["renter"], signed, amount=1, duration_s=1)
    assert signed.permit.terms.request == keccak(JOB.canonical())
