"""What a renter says of themselves, the case made of it, and where the account stands.

Validates nothing: tests hold live answers against it.
"""

from __future__ import annotations

from kycgate.web.api.schemas.words import (
    BYTES32,
    MEANS,
    REASON_EXAMPLE,
    SOME_ACCOUNT,
    SOME_TIME,
    SOME_WORD,
    STATE,
    TEXT,
    TIME,
    Schema,
    line,
    maybe,
    record,
    ref,
)

_STATUS_JOB = {
    "job": SOME_WORD,
    "deployment": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "state": "answered",
    "escrow": "open",
    "created_at": SOME_TIME,
}
_RENTAL_STATES = ["none", "open", "closed", "held", "sanctioned"]
_CASE_EXAMPLE = {
    "id": "c_5f1d7a",
    "kind": "organisation",
    "state": "checking",
    "state_text": "Checking: the operator is looking at what you gave.",
    "level": 0,
    "opened_at": SOME_TIME,
    "updated_at": SOME_TIME,
    "refusal_id": None,
    "reasons": [REASON_EXAMPLE],
    "needs": [],
    "proofs": [],
    "valid_until": None,
    "re_verify_at": None,
    "owner_check": None,
}
_PROOF_EXAMPLE = {
    "means": "credential",
    "source": "openid4vp",
    "at": SOME_TIME,
    "level": 3,
    "outcome": "accepted",
}
_REGION: Schema = {
    "type": "string",
    "pattern": "^[A-Z]{2}-[A-Z0-9]{1,3}$",
    "description": "ISO 3166-2, only where a part of the country is embargoed",
}
_PERCENT: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 100},
        {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})?$"},
    ]
}
_OWNERS: Schema = {
    "type": "array",
    "description": "Who holds 25 % or more; empty: nobody does; missing: not told",
    "items": ref("Owner"),
    "maxItems": 50,
}
_OWNER: Schema = {
    "type": "object",
    "description": "A person or an organisation that holds a share",
    "properties": {
        "name": line(200),
        "kind": {"enum": ["person", "organisation"]},
        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "region": _REGION,
        "share": {
            "anyOf": [
                *_PERCENT["anyOf"],
                {
                    "type": "object",
                    "properties": {"min": _PERCENT, "max": _PERCENT},
                    "required": ["min", "max"],
                    "additionalProperties": False,
                },
            ]
        },
        "birth_date": {"type": "string", "format": "date"},
        "registration_number": line(60),
        "lei": {"type": "string", "pattern": "^[A-Z0-9]{20}$"},
        "owners": _OWNERS,
    },
    "required": ["name", "kind", "country", "share"],
    "additionalProperties": False,
    "examples": [
        {
            "name": "Straits Holdings Ltd.",
            "kind": "organisation",
            "country": "SG",
            "share": 60,
            "owners": [
                {
                    "name": "Mei Tan",
                    "kind": "person",
                    "country": "SG",
                    "share": {"min": 25, "max": 50},
                }
            ],
        }
    ],
}
_PERSON: Schema = {
    "type": "object",
    "description": "A person",
    "properties": {
        "name": line(200),
        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "birth_date": {"type": "string", "format": "date"},
        "region": _REGION,
    },
    "required": ["name", "country"],
    "additionalProperties": False,
}
_PARENT: Schema = {
    "type": "object",
    "description": "The company above; `parent: null` says there is none, a missing one is unknown",
    "properties": {
        "name": line(200),
        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "registration_number": line(60),
        "lei": {"type": "string", "pattern": "^[A-Z0-9]{20}$"},
        "region": _REGION,
        "parent": maybe(ref("Parent")),
    },
    "required": ["name", "country"],
    "additionalProperties": False,
}
_ORGANISATION: Schema = {
    "type": "object",
    "description": "An organisation",
    "properties": {
        "name": line(200),
        "registration_number": line(60),
        "lei": {"type": "string", "pattern": "^[A-Z0-9]{20}$"},
        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "headquarters_country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "region": _REGION,
        "headquarters_region": _REGION,
        "parent": maybe(ref("Parent")),
        "owners": _OWNERS,
        "representative": {
            "type": "object",
            "properties": {"name": line(200)},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
    "required": [
        "name",
        "registration_number",
        "country",
        "headquarters_country",
        "representative",
    ],
    "additionalProperties": False,
}


SCHEMAS: dict[str, Schema] = {
    "Parent": _PARENT,
    "Owner": _OWNER,
    "CaseRequest": record(
        {
            "kind": {"enum": ["person", "organisation"]},
            "details": {"anyOf": [_PERSON, _ORGANISATION]},
            "refusal_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$"},
        },
        optional=("refusal_id",),
        example={
            "kind": "organisation",
            "details": {
                "name": "Straits Compute Pte. Ltd.",
                "registration_number": "202012345K",
                "country": "SG",
                "headquarters_country": "SG",
                "parent": None,
                "representative": {"name": "Mei Tan"},
            },
        },
    ),
    "CaseAmendment": record(
        {
            "kind": {"enum": ["person", "organisation"]},
            "details": {"anyOf": [_PERSON, _ORGANISATION]},
        },
        optional=("kind",),
        example={"details": {"name": "Ada Tan", "country": "SG"}},
    ),
    "Case": record(
        {
            "id": TEXT,
            "kind": {"enum": ["person", "organisation"]},
            "state": STATE,
            "state_text": TEXT,
            "level": {"type": "integer", "minimum": 0, "maximum": 3},
            "opened_at": TIME,
            "updated_at": TIME,
            "refusal_id": maybe(TEXT),
            "reasons": {"type": "array", "items": ref("Reason")},
            "needs": {"type": "array", "items": ref("Need")},
            "proofs": {"type": "array", "items": ref("IdentityProof")},
            "valid_until": {
                **maybe(TIME),
                "description": "until when an approval lasts without a new proof of identity",
            },
            "re_verify_at": {
                **maybe(TIME),
                "description": "the same, from thirty days before",
            },
            "owner_check": maybe(TEXT),
        },
        example=_CASE_EXAMPLE,
    ),
    "Cases": record(
        {"cases": {"type": "array", "items": ref("Case")}}, example={"cases": [_CASE_EXAMPLE]}
    ),
    "Need": record(
        {"item": TEXT, "text": TEXT},
        example={"item": "proof", "text": "Prove who you are: choose one of the ways offered."},
    ),
    "IdentityProof": record(
        {
            "means": {"enum": MEANS},
            "source": TEXT,
            "at": TIME,
            "level": {"type": "integer", "minimum": 1, "maximum": 3},
            "outcome": {"enum": ["taken", "accepted", "withdrawn", "expired"]},
        },
        example=_PROOF_EXAMPLE,
    ),
    "RegisterEntry": record(
        {
            "name": TEXT,
            "registration_number": TEXT,
            "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "headquarters_country": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "parents": {
                "type": "array",
                "description": "nearest first; empty where it can't be said who controls it",
                "items": {"type": "object"},
            },
            "as_of": TIME,
        },
        optional=("registration_number", "country", "headquarters_country"),
        example={
            "name": "Straits Compute Pte. Ltd.",
            "registration_number": "202012345K",
            "country": "SG",
            "headquarters_country": "SG",
            "parents": [{"name": "Top Co", "country": "CN"}],
            "as_of": SOME_TIME,
        },
    ),
    "Status": record(
        {
            "account": TEXT,
            "state": STATE,
            "state_text": TEXT,
            "case": maybe(ref("Case")),
            "attestation": maybe(
                record(
                    {"uid": BYTES32, "expires_at": TIME},
                    example={"uid": SOME_WORD, "expires_at": SOME_TIME + 86_400},
                )
            ),
            "wallet_proof_at": maybe(TIME),
            "jobs": {
                "type": "array",
                "items": record(
                    {
                        "job": BYTES32,
                        "deployment": maybe(TEXT),
                        "state": TEXT,
                        "escrow": maybe({"enum": _RENTAL_STATES}),
                        "created_at": TIME,
                    },
                    example=_STATUS_JOB,
                ),
            },
            "marketplace_url": TEXT,
        },
        example={
            "account": SOME_ACCOUNT,
            "state": "approved",
            "state_text": "Approved: this account may rent what the rules allow.",
            "case": {**_CASE_EXAMPLE, "state": "approved", "level": 1, "reasons": []},
            "attestation": {"uid": SOME_WORD, "expires_at": SOME_TIME + 86_400},
            "wallet_proof_at": SOME_TIME,
            "jobs": [_STATUS_JOB],
            "marketplace_url": "https://rent.example",
        },
    ),
}
