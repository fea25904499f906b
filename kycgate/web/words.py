"""Plain words for what renters see: reasons, states of a case, and the job they asked for.

Speaks outward codes only; it never sees a hit, a score, an owner or a rule.
"""

from __future__ import annotations

from typing import Any

_REASONS = {
    "declined": "The operator can't offer you this rental.",
    "under_review": "A person at the operator has to look at this first.",
    "missing:attestation": "There is no valid identity attestation for this account yet.",
    "missing:higher_level": "This hardware needs a higher level of identity proof.",
    "missing:wallet_proof": "The request did not prove which account is asking.",
    "missing:fresh_wallet_proof": "The last wallet signature is too old: please sign in again.",
    "missing:linked_user": "The scheduler's user is not linked to a wallet: draw a code on your"
    " account page (or with `kycgate renter link`) and apply a run (or task) with that code as its"
    " name.",
    "missing:identity_proof": "The account has to prove who stands behind it.",
    "proof_sandbox": "This proof of identity was made for trying things out, not for real use.",
    "proof_outdated": "This proof of identity, or the document behind it, is no longer valid.",
    "key_unknown": "The API key is not one this gate issued.",
    "key_revoked": "The API key was revoked.",
    "key_expired": "The API key has expired.",
    "key_scope": "This credential may not be used for that.",
    "proof_invalid": "The signature does not prove this account.",
    "proof_expired": "The signature has expired.",
    "proof_replayed": "The signature was used before.",
    "proof_audience": "The signature was made for another place.",
    "credential_malformed": "The wallet's answer can't be read.",
    "credential_type": "The wallet showed another kind of credential than was asked for.",
    "credential_issuer": "The credential is from an issuer this operator does not accept.",
    "credential_test_issuer": "The credential is from a test issuer and proves nothing here.",
    "credential_signature": "The issuer's signature on the credential does not hold.",
    "credential_altered": "The credential is not what its issuer signed.",
    "credential_not_yet_valid": "The credential is not valid yet.",
    "credential_expired": "The credential, or the document behind it, has expired.",
    "credential_holder": "The wallet did not prove that it holds this credential.",
    "credential_incomplete": "The wallet did not show everything that is needed.",
    "credential_revoked": "The issuer has withdrawn this credential.",
    "credential_suspended": "The issuer has suspended this credential.",
    "credential_status_unknown": "The issuer did not say whether this credential still counts.",
    "presentation_expired": "The request to the wallet has expired. Please begin again.",
    "presentation_session": "This was begun in another browser or session. Please begin again.",
    "presentation_declined": "The wallet showed no credential.",
    "not_owner": "This deployment belongs to another account.",
    "screening_stale": "The operator's records are being refreshed.",
    "dependency": "Something the gate depends on did not answer. Nothing was decided.",
    "verification_limit": "As many identity checks as one day allows were begun: try tomorrow.",
    "route_unknown": "The gate does not know this kind of request, so it does not pass it on.",
}
_STATES = {
    "not_started": "Not started: no identity case has been opened for this account.",
    "in_progress": "In progress: the case is open but not handed in.",
    "checking": "Checking: the operator is looking at what you gave.",
    "more_needed": "More is needed: see what is asked for, and hand the case in again.",
    "approved": "Approved: this account may rent what the rules allow.",
    "refused": "Refused: the operator did not approve the case. You may appeal to the operator.",
    "closed": "Closed: the personal data of this case was erased, or is kept for the law alone.",
    "revoked": "Revoked: an earlier approval no longer holds. You may appeal to the operator.",
}
_RENTER_STATES = {
    "draft": "in_progress",
    "needs": "more_needed",
    "submitted": "checking",
    "review": "checking",
    "approved": "approved",
    "refused": "refused",
    "revoked": "revoked",
    "closed": "closed",
}


def in_words(code: str) -> str:
    """One sentence for an outward code."""
    return _REASONS.get(code, "The request did not meet the gate's rules (" + code + ").")


def renter_state(case_state: str | None) -> str:
    """A case's state as renters see it; None means no case."""
    return "not_started" if case_state is None else _RENTER_STATES.get(case_state, "checking")


def state_in_words(state: str) -> str:
    return _STATES[state]


def job_parts(asked: dict[str, Any]) -> tuple[str, int | None]:
    """(`8 × H100`, hours): what can be said of a job, never more than was asked.

    The machines are empty when unknown; hours are 0 for open-ended, None when they say nothing.
    """
    count, model, hours = asked.get("gpu_count"), asked.get("gpu_model"), asked.get("hours")
    machines = f"{count} × {model}" if model and count else str(model or "")
    if hours is None:
        return machines, 0 if asked.get("action", "rent") == "rent" else None
    return machines, hours
