"""Whether one job may start: allow, deny or review, with every ground and never only the first.

Gathers no evidence and has no effect: same arguments, same answer.

Order of evaluation, all of it always gone through; a denial outweighs a review, and a review an
allowance:

1. the policy must have a rule in force (an empty policy denies);
2. an account must be proven, and hold a valid attestation of its own, alive at `now`;
3. for a controlled GPU, and an unknown one is controlled: the wallet proof must be young enough,
   and every screening list recent enough, with at least one list named;
4. each rule in force whose GPU scope covers this GPU, in the order of the file. Without a valid
   attestation rules about the subject are left out: there is nothing to hold them against.

What rules in force would have looked at and nobody knew (the network's country, the share of listed
owners, where in a partly embargoed country) is recorded as a note, whatever the
verdict.
"""

from __future__ import annotations

import json
from dataclasses import InitVar, dataclass, field
from typing import Any, Final

from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.core.claims import Account, Claims, Digest, JobRequest
from kycgate.core.policy import (
    DAY_S,
    Eccn,
    Effect,
    Facts,
    GpuClass,
    ListedShare,
    ListVersion,
    Mode,
    Policy,
    Region,
)
from kycgate.errors import Code, Reason
from kycgate.errors import outward as outward_code

CLOCK_SKEW_S = 60
"""How far in the future a wallet proof may lie: two machines' clocks never agree."""

