"""What a renter has here and may end: keys, linked users, their own data.

Validates nothing: tests hold live answers against it.
"""

from __future__ import annotations

from kycgate.web.api.schemas.words import (
    BYTES32,
    SOME_ACCOUNT,
    SOME_TIME,
    SOME_WORD,
    TEXT,
    TIME,
    Schema,
    line,
    maybe,
    record,
    ref,
)

_USER_LINK_PROPERTIES = {
    "id": TEXT,
    "scheduler": TEXT,
    "user": TEXT,
    "linked_at": TIME,
    "expires_at": TIME,
    "live": {"type": "boolean"},
}
_USER_LINK_EXAMPLE = {
    "id": "9a31c04d2be77f10",
    "scheduler": "main",
    "user": "ann",
    "linked_at": SOME_TIME,
    "expires_at": SOME_TIME + 2_592_000,
    "live": True,
}
_USE_EXAMPLE = {
    "marketplace": "ionet",
    "account": SOME_ACCOUNT,
    "job": SOME_WORD,
    "deployment": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "gpu_model": "H100",
    "gpu_count": 8,
    "at": SOME_TIME,
}
_KEY_PROPERTIES: dict[str, Schema] = {
    "id": TEXT,
    "prefix": TEXT,
    "label": TEXT,
    "scope": {"type": "array", "items": {"enum": ["read", "stop", "rent"]}},
    "created_at": TIME,
    "expires_at": TIME,
    "revoked_at": maybe(TIME),
    "last_used_at": maybe(TIME),
    "live": {"type": "boolean"},
}
_KEY_EXAMPLE = {
    "id": "9f86d081884c7d65",
    "prefix": "kg_Zk1x0a",
    "label": "cli",
    "scope": ["read", "stop", "rent"],
    "created_at": SOME_TIME,
    "expires_at": SOME_TIME + 2_592_000,
    "revoked_at": None,
    "last_used_at": None,
    "live": True,
}


SCHEMAS: dict[str, Schema] = {
    "KeyRequest": record(
        {
            "label": line(60),
            "scope": {
                "type": "array",
                "items": {"enum": ["read", "stop", "rent"]},
                "minItems": 1,
                "uniqueItems": True,
            },
            "days": {"type": "integer", "minimum": 1, "maximum": 30},
        },
        optional=("label", "scope", "days"),
        example={"label": "cli", "days": 30},
    ),
    "Key": record(_KEY_PROPERTIES, example=_KEY_EXAMPLE),
    "NewKey": record(
        {**_KEY_PROPERTIES, "secret": TEXT}, example={**_KEY_EXAMPLE, "secret": "kg_Zk1x0a…"}
    ),
    "Keys": record(
        {"keys": {"type": "array", "items": ref("Key")}}, example={"keys": [_KEY_EXAMPLE]}
    ),
    "UserCode": record(
        {"id": TEXT, "code": TEXT, "expires_at": TIME},
        example={
            "id": "0f1e2d3c4b5a6978",
            "code": "kycgate-mfrggzdfmztwq2lknnwg23tp",
            "expires_at": SOME_TIME + 900,
        },
    ),
    "UserLink": record(_USER_LINK_PROPERTIES, example=_USER_LINK_EXAMPLE),
    "UserLinks": record(
        {"users": {"type": "array", "items": ref("UserLink")}},
        example={"users": [_USER_LINK_EXAMPLE]},
    ),
    "NoFields": {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
        "examples": [{}],
    },
    "Use": record(
        {
            "marketplace": TEXT,
            "account": TEXT,
            "job": BYTES32,
            "deployment": maybe(TEXT),
            "gpu_model": maybe(TEXT),
            "gpu_count": maybe({"type": "integer"}),
            "at": TIME,
        },
        example=_USE_EXAMPLE,
    ),
    "Uses": record(
        {"uses": {"type": "array", "items": ref("Use")}}, example={"uses": [_USE_EXAMPLE]}
    ),
    "Export": record(
        {
            "made_at": TIME,
            "accounts": {"type": "array", "items": TEXT},
            "pseudonym": BYTES32,
            "known_since": TIME,
            "cases": {"type": "array", "items": {"type": "object"}},
            "attestations": {"type": "array", "items": {"type": "object"}},
            "presentations": {"type": "array", "items": {"type": "object"}},
            "keys": {"type": "array", "items": ref("Key")},
            "users": {"type": "array", "items": ref("UserLink")},
            "uses": {"type": "array", "items": ref("Use")},
            "left_out": TEXT,
        },
        example={
            "made_at": SOME_TIME,
            "accounts": [SOME_ACCOUNT],
            "pseudonym": SOME_WORD,
            "known_since": SOME_TIME,
            "cases": [],
            "attestations": [],
            "presentations": [],
            "keys": [],
            "users": [],
            "uses": [_USE_EXAMPLE],
            "left_out": "Not included: results of sanctions screening.",
        },
    ),
    "Erasure": record(
        {
            "erased": {"type": "boolean"},
            "restricted_until": maybe(TIME),
            "why": {"type": "array", "items": TEXT},
        },
        example={
            "erased": False,
            "restricted_until": SOME_TIME + 315_360_000,
            "why": ["The law wants records of your rentals kept until then."],
        },
    ),
}
