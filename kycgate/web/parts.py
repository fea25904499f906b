"""What the control plane needs from the rest of the house: ports, addresses and lifetimes, as one
value.

Holds no behaviour; the assembly fills it in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account, Address, Digest, JobRequest, Level
from kycgate.core.decision import Decision, Deny, Review
from kycgate.core.permit import SignedPermit
from kycgate.core.policy import ListVersion
from kycgate.core.signature import Invalid, Undecided, Valid
from kycgate.errors import Misconfigured
from kycgate.issuer.documenting import Typed, Uploaded
from kycgate.issuer.imports import Imported
from kycgate.issuer.prefill import Prefill
from kycgate.issuer.proven import Means
from kycgate.issuer.providers.base import Headers, Link
from kycgate.issuer.renewals import Waiting
from kycgate.issuer.retention import Erasure
from kycgate.issuer.view import Standing
from kycgate.store.base import Store
from kycgate.store.records.cases import Case
from kycgate.store.records.visits import Presentation, Verification


@dataclass(frozen=True, slots=True)
class Way:
    """One way to prove identity that this operator offers."""

    id: str
    """`credential`, `documents`, or a provider's name"""
    means: Means
    level: Level
    minutes: int
    """how long it usually takes the renter"""
    live: bool
    """False: for trying things out only"""
    title: str
    """what the renter reads"""


class Identity(Protocol):
    """Opens cases and hands out attestations. Raises Malformed (naming the field), Conflict,
    Unavailable.
    """

    def open_case(
        self,
        account: Account,
        kind: int,
        details: dict[str, Any],
        *,
        refusal_id: str | None,
        now: int,
    ) -> Case: ...

    def amend(self, case_id: str, kind: int, details: dict[str, Any], *, now: int) -> Case:
        """Other details in a draft, or in a case that more was asked of; handed in again."""

    def add_picture(self, account: Account, side: str, data: bytes, *, now: int) -> Uploaded:
        """Keep a picture of a document for the account's case. Raises TooLarge too."""

    def type_mrz(self, account: Account, lines: Sequence[str], *, now: int) -> Typed:
        """Keep the machine-readable zone a renter typed."""

    def hand_in_documents(self, account: Account, *, now: int) -> Case:
        """Give the documents to a reviewer."""

    def documents(self, account: Account) -> list[Uploaded]:
        """What was uploaded for the account's case."""

    def link(self, first: Account, second: Account, *, now: int) -> None:
        """Add the second account to the first one's subject; both have signed."""

    def accounts(self, account: Account) -> list[Account]:
        """Every account of the same subject."""

    def standing(self, case: Case, *, now: int) -> Standing:
        """What the renter may know of their own case, beside its state."""

    def attestation(self, account: Account, *, now: int) -> SignedAttestation | None:
        """The account's attestation, silently renewed while that is allowed; None when there is
        none.
        """


class Me(Protocol):
    """A renter's rights over their own data. Raises NotFound, Conflict, Unavailable."""

    def export(self, account: Account, *, now: int) -> dict[str, Any]:
        """Everything that is held, as JSON values; each piece opened is logged."""

    def erase(self, account: Account, *, now: int) -> Erasure:
        """Erase it, or restrict it until the law lets it be erased."""


class Explain(Protocol):
    """Takes the gate's decision for a job without any effect: nothing recorded, nothing
    forwarded.
    """

    def explain(self, account: Account, job: JobRequest, *, now: int) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a permit without forwarding: the job, and the terms the escrow will
    recompute.
    """

    job: JobRequest
    provider: Address
    token: Address
    max_value: int
    """token base units, cap on lifetime deposits"""
    n: bytes
    """32 bytes that make the job unique to this renter"""


class PermitDesk(Protocol):
    """Decides afresh on each call, and signs when the answer is yes."""

    def ask(self, account: Account, ask: Ask, *, now: int) -> SignedPermit | Deny | Review: ...

    def of_job(
        self, account: Account, job: Digest, *, now: int
    ) -> SignedPermit | Deny | Review | None:
        """The permit of an accepted job of this account; None when there is no such job or
        permit.
        """


class Begun(Protocol):
    """A request to a wallet: `request` for the browser, or `request_uri` and `link`."""

    @property
    def presentation(self) -> Presentation: ...
    @property
    def request(self) -> dict[str, Any] | None: ...
    @property
    def request_uri(self) -> str | None: ...
    @property
    def link(self) -> str | None: ...


class Presentations(Protocol):
    """Asks renters' wallets for credentials and takes their answers. Raises Malformed, NotFound,
    Conflict, Refused, Unavailable. `session` names the session that began, and must finish.
    """

    def begin(
        self,
        account: Account,
        *,
        mode: Literal["dc", "redirect"],
        family: str | None,
        session: bytes,
        now: int,
    ) -> Begun: ...

    def look(self, account: Account, presentation_id: str) -> Presentation: ...

    def respond(
        self, account: Account, presentation_id: str, response: str, *, session: bytes, now: int
    ) -> Presentation: ...

    def finish(
        self, account: Account, presentation_id: str, code: str, *, session: bytes, now: int
    ) -> Presentation: ...

    def request_object(
        self, presentation_id: str, *, wallet_nonce: str | None, now: int
    ) -> str: ...

    def direct(self, presentation_id: str, response: str, *, now: int) -> str:
        """Where the wallet sends the person's browser, as `declined`."""

    def declined(self, presentation_id: str, *, now: int) -> str: ...