_MADE_BY_DECIDE: Final = object()
_UNREAD_GPU = (
    Reason(Code.GPU_UNKNOWN, "the GPU was not recognised and was decided as a controlled one"),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when a job is decided.

    `network_country` ISO 3166-1 numeric, None if nobody looked; `wallet_proof_at` Unix seconds of
    the account's last own signature; `lists` the screening lists behind the attestation;
    `listed_share` how much listed owners hold, None if nobody knows; `regions` where in a country
    somebody is, as far as it is known; `share_gap` what of the owners is not known, without names;
    `owners` digest of the record that both stand in.
    """

    account: Account | None
    attestation: ValidAttestation | InvalidAttestation | None
    gpu: GpuClass
    network_country: int | None
    wallet_proof_at: int | None
    lists: tuple[ListVersion, ...]
    listed_share: ListedShare | None = None
    regions: frozenset[Region] = frozenset()
    share_gap: str = ""
    owners: str | None = None


@dataclass(frozen=True, slots=True)
class Allow:
    """The job may start. `reasons` bear on no verdict here; `observed`: the policy only observes.

    Only `decide` makes one (`made_by` is its private seal), so that a permit, which takes an Allow,
    stands on nothing but a decision. This keeps out haste, not malice.
    """

    job: JobRequest
    account: Account
    attestation: ValidAttestation
    policy: Digest
    at: int
    reasons: tuple[Reason, ...]
    observed: bool
    evidence: Evidence
    under: Policy = field(repr=False, compare=False)
    notes: tuple[Reason, ...]
    made_by: InitVar[object]

    def __post_init__(self, made_by: object) -> None:
        if made_by is not _MADE_BY_DECIDE:
            raise TypeError("an Allow comes from decide(), from nowhere else")


@dataclass(frozen=True, slots=True)
class Deny:
    """The job may not start. The first `decisive` reasons deny, any after them ask for review."""

    job: JobRequest
    policy: Digest
    at: int
    reasons: tuple[Reason, ...]
    decisive: int
    observed: bool
    evidence: Evidence
    under: Policy = field(repr=False, compare=False)
    notes: tuple[Reason, ...] = ()

    @property
    def unavailable(self) -> bool:
        """Whether only stale lists stand in the way: doors that can, answer 503 (DESIGN 6)."""
        return all(reason.code is Code.SCREENING_STALE for reason in self.reasons[: self.decisive])


@dataclass(frozen=True, slots=True)
class Review:
    """A person must look first."""

    job: JobRequest
    policy: Digest
    at: int
    reasons: tuple[Reason, ...]
    observed: bool
    evidence: Evidence
    under: Policy = field(repr=False, compare=False)
    notes: tuple[Reason, ...] = ()


Decision = Allow | Deny | Review


def decide(job: JobRequest, evidence: Evidence, policy: Policy, now: int) -> Decision:
    """The verdict at `now` (Unix seconds UTC), in the order this file's head gives.

    Under `mode = "observe"` this is the would-be verdict, marked `observed`; callers forward it.
    """
    gpu = evidence.gpu
    moment = policy.at(now)
    denials = list[Reason]()
    reviews = list[Reason]()
    if moment.empty:
        denials.append(Reason(Code.POLICY_EMPTY, "no rule of the policy is in force"))
    attestation = _attested(evidence, now, denials)
    if gpu.controlled:
        _fresh(evidence, policy, now, denials)
    claims = None if attestation is None else attestation.claims
    facts = facts_of(job, evidence, claims)
    ready = moment.ready[gpu.eccn, gpu.controlled]
    for rule, fires, about_subject, remark in ready.asking(facts):
        if (claims is not None or not about_subject) and fires(facts):
            grounds = denials if rule.effect is Effect.DENY else reviews
            grounds.append(rule.reason(facts, policy.labels, remark))
    unasked = ready.unasked
    notes = () if unasked is None else tuple(unasked.notes(facts))
    observed = policy.mode is Mode.OBSERVE
    if denials:
        reasons = (*denials, *reviews)
        return Deny(
            job, policy.digest, now, reasons, len(denials), observed, evidence, policy, notes
        )
    if reviews:
        return Review(job, policy.digest, now, tuple(reviews), observed, evidence, policy, notes)
    account = evidence.account
    assert account is not None and attestation is not None  # noqa: PT018 - else there are denials
    return Allow(
        job,
        account,
        attestation,
        policy.digest,
        now,
        _UNREAD_GPU if gpu.eccn is Eccn.UNKNOWN else (),
        observed,
        evidence,
        policy,
        notes,
        _MADE_BY_DECIDE,
    )


def facts_of(job: JobRequest, evidence: Evidence, claims: Claims | None) -> Facts:
    """What rules may look at."""
    return Facts(
        job,
        evidence.gpu,
        claims,
        evidence.network_country,
        evidence.listed_share,
        evidence.regions,
        evidence.share_gap,
    )


def _attested(evidence: Evidence, now: int, denials: list[Reason]) -> ValidAttestation | None:
    """The account's own attestation if it is good now, however long ago it was verified."""
    account, attestation = evidence.account, evidence.attestation
    if account is None:
        denials.append(Reason(Code.PROOF_MISSING, "nobody proved to hold an account"))
    if attestation is None:
        denials.append(Reason(Code.ATTESTATION_MISSING, "the account has no attestation"))
        return None
    if isinstance(attestation, InvalidAttestation):
        denials.append(attestation.reason)
        return None
    if account is not None and attestation.account != account.address:
        denials.append(Reason(Code.RECIPIENT_MISMATCH, "the attestation is about another account"))
        return None
    if now >= attestation.expires_at:
        denials.append(Reason(Code.EXPIRED, "the attestation has expired"))
        return None
    if now < attestation.time:
        denials.append(Reason(Code.NOT_YET_VALID, "the attestation lies in the future"))
        return None
    return attestation


def _fresh(evidence: Evidence, policy: Policy, now: int, denials: list[Reason]) -> None:
    """Controlled GPUs want a young wallet signature and recent lists; none is as bad as old."""
    limits = policy.limits
    proof = evidence.wallet_proof_at
    if proof is None or not -CLOCK_SKEW_S <= now - proof <= limits.max_wallet_proof_age_s:
        denials.append(
            Reason(
                Code.WALLET_PROOF_STALE,
                "a controlled GPU wants a wallet signature younger than"
                f" {limits.max_wallet_proof_age_s // 3600} h; the last is from {proof}",
            )
        )
    if not evidence.lists:
        denials.append(
            Reason(Code.SCREENING_STALE, "no screening list stands behind this decision")
        )
    for each in evidence.lists:
        if not -DAY_S <= now - each.as_of <= limits.max_list_age_s:
            denials.append(
                Reason(
                    Code.SCREENING_STALE,
                    f"list {each.name} {each.version} is {(now - each.as_of) // 3600} h old,"
                    f" {limits.max_list_age_s // 3600} h are allowed",
                )
            )


def verdict(decision: Decision) -> str:
    """`allow`, `deny` or `review`."""
    return type(decision).__name__.lower()


def outward(decision: Decision) -> dict[str, Any]:
    """What the renter is told: the verdict and public codes; no rule, country, list or threshold.

    A denial gives only what denies, and never promises a review.
    """
    match decision:
        case Allow():
            codes = []
        case Review():
            codes = ["under_review"]
        case Deny():
            twins = (outward_code(reason.code) for reason in decision.reasons[: decision.decisive])
            codes = ["declined" if twin == "under_review" else twin for twin in twins]
    return {"verdict": verdict(decision), "codes": sorted(set(codes))}


def explain(decision: Decision) -> dict[str, Any]:
    """All the decision stood on, for the operator; countries as alpha-2, times Unix seconds."""
    evidence, policy = decision.evidence, decision.under
    gpu, network = evidence.gpu, evidence.network_country
    return {
        "verdict": verdict(decision),
        "observed": decision.observed,
        "at": decision.at,
        "policy": {"id": policy.id, "mode": str(policy.mode), "digest": _hex(policy.digest)},
        "account": None if evidence.account is None else evidence.account.key,
        "job": {**json.loads(decision.job.canonical()), "digest": _hex(decision.job.digest())},
        "gpu": {
            "model": gpu.model,
            "eccn": str(gpu.eccn),
            "controlled": gpu.controlled,
            "tpp": gpu.tpp,
            "performance_density": gpu.performance_density,
            "confidence": gpu.confidence,
            "note": gpu.note,
        },
        "attestation": _attestation(evidence.attestation, policy),
        "network_country": None if network is None else policy.labels.get(network),
        "wallet_proof_at": evidence.wallet_proof_at,
        "lists": [
            {"name": each.name, "version": each.version, "as_of": each.as_of}
            for each in evidence.lists
        ],
        "listed_share": _share(evidence.listed_share),
        "listed_share_unknown": evidence.share_gap or None,
        "owners": evidence.owners,
        "regions": _regions(evidence),
        "reasons": [_reason(decision, n) for n in range(len(decision.reasons))],
        "notes": [{"code": str(note.code), "text": note.text} for note in decision.notes],
    }


def _reason(decision: Decision, n: int) -> dict[str, Any]:
    reason = decision.reasons[n]
    match decision:
        case Allow():
            effect = "note"
        case Review():
            effect = str(Effect.REVIEW)
        case Deny():
            effect = str(Effect.DENY if n < decision.decisive else Effect.REVIEW)
    rule = decision.under.rule(reason.rule)
    window = None if rule is None else rule.window(decision.at)
    if rule is None or window is None:
        force: dict[str, Any] = {"basis": None, "citation": None, "status": None, "checked": None}
    else:
        force = {
            "basis": str(window.basis or rule.basis),
            "citation": window.citation or rule.citation,
            "status": str(window.status),
            "checked": rule.checked or None,
        }
    return {
        "effect": effect,
        "code": str(reason.code),
        "text": reason.text,
        "rule": reason.rule,
        **force,
    }


def _share(share: ListedShare | None) -> dict[str, Any] | None:
    if share is None:
        return None
    told = {"min": share.minimum, "max": share.maximum, "regimes": sorted(share.regimes)}
    if not share.apart:
        return told
    apart = [
        {"regimes": sorted(some), "min": low, "max": high}
        for some, low, high in sorted(share.apart, key=lambda part: (len(part[0]), sorted(part[0])))
    ]
    return {**told, "apart": apart}


def _regions(evidence: Evidence) -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for place, code in sorted(evidence.regions):
        found.setdefault(str(place), []).append(code)
    return found


def _attestation(
    attestation: ValidAttestation | InvalidAttestation | None, policy: Policy
) -> dict[str, Any] | None:
    if attestation is None:
        return None
    if isinstance(attestation, InvalidAttestation):
        return {
            "valid": False,
            "reason": str(attestation.reason.code),
            "uid": None if attestation.uid is None else _hex(attestation.uid),
        }
    return {
        "valid": True,
        "uid": _hex(attestation.uid),
        "issuer": _hex(attestation.issuer),
        "expires_at": attestation.expires_at,
        **_claims(attestation.claims, policy),
    }


def _claims(claims: Claims, policy: Policy) -> dict[str, Any]:
    return {
        "kind": claims.kind.name.lower(),
        "level": int(claims.level),
        "country": policy.labels.get(claims.country),
        "ultimate_country": policy.labels.get(claims.ultimate_country),
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
