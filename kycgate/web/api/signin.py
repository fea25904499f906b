"""Sign in with a wallet (EIP-4361): draw a message, take it back signed, hand out a session.

Trusts neither the Host header nor anything in the message it did not write itself.

The nonce is bound to a cookie and to the whole message: what comes back signed is byte for byte
what was drawn for this visitor, or nothing. It is spent once, and only by a signature that holds,
so that a stranger can't burn it.
"""

from __future__ import annotations

import hashlib
import secrets

from kycgate.core.claims import Account
from kycgate.core.proof import ProvenAccount, SiweMessage, verify_siwe
from kycgate.core.proof.siwe import MESSAGE_MOST, rfc3339
from kycgate.core.signature import Invalid
from kycgate.errors import Code, Malformed, Unauthenticated
from kycgate.store.records.signin import Session
from kycgate.web.access import (
    SESSION_PREFIX,
    Means,
    Scope,
    cookie_name,
    proven,
    same_origin,
    session_cookie,
    session_holder,
    token_hash,
)
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, Cookie, read_fields, read_query

_PURPOSE = "siwe"
SIGNATURE_MOST = 16 * 1024
# What the wallet shows. The session's scope is read back from the statement: the signer saw it.
_STATEMENTS = {
    Scope.SIGN_IN: "Sign in to rent GPUs and to manage keys. This moves nothing and costs nothing.",
    Scope.SESSION_KEY: "Let a program act for this account here. It can't make keys or move funds.",
}


def challenge(parts: WebParts, call: Call) -> Answer:
    """POST /v1/challenge: the text to sign, and the cookie that must come back with it."""
    same_origin(parts, call)
    fields = read_fields(call, ("account", "chain_id", "scope"))
    address = fields.address("account")
    chain_id = fields.whole("chain_id", least=1, most=2**53 - 1)
    if chain_id not in parts.chain_ids:
        known = ", ".join(str(known) for known in parts.chain_ids)
        raise Malformed("not a chain of this gate", field="chain_id", remedy=f"one of {known}")
    scope = Scope(fields.choice("scope", tuple(_STATEMENTS), default=Scope.SIGN_IN))
    expires_at = call.now + parts.lifetimes.challenge_s
    message = SiweMessage(
        domain=parts.authority,
        address=address,
        uri=parts.public_url,
        chain_id=chain_id,
        nonce=secrets.token_hex(16),
        issued_at=rfc3339(call.now),
        statement=_STATEMENTS[scope],
        expiration_time=rfc3339(expires_at),
    )
    holder = secrets.token_urlsafe(32)
    parts.store.add_nonce(
        message.nonce,
        purpose=_PURPOSE,
        binding=_binding(holder, message.text()),
        expires_at=expires_at,
    )
    cookie = Cookie(_challenge_cookie(parts), holder, parts.lifetimes.challenge_s)
    document = {"message": message.text(), "nonce": message.nonce, "expires_at": expires_at}
    return Answer(200, document, cookies=(cookie,))


def sign_in(parts: WebParts, call: Call) -> Answer:
    """POST /v1/session: check the signature, spend the nonce, start a session with a new id."""
    same_origin(parts, call)
    fields = read_fields(call, ("message", "signature"))
    text = fields.message("message", most=MESSAGE_MOST)
    signature = fields.octets("signature", most=SIGNATURE_MOST)
    holder = call.cookies.get(_challenge_cookie(parts))
    if not holder:
        raise Unauthenticated("the challenge cookie is missing: ask for a challenge first")
    account = signer(parts, call, text, signature)
    if not parts.store.spend_nonce(
        SiweMessage.parse(text).nonce,
        purpose=_PURPOSE,
        binding=_binding(holder, text),
        now=call.now,
    ):
        raise Unauthenticated(
            "this text was not drawn for this visit, or was used already", code=Code.PROOF_REPLAYED
        )
    parts.store.note_wallet_proof(account.key, at=call.now)
    return _begin(parts, call, account, _scope(text))


def session(parts: WebParts, call: Call) -> Answer:
    """GET /v1/session: who the caller is here."""
    who = session_holder(parts, call)
    read_query(call, ())
    return Answer(
        200,
        {
            "account": who.account.key,
            "means": who.means,
            "proven_at": who.proven_at,
            "expires_at": who.session.expires_at if who.session else None,
        },
    )


def sign_out(parts: WebParts, call: Call) -> Answer:
    """DELETE /v1/session: end it here and in the browser, and with it every hand-off to a phone."""
    who = session_holder(parts, call)
    if who.session is not None:
        parts.store.end_session(who.session.token_hash)
    if who.means is Means.SIGN_IN:
        parts.store.end_handoffs(who.account.key)
    return Answer(204, cookies=(_gone(cookie_name(parts, "kycgate_session")),))


def signer(parts: WebParts, call: Call, text: str, signature: bytes) -> Account:
    """Who signed this text of ours. Raises Unauthenticated, or CannotTell of a contract."""
    verdict = verify_siwe(
        text,
        signature,
        domain=parts.authority,
        uri=parts.public_url,
        nonce=_claimed_nonce(text),
        chain_ids=parts.chain_ids,
        now=call.now,
    )
    if isinstance(verdict, Invalid):
        raise Unauthenticated(verdict.reason.text, code=verdict.reason.code)
    if isinstance(verdict, ProvenAccount):
        return verdict.account
    return proven(parts, verdict.claimed.account, verdict.digest, verdict.signature)


def _claimed_nonce(text: str) -> str:
    """The nonce the message names: whether we drew it, for this text and visitor, the store
    knows.
    """
    return SiweMessage.parse(text).nonce


def _scope(text: str) -> Scope:
    """Only our own statements come this far: the nonce is bound to the whole text."""
    statement = SiweMessage.parse(text).statement
    return next(scope for scope, ours in _STATEMENTS.items() if ours == statement)


def _begin(parts: WebParts, call: Call, account: Account, scope: Scope) -> Answer:
    token = SESSION_PREFIX + secrets.token_urlsafe(32)
    expires_at = call.now + parts.lifetimes.session_s
    earlier = session_cookie(parts, call)
    if earlier is not None:
        parts.store.end_session(token_hash(earlier))
    parts.store.add_session(Session(token_hash(token), account.key, scope, call.now, expires_at))
    cookies = [_gone(_challenge_cookie(parts))]
    if scope is Scope.SIGN_IN:
        name = cookie_name(parts, "kycgate_session")
        cookies.append(Cookie(name, token, parts.lifetimes.session_s))
    document = {
        "token": token,
        "account": account.key,
        "scope": scope,
        "expires_at": expires_at,
    }
    return Answer(201, document, cookies=tuple(cookies))


def _binding(holder: str, message: str) -> bytes:
    return hashlib.sha256(holder.encode("utf-8") + b"\n" + message.encode("utf-8")).digest()


def _challenge_cookie(parts: WebParts) -> str:
    return cookie_name(parts, "kycgate_challenge")


def _gone(name: str) -> Cookie:
    return Cookie(name, "", 0)
