"""Every way kycgate says no or cannot say, and the stable codes it says it with.

Decides nothing: it only names outcomes. Doors (HTTP, command line) translate an error once.

    KycgateError
    ├── Malformed         the input can't be read: names the field and the remedy        400
    │   └── TooLarge      the input exceeds a stated limit                               413
    ├── Unauthenticated   no proof, or a proof that does not hold                        401
    ├── Refused           a proven caller may not do this; carries every reason          403
    ├── NotFound          no such thing, or not the caller's to know of                  404
    ├── Conflict          the thing is in another state than the request assumes         409
    ├── Busy              this caller asks for more than is taken from one at a time     429
    ├── Unavailable       something we depend on did not answer: neither yes nor no      503
    └── Misconfigured     the operator's set-up is wrong; lists every problem            start-up

Codes only grow: a published code is never renamed, reused or given another meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Stable reason codes. The value is what logs, APIs and test vectors carry."""

    # The request itself
    MALFORMED = "malformed"
    AMBIGUOUS_REQUEST = "ambiguous_request"
    TOO_LARGE = "too_large"
    ROUTE_UNKNOWN = "route_unknown"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    # Proof of the account
    PROOF_MISSING = "proof_missing"
    PROOF_INVALID = "proof_invalid"
    PROOF_EXPIRED = "proof_expired"
    PROOF_NOT_YET_VALID = "proof_not_yet_valid"
    PROOF_REPLAYED = "proof_replayed"
    PROOF_AUDIENCE = "proof_audience"
    PROOF_INCOMPLETE = "proof_incomplete"
    WALLET_PROOF_STALE = "wallet_proof_stale"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    KEY_SCOPE = "key_scope"
    # Attestation
    ATTESTATION_MISSING = "attestation_missing"
    VERSION_UNSUPPORTED = "version_unsupported"
    SCHEMA_MISMATCH = "schema_mismatch"
    RECIPIENT_MISMATCH = "recipient_mismatch"
    DOMAIN_MISMATCH = "domain_mismatch"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_WINDOW = "issuer_window"
    SIGNATURE_INVALID = "signature_invalid"
    UID_MISMATCH = "uid_mismatch"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    LIFE_TOO_LONG = "life_too_long"
    NOT_REVOCABLE = "not_revocable"
    REF_UID_SET = "ref_uid_set"
    DATA_MALFORMED = "data_malformed"
    REVOKED_ISSUER = "revoked_issuer"
    REVOKED_EPOCH = "revoked_epoch"
    REVOKED_ATTESTATION = "revoked_attestation"
    # Permit
    PERMIT_EXPIRED = "permit_expired"
    PERMIT_DEADLINE = "permit_deadline"
    PERMIT_ESCROW = "permit_escrow"
    PERMIT_RENTER = "permit_renter"
    PERMIT_JOB = "permit_job"
    PERMIT_TERMS = "permit_terms"
    PERMIT_VALUE = "permit_value"
    PERMIT_SIGNER = "permit_signer"
    # Trust list
    TRUST_EXPIRED = "trust_expired"
    TRUST_ROLLBACK = "trust_rollback"
    TRUST_SIGNATURE = "trust_signature"
    TRUST_MISSING = "trust_missing"
    # Policy
    POLICY_EMPTY = "policy_empty"
    LEVEL_TOO_LOW = "level_too_low"
    COUNTRY_EMBARGOED = "country_embargoed"
    COUNTRY_UNKNOWN = "country_unknown"
    ULTIMATE_COUNTRY_RESTRICTED = "ultimate_country_restricted"
    ULTIMATE_COUNTRY_UNKNOWN = "ultimate_country_unknown"
    GPU_UNKNOWN = "gpu_unknown"
    GPU_RESTRICTED = "gpu_restricted"
    QUANTITY_LIMIT = "quantity_limit"
    OPERATOR_RULE = "operator_rule"
    SCREENING_HIT_NAME = "screening_hit_name"
    SCREENING_HIT_WALLET = "screening_hit_wallet"
    SCREENING_STALE = "screening_stale"
    UNDER_REVIEW = "under_review"
    CASE_REFUSED = "case_refused"
    COUNTRY_RESTRICTED = "country_restricted"
    SCREENING_SECOND_OPINION = "screening_second_opinion"
    OWNER_LISTED = "owner_listed"
    OWNERSHIP_UNKNOWN = "ownership_unknown"
    NOT_CHECKED = "not_checked"
    # Ownership of deployments, repeats
    NOT_OWNER = "not_owner"
    IN_PROGRESS = "in_progress"
    OUTCOME_UNKNOWN = "outcome_unknown"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    DOOR_BLIND = "door_blind"
    # What the marketplace is told
    ASSERTION_MISSING = "assertion_missing"
    ASSERTION_KEY = "assertion_key"
    ASSERTION_ISSUER = "assertion_issuer"
    ASSERTION_AUDIENCE = "assertion_audience"
    ASSERTION_REQUEST = "assertion_request"
    ASSERTION_REPLAYED = "assertion_replayed"
    # Credentials from a wallet
    CREDENTIAL_MALFORMED = "credential_malformed"
    CREDENTIAL_TYPE = "credential_type"
    CREDENTIAL_ISSUER = "credential_issuer"
    CREDENTIAL_TEST_ISSUER = "credential_test_issuer"
    CREDENTIAL_SIGNATURE = "credential_signature"
    CREDENTIAL_ALTERED = "credential_altered"
    CREDENTIAL_NOT_YET_VALID = "credential_not_yet_valid"
    CREDENTIAL_EXPIRED = "credential_expired"
    CREDENTIAL_HOLDER = "credential_holder"
    CREDENTIAL_INCOMPLETE = "credential_incomplete"
    CREDENTIAL_REVOKED = "credential_revoked"
    CREDENTIAL_SUSPENDED = "credential_suspended"
    CREDENTIAL_STATUS_UNKNOWN = "credential_status_unknown"
    PRESENTATION_UNREADABLE = "presentation_unreadable"
    PRESENTATION_EXPIRED = "presentation_expired"
    PRESENTATION_SESSION = "presentation_session"
    PRESENTATION_DECLINED = "presentation_declined"
    # Hosted identity providers, imports
    VERIFICATION_LIMIT = "verification_limit"
    IDENTITY_REFUSED = "identity_refused"
    # Schedulers that ask (hooks)
    USER_NOT_LINKED = "user_not_linked"
    # The world
    DEPENDENCY = "dependency"
    # Owners: what was told beside what registers say
    REGISTERED_IDENTITY = "registered_identity_differs"
    REGISTERED_NAME = "registered_name_differs"
    REGISTERED_COUNTRY = "registered_country_differs"
    REGISTERED_PARENT = "registered_parent_differs"
    REGISTERED_INACTIVE = "registered_inactive"
    REGISTER_UNAVAILABLE = "register_unavailable"
    REGION_UNKNOWN = "region_unknown"
    # How much one caller may ask
    RATE_LIMITED = "rate_limited"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    # Proof of identity
    IDENTITY_UNPROVEN = "identity_unproven"
    VERIFICATION_DUE = "verification_due"
    PROOF_MISMATCH = "proof_mismatch"
    PROOF_COUNTRY = "proof_country"
    PROOF_OUTDATED = "proof_outdated"
    PROOF_SANDBOX = "proof_sandbox"
    PROOF_WITHDRAWN = "proof_withdrawn"
    DOCUMENT_SHARED = "document_shared"
    EARLIER_DECISION = "earlier_decision"
    AUTHORITY_UNPROVEN = "authority_unproven"


