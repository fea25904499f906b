"""Several wallets of one renter: the second one signs, while the first is signed in.

The text names both accounts; it is drawn here, bound to the first, and spent once. It is no
sign-in: neither can stand in for the other.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from kycgate.core.claims import Account, checksum
from kycgate.core.proof import SiweMessage
from kycgate.core.proof.siwe import MESSAGE_MOST, rfc3339
from kycgate.errors import Code, Malformed, Unauthenticated
from kycgate.web.access import in_person, renter, same_origin
from kycgate.web.api import signin
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, read_fields, read_query

_PURPOSE = "siwe-link"
_STATEMENT = (
    "Link this account to the identity of {first} at this gate: both belong to the same person or"
    " organisation. This moves nothing and costs nothing."
)


def challenge(parts: WebParts, call: Call) -> Answer:
    """POST /v1/accounts/challenge: the text the second account is to sign."""
    same_origin(parts, call)
    who = in_person(parts, call)
    fields = read_fields(call, ("account", "chain_id"))
    second = fields.address("account")
    chain_id = fields.whole("chain_id", least=1, most=2**53 - 1)
    if chain_id not in parts.chain_ids:
        known = ", ".join(str(known) for known in parts.chain_ids)
        raise Malformed("not a chain of this gate", field="chain_id", remedy=f"one of {known}")
    if second == who.account.address:
        raise Malformed("is this very account", field="account", remedy="name the other one")
    expires_at = call.now + parts.lifetimes.challenge_s
    message = SiweMessage(
        domain=parts.authority,
        address=second,
        uri=parts.public_url,
        chain_id=chain_id,
        nonce=secrets.token_hex(16),
        issued_at=rfc3339(call.now),
        statement=_STATEMENT.format(first=checksum(who.account.address)),
        expiration_time=rfc3339(expires_at),
    ).text()
    parts.store.add_nonce(
        SiweMessage.parse(message).nonce,
        purpose=_PURPOSE,
        binding=_binding(who.account, message),
        expires_at=expires_at,
    )
    return Answer(200, {"message": message, "expires_at": expires_at})


def link(parts: WebParts, call: Call) -> Answer:
    """POST /v1/accounts: the text as the second account signed it."""
    same_origin(parts, call)
    who = in_person(parts, call)
    fields = read_fields(call, ("message", "signature"))
    text = fields.message("message", most=MESSAGE_MOST)
    signature = fields.octets("signature", most=signin.SIGNATURE_MOST)
    second = signin.signer(parts, call, text, signature)
    if not parts.store.spend_nonce(
        SiweMessage.parse(text).nonce,
        purpose=_PURPOSE,
        binding=_binding(who.account, text),
        now=call.now,
    ):
        raise Unauthenticated(
            "this text was not drawn for this account, or was used already",
            code=Code.PROOF_REPLAYED,
        )
    parts.identity.link(who.account, second, now=call.now)
    parts.store.note_wallet_proof(second.key, at=call.now)
    return Answer(201, _shown(parts, call, who.account))


def list_accounts(parts: WebParts, call: Call) -> Answer:
    """GET /v1/accounts: every account of the caller's subject, with its attestation."""
    who = renter(parts, call)
    read_query(call, ())
    return Answer(200, _shown(parts, call, who.account))


def _shown(parts: WebParts, call: Call, account: Account) -> dict[str, Any]:
    linked = parts.identity.accounts(account)
    return {"accounts": [_entry(parts, call, each) for each in linked]}


def _entry(parts: WebParts, call: Call, account: Account) -> dict[str, Any]:
    held = parts.identity.attestation(account, now=call.now)
    return {
        "account": account.key,
        "attestation": None
        if held is None
        else {"uid": "0x" + held.uid.hex(), "expires_at": held.attestation.expiration_time},
        "wallet_proof_at": parts.store.wallet_proof_at(account.key),
    }


def _binding(first: Account, message: str) -> bytes:
    return hashlib.sha256(first.key.encode() + b"\n" + message.encode()).digest()
