"""Who is calling the control plane, and by what right: session, signed request, operator token.

Decides nothing about cases, keys or rentals; it only names the caller or refuses to.

A caller is exactly one of: a session (bearer token or cookie), an ERC-8128 signed request, an
operator token, and for reading the own status a gate API key. Two at once are refused: readers
could differ.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from kycgate.core.claims import Account
from kycgate.core.proof import HttpRequest, ProvenRequest, verify_request
from kycgate.core.signature import Invalid, Valid
from kycgate.errors import Code, Malformed, Reason, Refused, Unauthenticated
from kycgate.store.records.signin import Session
from kycgate.web.parts import WebParts
from kycgate.web.problem import CannotTell
from kycgate.web.wire import Call

SESSION_PREFIX = "kgs_"
KEY_PREFIX = "kg_"
OPERATOR_PREFIX = "kgo_"


class Scope(StrEnum):
    """What a session may do. A session key proves possession; it can't make keys or delegate. A
    hand-off lets a phone prove who the renter is, and nothing else.
    """

    SIGN_IN = "sign-in"
    SESSION_KEY = "session-key"
    HAND_OFF = "hand-off"


class Means(StrEnum):
    """How the caller proved the account."""

    SIGN_IN = "sign-in"
    SESSION_KEY = "session-key"
    HAND_OFF = "hand-off"
    SIGNATURE = "signature"
    GATE_KEY = "gate-key"


@dataclass(frozen=True, slots=True)
class Caller:
    """A proven account. `proven_at` is when its wallet signed what this call rests on."""

    account: Account
    means: Means
    proven_at: int
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """A holder of an operator token: reads everything, owns nothing."""


def token_hash(token: str) -> bytes:
    """What is stored of a token. Tokens are 256 random bits, so a plain hash can't be guessed."""
    return hashlib.sha256(token.encode("utf-8")).digest()


def cookie_name(parts: WebParts, name: str) -> str:
    """`__Host-` where the origin is https: no other host or path can then set the cookie."""
    return f"__Host-{name}" if parts.secure else name


def session_cookie(parts: WebParts, call: Call) -> str | None:
    return call.cookies.get(cookie_name(parts, "kycgate_session")) or None


_NOT_THE_RENTER = frozenset({Means.GATE_KEY, Means.HAND_OFF})
_NO_PROVER = frozenset({Means.GATE_KEY, Means.SESSION_KEY})


def renter(parts: WebParts, call: Call) -> Caller:
    """The account calling. Raises Unauthenticated, or Refused for the wrong kind of credential."""
    who = _caller(parts, call)
    if not isinstance(who, Caller) or who.means in _NOT_THE_RENTER:
        raise _wrong_kind("this needs a session or a signed request of the account itself")
    return who


def prover(parts: WebParts, call: Call) -> Caller:
    """Who may prove the account's renter: its sign-in, its signature, or a phone it handed off to.

    A program's session key may not: a person is proven by a person.
    """
    who = _caller(parts, call)
    if not isinstance(who, Caller) or who.means in _NO_PROVER:
        raise _wrong_kind("identity is proven by the person: sign in with the wallet")
    return who


def session_holder(parts: WebParts, call: Call) -> Caller:
    """Any of the above: for asking who one is here, and for giving that up."""
    who = _caller(parts, call)
    if not isinstance(who, Caller) or who.means is Means.GATE_KEY:
        raise _wrong_kind("this needs a session or a signed request of the account itself")
    return who


def visitor(parts: WebParts, call: Call) -> Caller | None:
    """Who looks at a page, by the browser's own session; None for a stranger. Grants nothing."""
    token = session_cookie(parts, call)
    if token is None or not token.startswith(SESSION_PREFIX):
        return None
    try:
        return _of_session(parts, call, token)
    except Unauthenticated:
        return None


def renter_or_key(parts: WebParts, call: Call) -> Caller:
    """Like `renter`, but a gate API key will do: for reading the own status."""
    who = _caller(parts, call)
    if not isinstance(who, Caller) or who.means is Means.HAND_OFF:
        raise _wrong_kind("only the account itself or one of its keys may read this")
    return who


def renter_or_operator(parts: WebParts, call: Call) -> Caller | Operator:
    who = _caller(parts, call)
    if isinstance(who, Caller) and who.means in _NOT_THE_RENTER:
        raise _wrong_kind("this needs the account itself or an operator")
    return who


def is_operator(parts: WebParts, call: Call) -> bool:
    """True for a valid operator token, False for no credential; anything else raises."""
    bearer = _bearer(call)
    return bool(bearer and bearer.startswith(OPERATOR_PREFIX)) and _operator(parts, bearer or "")


def in_person(parts: WebParts, call: Call) -> Caller:
    """The account calling with its wallet behind it: a fresh sign-in or a signature on this
    request.

    Gates what a stolen session key must not reach (DESIGN 4.2): making keys, linking accounts,
    copying or erasing what is known of the renter.
    """
    who = renter(parts, call)
    if who.means is Means.SESSION_KEY:
        raise _wrong_kind("a session key can't do this: sign in with the wallet")
    if call.now - who.proven_at > parts.lifetimes.fresh_sign_in_s:
        reason = Reason(Code.WALLET_PROOF_STALE, "the sign-in is too old for this")
        raise Refused("sign in again first", reasons=(reason,))
    return who


def same_origin(parts: WebParts, call: Call) -> None:
    """Refuse a request another site's page sent. Tools send no Origin, browsers always do."""
    origin = call.header("Origin")
    if origin is not None and origin != parts.public_url:
        raise _foreign()