_DECLINED = frozenset(
    {
        Code.COUNTRY_EMBARGOED,
        Code.COUNTRY_RESTRICTED,
        Code.ULTIMATE_COUNTRY_RESTRICTED,
        Code.GPU_RESTRICTED,
        Code.QUANTITY_LIMIT,
        Code.OPERATOR_RULE,
        Code.SCREENING_HIT_NAME,
        Code.SCREENING_HIT_WALLET,
        Code.CASE_REFUSED,
        Code.OWNER_LISTED,
        Code.REVOKED_ISSUER,
        Code.REVOKED_EPOCH,
        Code.REVOKED_ATTESTATION,
        Code.POLICY_EMPTY,
        Code.IDENTITY_REFUSED,
    }
)
_MISSING = {
    Code.ATTESTATION_MISSING: "attestation",
    Code.EXPIRED: "attestation",
    Code.LEVEL_TOO_LOW: "higher_level",
    Code.PROOF_MISSING: "wallet_proof",
    Code.WALLET_PROOF_STALE: "fresh_wallet_proof",
    Code.USER_NOT_LINKED: "linked_user",
    Code.IDENTITY_UNPROVEN: "identity_proof",
    Code.VERIFICATION_DUE: "identity_proof",
}
_REVIEW = frozenset(
    {
        Code.SCREENING_SECOND_OPINION,
        Code.UNDER_REVIEW,
        Code.COUNTRY_UNKNOWN,
        Code.ULTIMATE_COUNTRY_UNKNOWN,
        Code.GPU_UNKNOWN,
        Code.OWNERSHIP_UNKNOWN,
        Code.NOT_CHECKED,
        Code.REGISTERED_IDENTITY,
        Code.REGISTERED_NAME,
        Code.REGISTERED_COUNTRY,
        Code.REGISTERED_PARENT,
        Code.REGISTERED_INACTIVE,
        Code.REGISTER_UNAVAILABLE,
        Code.REGION_UNKNOWN,
        Code.PROOF_MISMATCH,
        Code.PROOF_COUNTRY,
        Code.PROOF_WITHDRAWN,
        Code.DOCUMENT_SHARED,
        Code.EARLIER_DECISION,
        Code.AUTHORITY_UNPROVEN,
    }
)


