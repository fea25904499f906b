"""Signing in, linking accounts, handing over to a phone: what these routes take and give.

Validates nothing: tests hold live answers against it.
"""

from __future__ import annotations

from kycgate.web.api.schemas.words import (
    ADDRESS,
    BYTES32,
    SOME_ACCOUNT,
    SOME_ADDRESS,
    SOME_TIME,
    SOME_WORD,
    TEXT,
    TIME,
    Schema,
    line,
    maybe,
    record,
)

_BRIEF: Schema = record(
    {"uid": BYTES32, "expires_at": TIME},
    example={"uid": SOME_WORD, "expires_at": SOME_TIME + 86_400},
)
_ACCOUNT_EXAMPLE = {
    "account": SOME_ACCOUNT,
    "attestation": {"uid": SOME_WORD, "expires_at": SOME_TIME + 86_400},
    "wallet_proof_at": SOME_TIME,
}
_HANDOFF_PROPERTIES: dict[str, Schema] = {
    "id": TEXT,
    "state": {"enum": ["waiting", "opened", "claimed", "expired"]},
    "match": {"type": "string", "pattern": "^[1-9][0-9]$", "description": "both screens show it"},
    "expires_at": TIME,
}
_HANDOFF_EXAMPLE = {
    "id": "6f1ed002ab5595859014ebf0951522d9",
    "state": "waiting",
    "match": "47",
    "expires_at": SOME_TIME + 600,
}


SCHEMAS: dict[str, Schema] = {
    "ChallengeRequest": record(
        {
            "account": ADDRESS,
            "chain_id": {"type": "integer", "minimum": 1},
            "scope": {"enum": ["sign-in", "session-key"], "default": "sign-in"},
        },
        optional=("scope",),
        example={"account": SOME_ADDRESS, "chain_id": 1},
    ),
    "Challenge": record(
        {"message": TEXT, "nonce": TEXT, "expires_at": TIME},
        example={
            "message": "gate.example wants you to sign in with your Ethereum account:\n…",
            "nonce": "8f2c61d09a7b4e55",
            "expires_at": SOME_TIME + 600,
        },
    ),
    "SignInRequest": record(
        {
            "message": {"type": "string", "minLength": 1, "maxLength": 4096},
            "signature": {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})+$", "maxLength": 32770},
        },
        example={
            "message": "gate.example wants you to sign in with your Ethereum account:\n…",
            "signature": "0x" + "1b" * 65,
        },
    ),
    "NewSession": record(
        {"token": TEXT, "account": TEXT, "scope": TEXT, "expires_at": TIME},
        example={
            "token": "kgs_…",
            "account": SOME_ACCOUNT,
            "scope": "sign-in",
            "expires_at": SOME_TIME + 43_200,
        },
    ),
    "Session": record(
        {
            "account": TEXT,
            "means": {"enum": ["sign-in", "session-key", "hand-off", "signature"]},
            "proven_at": TIME,
            "expires_at": maybe(TIME),
        },
        example={
            "account": SOME_ACCOUNT,
            "means": "sign-in",
            "proven_at": SOME_TIME,
            "expires_at": SOME_TIME + 43_200,
        },
    ),
    "LinkChallengeRequest": record(
        {"account": ADDRESS, "chain_id": {"type": "integer", "minimum": 1}},
        example={"account": SOME_ADDRESS, "chain_id": 1},
    ),
    "LinkChallenge": record(
        {"message": TEXT, "expires_at": TIME},
        example={
            "message": "gate.example wants you to sign in with your Ethereum account:\n…",
            "expires_at": SOME_TIME + 600,
        },
    ),
    "Accounts": record(
        {
            "accounts": {
                "type": "array",
                "items": record(
                    {
                        "account": TEXT,
                        "attestation": maybe(_BRIEF),
                        "wallet_proof_at": maybe(TIME),
                    },
                    example=_ACCOUNT_EXAMPLE,
                ),
            }
        },
        example={"accounts": [_ACCOUNT_EXAMPLE]},
    ),
    "Empty": record({}, example={}),
    "Handoff": record(_HANDOFF_PROPERTIES, example=_HANDOFF_EXAMPLE),
    "NewHandoff": record(
        {**_HANDOFF_PROPERTIES, "code": TEXT, "url": TEXT, "svg": TEXT},
        example={
            **_HANDOFF_EXAMPLE,
            "code": "k3vf-8q2m-x7tc-0wzr",
            "url": "https://verify.example/phone#k3vf-8q2m-x7tc-0wzr",
            "svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 41 41">…</svg>',
        },
    ),
    "HandoffCode": record({"code": line(40)}, example={"code": "k3vf-8q2m-x7tc-0wzr"}),
    "HandoffClaim": record(
        {"code": line(40), "match": line(2)},
        example={"code": "k3vf-8q2m-x7tc-0wzr", "match": "47"},
    ),
    "HandoffLook": record(
        {"account": TEXT, "operator": TEXT, "marketplace": TEXT, "match": TEXT, "expires_at": TIME},
        example={
            "account": SOME_ACCOUNT,
            "operator": "Harbour GPU",
            "marketplace": "harbour",
            "match": "47",
            "expires_at": SOME_TIME + 600,
        },
    ),
    "HandoffSession": record(
        {"account": TEXT, "scope": {"const": "hand-off"}, "expires_at": TIME},
        example={"account": SOME_ACCOUNT, "scope": "hand-off", "expires_at": SOME_TIME + 3600},
    ),
}