def _caller(parts: WebParts, call: Call) -> Caller | Operator:
    bearer, cookie = _bearer(call), session_cookie(parts, call)
    signed = call.header("Signature-Input") is not None or call.header("Signature") is not None
    if bearer is not None and signed:
        raise Malformed(
            "two proofs at once",
            field="Authorization",
            remedy="send either a token or a signature",
            code=Code.AMBIGUOUS_REQUEST,
        )
    if signed:
        return _signed(parts, call)
    if bearer is not None:
        return _by_token(parts, call, bearer)
    if cookie is not None:
        return _by_cookie(parts, call, cookie)
    raise Unauthenticated("no proof of the account came with the request")


def _bearer(call: Call) -> str | None:
    value = call.header("Authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not 20 <= len(token) <= 200:
        raise Malformed(
            "unknown credential", field="Authorization", remedy="send `Bearer` and the token"
        )
    return token


def _by_token(parts: WebParts, call: Call, token: str) -> Caller | Operator:
    if token.startswith(OPERATOR_PREFIX):
        if _operator(parts, token):
            return Operator()
        raise Unauthenticated("the operator token is not known here", code=Code.KEY_UNKNOWN)
    if token.startswith(SESSION_PREFIX):
        return _of_session(parts, call, token)
    if token.startswith(KEY_PREFIX):
        return _by_key(parts, call, token)
    raise Unauthenticated("the token is not one of ours", code=Code.KEY_UNKNOWN)


def _operator(parts: WebParts, token: str) -> bool:
    given = token_hash(token)
    return any(hmac.compare_digest(given, known) for known in parts.operator_tokens)


def _of_session(parts: WebParts, call: Call, token: str) -> Caller:
    session = parts.store.session(token_hash(token), now=call.now)
    if session is None or not session.created_at <= call.now < session.expires_at:
        raise Unauthenticated("the session has ended: sign in again", code=Code.PROOF_EXPIRED)
    return Caller(
        Account.from_key(session.account), Means(session.scope), session.created_at, session
    )


def _by_cookie(parts: WebParts, call: Call, token: str) -> Caller:
    """A browser's session. Changes need our own Origin: a cookie travels whoever wrote the page."""
    if call.method not in ("GET", "HEAD") and call.header("Origin") != parts.public_url:
        raise _foreign()
    return _of_session(parts, call, token)


def _by_key(parts: WebParts, call: Call, token: str) -> Caller:
    key = parts.store.key_by_hash(token_hash(token))
    if key is None:
        raise Unauthenticated("the key is not one of ours", code=Code.KEY_UNKNOWN)
    if key.revoked_at is not None:
        raise Unauthenticated("the key was revoked", code=Code.KEY_REVOKED)
    if not key.created_at <= call.now < key.expires_at:
        raise Unauthenticated("the key has expired", code=Code.KEY_EXPIRED)
    return Caller(Account.from_key(key.account), Means.GATE_KEY, key.created_at)


def _signed(parts: WebParts, call: Call) -> Caller:
    """ERC-8128. The authority is the configured one: a Host header can't redirect a signature."""
    scheme = "https" if parts.secure else "http"
    request = HttpRequest(
        method=call.method,
        scheme=scheme,
        authority=parts.authority,
        path=call.path,
        query=call.query or None,
        headers=call.headers,
        body=call.body,
    )
    verdict = verify_request(request, now=call.now, max_age_s=parts.lifetimes.signed_request_s)
    if isinstance(verdict, Invalid):
        raise Unauthenticated(verdict.reason.text, code=verdict.reason.code)
    if isinstance(verdict, ProvenRequest):
        return _spent(parts, call, verdict)
    proven(parts, verdict.claimed.account, verdict.digest, verdict.signature)
    return _spent(parts, call, verdict.claimed)


def _spent(parts: WebParts, call: Call, proof: ProvenRequest) -> Caller:
    """Claim the nonce: the same signed request counts once, on every replica."""
    account = proof.account
    first = parts.store.claim_nonce(
        f"erc8128:{account.key}", proof.nonce, expires_at=proof.expires, now=call.now
    )
    if not first:
        raise Unauthenticated("the signed request was sent before", code=Code.PROOF_REPLAYED)
    signed_at = min(proof.created, call.now)
    parts.store.note_wallet_proof(account.key, at=signed_at)
    return Caller(account, Means.SIGNATURE, signed_at)


def proven(parts: WebParts, account: Account, digest: bytes, signature: bytes) -> Account:
    """Ask the account's contract, on its chain. "No" is 401; no answer is neither yes nor no."""
    if parts.contract_wallet is None:
        raise CannotTell(
            "The account's own key did not sign this, and this gate has no chain connection to ask"
            " whether the account is a contract."
        )
    verdict = parts.contract_wallet(account, digest, signature)
    if isinstance(verdict, Valid):
        return account
    if isinstance(verdict, Invalid):
        raise Unauthenticated("the account did not sign this", code=Code.PROOF_INVALID)
    raise CannotTell("The chain did not say whether the account signed this. Try again shortly.")


def _wrong_kind(text: str) -> Refused:
    return Refused(text, reasons=(Reason(Code.KEY_SCOPE, text),))


def _foreign() -> Refused:
    text = "the request comes from another site's page"
    return Refused(text, reasons=(Reason(Code.PROOF_AUDIENCE, text),))