def outward(code: Code) -> str:
    """The public twin of a code: lists, hits, owners and thresholds never leave the operator.

    `declined`, `under_review`, `missing:<item>`, or the code itself where it tells nothing
    about the subject.
    """
    if code in _DECLINED:
        return "declined"
    if code in _REVIEW:
        return "under_review"
    if code in _MISSING:
        return f"missing:{_MISSING[code]}"
    return str(code)


@dataclass(frozen=True, slots=True)
class Reason:
    """One ground of an answer: stable code, a sentence for the operator, the rule it stands on."""

    code: Code
    text: str
    rule: str | None = None


class KycgateError(Exception):
    """Never raised itself. `code` is stable; `message` one sentence a tired person understands."""

    code: Code = Code.MALFORMED

    def __init__(self, message: str, *, code: Code | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Malformed(KycgateError):
    """The input can't be read. `field` names the culprit, `remedy` says what would be right."""

    code = Code.MALFORMED

    def __init__(
        self, message: str, *, field: str, remedy: str = "", code: Code | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.field = field
        self.remedy = remedy


class TooLarge(Malformed):
    """The input exceeds a stated limit."""

    code = Code.TOO_LARGE


class Unauthenticated(KycgateError):
    """No proof of the account, or one that does not hold."""

    code = Code.PROOF_MISSING


class Refused(KycgateError):
    """A proven caller may not do this. `reasons` holds every ground, never only the first."""

    def __init__(self, message: str, *, reasons: tuple[Reason, ...]) -> None:
        if not reasons:
            raise ValueError("a refusal needs at least one reason")
        super().__init__(message, code=reasons[0].code)
        self.reasons = reasons


class NotFound(KycgateError):
    """No such thing, or not the caller's to know of: the two look the same from outside."""

    code = Code.NOT_FOUND


class Conflict(KycgateError):
    """The thing is in another state than the request assumes."""

    code = Code.CONFLICT


class Busy(KycgateError):
    """This caller asks for more than is taken from one; others are served. Nothing was done."""

    code = Code.RATE_LIMITED

    def __init__(self, message: str, *, retry_after_s: int, code: Code | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(KycgateError):
    """Something we depend on did not answer: neither yes nor no, and never treated as either."""

    code = Code.DEPENDENCY


class Misconfigured(KycgateError):
    """The operator's set-up is wrong. `problems` lists all of them, each with place and remedy."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
