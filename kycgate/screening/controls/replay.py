"""One decision again, as of another day: the same facts, under the rules in force then.

Starts nothing. What comes back is a description: a permit stands on a decision made now, and cannot
be had from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kycgate.core.attestation import InvalidAttestation, ValidAttestation
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
from kycgate.core.decision import Evidence, decide, explain, facts_of
from kycgate.core.policy import (
    UNKNOWN_COUNTRY,
    Eccn,
    GpuClass,
    ListedShare,
    ListVersion,
    Place,
    Policy,
    Regime,
)
from kycgate.errors import Code, Malformed, Reason
from kycgate.screening.controls.countries import CountryTable
from kycgate.screening.controls.findings import Finding, findings

_ZERO = Digest(bytes(32))
_NOBODY = Address(bytes(20))


@dataclass(frozen=True, slots=True)
class Replay:
    """What would have been decided at `at` on what was known at `decided_at` (Unix seconds UTC).

    `told` is the decision explained, as `core.decision.explain` has it; `rules` every rule of that
    day, those stayed or switched off included. `same_policy`: the rules are the recorded ones.
    """

    at: int
    decided_at: int
    verdict: str
    same_policy: bool
    told: Mapping[str, Any]
    rules: tuple[Finding, ...]


def replay(told: Mapping[str, Any], at: int, *, policy: Policy, countries: CountryTable) -> Replay:
    """A recorded decision, as `explain` told it, at another moment.

    Ages stay what they were: a wallet proof two hours old then is two hours old here, so that only
    the rules differ. Raises Malformed where the record lacks what a decision needs.
    """
    try:
        job, evidence = _job(told["job"]), _evidence(told, countries)
        decided_at, digest = int(told["at"]), str(told["policy"]["digest"])
    except (KeyError, TypeError, ValueError) as e:
        raise Malformed(
            f"the record is not a decision explained ({e!r})",
            field="decision",
            remedy="the document that `explain` gave",
        ) from e
    again = replay_evidence(job, evidence, decided_at, at, policy=policy)
    return replace(again, same_policy=digest == "0x" + policy.digest.hex())


def replay_evidence(
    job: JobRequest, evidence: Evidence, decided_at: int, at: int, *, policy: Policy
) -> Replay:
    """As `replay`, from the evidence itself, gathered at `decided_at`."""
    seen = _aged(evidence, at - decided_at)
    attestation = seen.attestation
    claims = attestation.claims if isinstance(attestation, ValidAttestation) else None
    facts = facts_of(job, seen, claims)
    document = explain(decide(job, seen, policy, at))
    rules = findings(policy, facts, at)
    return Replay(at, decided_at, str(document["verdict"]), True, document, rules)


def _aged(evidence: Evidence, by: int) -> Evidence:
    """The evidence as if gathered `by` seconds later: every age in it stays the same."""
    attestation = evidence.attestation
    if isinstance(attestation, ValidAttestation):
        attestation = replace(
            attestation, time=attestation.time + by, expires_at=attestation.expires_at + by
        )
    proof = evidence.wallet_proof_at
    return replace(
        evidence,
        attestation=attestation,
        wallet_proof_at=None if proof is None else proof + by,
        lists=tuple(replace(each, as_of=each.as_of + by) for each in evidence.lists),
    )


# -- reading a record ------------------------------------------------------------------------------


def _job(said: Mapping[str, Any]) -> JobRequest:
    value = said["value"]
    return JobRequest(
        said["marketplace"],
        Action(said["action"]),
        said["gpu_model"],
        said["gpu_count"],
        said["hours"],
        None if value is None else int(value),
        said["resource"],
        said["end_user"],
    )


def _evidence(told: Mapping[str, Any], countries: CountryTable) -> Evidence:
    account = None if told["account"] is None else Account.from_key(told["account"])
    network, share = told["network_country"], told["listed_share"]
    return Evidence(
        account,
        _attestation(told, account, countries.numeric),
        _gpu(told["gpu"]),
        None if network is None else countries.numeric(network),
        told["wallet_proof_at"],
        tuple(ListVersion(each["name"], each["version"], each["as_of"]) for each in told["lists"]),
        None if share is None else _share(share),
        frozenset(
            (Place(place), code)
            for place, codes in told["regions"].items()
            for code in ([codes] if isinstance(codes, str) else codes)
        ),
        told.get("listed_share_unknown") or "",
        told.get("owners"),
    )


def _gpu(said: Mapping[str, Any]) -> GpuClass:
    return GpuClass(
        said["model"],
        Eccn(said["eccn"]),
        said["controlled"],
        said["tpp"],
        said["performance_density"],
        said["confidence"],
        said["note"],
    )


def _share(said: Mapping[str, Any]) -> ListedShare:
    regimes = frozenset(Regime(each) for each in said["regimes"])
    apart = tuple(
        (frozenset(map(Regime, each["regimes"])), each["min"], each["max"])
        for each in said.get("apart", ())
    )
    return ListedShare(said["min"], said["max"], regimes, apart)


def _attestation(
    told: Mapping[str, Any], account: Account | None, numeric: Callable[[str], int]
) -> ValidAttestation | InvalidAttestation | None:
    said = told["attestation"]
    if said is None:
        return None
    if not said["valid"]:
        uid = None if said["uid"] is None else Digest(bytes.fromhex(said["uid"][2:]))
        return InvalidAttestation(Reason(Code(said["reason"]), "as recorded"), uid)
    codes = {reason["code"] for reason in told["reasons"]}
    # A record names no holder and no beginning, only whether they were right.
    own = account is not None and Code.RECIPIENT_MISMATCH not in codes
    begins = told["at"] + 1 if Code.NOT_YET_VALID in codes else told["at"]
    return ValidAttestation(
        Digest(bytes.fromhex(said["uid"][2:])),
        Address(bytes.fromhex(said["issuer"][2:])),
        account.address if account is not None and own else _NOBODY,
        _claims(said, numeric),
        begins,
        said["expires_at"],
        bytes(32),
    )


def _claims(said: Mapping[str, Any], numeric: Callable[[str], int]) -> Claims:
    country, ultimate = (
        UNKNOWN_COUNTRY if said[key] is None else numeric(said[key])
        for key in ("country", "ultimate_country")
    )
    kind, level = Kind[said["kind"].upper()], Level(said["level"])
    return Claims(_ZERO, kind, level, country, ultimate, 0, 0, 0, _ZERO, _ZERO)