ContractWallet = Callable[[Account, bytes, bytes], Valid | Invalid | Undecided]
"""(contract account, digest, signature) → whether the contract accepts it, asked on its chain.
"No" and "no answer" are different answers."""


class Verifications(Protocol):
    """Visits to hosted identity providers. Raises Malformed, Conflict, Refused, NotFound,
    Unavailable.
    """

    def start(self, account: Account, provider: str, *, now: int) -> tuple[Verification, Link]: ...

    def of(self, account: Account, verification_id: str) -> Verification: ...

    def receive(self, provider: str, headers: Headers, body: bytes, *, now: int) -> bool:
        """A provider's message: proven and kept, nothing more, within milliseconds."""


class Imports(Protocol):
    """Records of other issuers, as evidence. Raises Malformed, Conflict, Unavailable."""

    def find(self, account: Account, *, now: int) -> list[Imported]: ...
    def take(self, account: Account, uid: Digest, *, now: int) -> Imported: ...
    def take_signed(self, account: Account, document: bytes, *, now: int) -> Imported: ...


class Publishing(Protocol):
    """How the revocations that must reach a chain are doing."""

    def late_s(self, *, now: int) -> int:
        """How long the oldest has waited beyond half its bound; 0 in time."""

    def document(self, *, now: int) -> list[dict[str, Any]]:
        """One entry a chain, for operators."""


class RenewalsWaiting(Protocol):
    """Attestations that are due for renewal and can't be renewed."""

    def waiting(self, *, now: int) -> Waiting: ...


class ListAges(Protocol):
    """Which screening lists are older than the operator allows."""

    def stale(self, *, now: int) -> Sequence[ListVersion]: ...


class RegisterTrouble(Protocol):
    """`version`: of the older register in use; None: there is none yet."""

    @property
    def kind(self) -> str: ...
    @property
    def version(self) -> str | None: ...


class RegisterTroubles(Protocol):
    """Which registers of owners could not be read from their files."""

    def troubles(self) -> Sequence[RegisterTrouble]: ...


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """All in seconds, `key_days` in days."""

    challenge_s: int = 600
    session_s: int = 12 * 3600
    fresh_sign_in_s: int = 3600
    """how young a sign-in must be to make keys"""
    signed_request_s: int = 60
    key_days: int = 30
    handoff_s: int = 600
    """how long a code for a phone can be claimed"""
    handoff_session_s: int = 3600
    """how long the phone may then prove identity"""


@dataclass(frozen=True, slots=True)
class Words:
    """What pages say of the operator. `commands` may hold {gate}, {marketplace} and {key}."""

    operator: str
    contact: str
    marketplace: str
    retention_years: int = 10
    """how long what is collected is kept after the last rental"""
    retention: str = ""
    """the same in the operator's own words, which then stand in every language"""
    commands: tuple[str, ...] = ()
    """the operator's own lines, shown before the clients we know"""
    adapter: str = ""
    """whose client's commands come first"""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """One that asks this gate before it places work, and whose users can be linked to wallets."""

    name: str
    """what the operator calls it here"""
    kind: Literal["dstack", "skypilot"]


@dataclass(frozen=True, slots=True)
class WebParts:
    """Everything `create_app` is given. `public_url` is the origin sign-in messages must name."""

    store: Store
    identity: Identity
    gate: Explain
    permits: PermitDesk | None
    """None: settlement is "none", no permits exist"""
    contract_wallet: ContractWallet | None
    """None: no chain connection, contract accounts can't sign in"""
    lists: ListAges
    publishing: Publishing | None
    """None: nothing is published on a chain"""
    public_url: str
    marketplace_url: str
    chain_ids: tuple[int, ...]
    operator_tokens: frozenset[bytes]
    """SHA-256 of each token operators may read with"""
    words: Words
    now: Callable[[], int]
    lifetimes: Lifetimes = Lifetimes()
    renewals: RenewalsWaiting | None = None
    ways: tuple[Callable[[], tuple[Way, ...]], ...] = ()
    """what each room offers to prove identity with, asked at each visit"""
    presentations: Presentations | None = None
    """None: no root is pinned, wallet credentials are not offered"""
    verifications: Verifications | None = None
    """None: no hosted identity provider"""
    imports: Imports | None = None
    """None: nobody else's records are taken"""
    register: Prefill | None = None
    """None: no register of organisations is configured"""
    registers: RegisterTroubles | None = None
    """None: no register of owners is configured"""
    me: Me | None = None
    """None: nothing personal is kept here"""
    schedulers: tuple[Scheduler, ...] = ()
    """none: there is nobody to show a code to, and pages say nothing of linked users"""

    def __post_init__(self) -> None:
        problems = []
        parts = urlsplit(self.public_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            problems.append("public_url: not an http(s) origin; write https://host")
        elif parts.netloc != parts.netloc.lower() or parts.netloc.endswith((":80", ":443")):
            problems.append("public_url: write the host in lower case, without a usual port")
        elif parts.path or parts.query or parts.fragment or parts.username:
            problems.append(
                "public_url: only scheme and host belong here, without a trailing slash"
            )
        if not self.chain_ids:
            problems.append("chain_ids: name at least one chain renters may sign in from")
        if problems:
            raise Misconfigured(tuple(problems))

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def authority(self) -> str:
        return urlsplit(self.public_url).netloc
