"""A renter, an hour and a GPU to hold the dated rules against: fresh, in Singapore, unlisted."""

from __future__ import annotations

from datetime import date
from typing import Any

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Account, Action, Address, Claims, Digest, JobRequest, Kind, Level
from kycgate.core.decision import Allow, Decision, Deny, Evidence, Review, decide
from kycgate.core.policy import GpuClass, ListedShare, ListVersion, Place
from kycgate.screening.controls import load_countries, load_gpus, load_standard_policy
from kycgate.screening.controls.thresholds import midnight

POLICY = load_standard_policy()
COUNTRIES = load_countries()
GPUS = load_gpus()
ADDRESS = Address(b"\x11" * 20)
JOB = JobRequest("ionet", Action.RENT, "H100", 8, 24, None, None, None)
SG, CN, UA, AE, DE = (COUNTRIES.numeric(code) for code in ("SG", "CN", "UA", "AE", "DE"))
H100, A40, H20, T4 = (GPUS.classify(name) for name in ("H100", "A40", "H20", "T4"))
SEVERITY = {Allow: 0, Review: 1, Deny: 2}


NONE_LISTED = ListedShare(0, 0)


def at(day: str) -> int:
    """The first second of a day, UTC."""
    return midnight(date.fromisoformat(day))


NOW = at("2026-11-23")


def claims(country: int = SG, ultimate: int = SG, level: Level = Level.HIGH) -> Claims:
    zero = Digest(bytes(32))
    return Claims(zero, Kind.ORGANISATION, level, country, ultimate, 0, 0, 0, zero, zero)


def evidence(
    now: int,
    said: Claims | None = None,
    *,
    gpu: GpuClass = H100,
    network: int | None = SG,
    share: ListedShare | None = NONE_LISTED,
    regions: frozenset[tuple[Place, str]] = frozenset(),
) -> Evidence:
    zero = Digest(bytes(32))
    attestation = ValidAttestation(
        zero, ADDRESS, ADDRESS, said or claims(), now - 60, now + 3600, bytes(32)
    )
    lists = (ListVersion("us-csl", "v1", now - 60),)
    return Evidence(Account(ADDRESS), attestation, gpu, network, now - 60, lists, share, regions)


def decided(now: int, said: Claims | None = None, **more: Any) -> Decision:
    return decide(JOB, evidence(now, said, **more), POLICY, now)


def rules_of(decision: Decision) -> set[str]:
    return {reason.rule for reason in decision.reasons if reason.rule is not None}
