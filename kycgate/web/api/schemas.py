"""The JSON documents of the API as JSON Schema 2020-12, each with an example, for the OpenAPI
description.

Validates nothing at run time: the door reads with `web.wire`; tests hold live answers against
these.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_KEY = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
_WORD = "0x" + "5c" * 32
_NOW = 1_795_000_000
_STATUS_JOB = {
    "job": _WORD,
    "deployment": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "state": "answered",
    "escrow": "open",
    "created_at": _NOW,
}
_RENTAL_STATES = ["none", "open", "closed", "held", "sanctioned"]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "integer", "minimum": 0, "description": "Unix seconds UTC"}
ADDRESS: Schema = {
    "type": "string",
    "pattern": "^0x[0-9a-fA-F]{40}$",
    "description": "EIP-55 checksum enforced when the case is mixed",
}
BYTES32: Schema = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
AMOUNT: Schema = {
    "type": "string",
    "pattern": "^(0|[1-9][0-9]{0,77})$",
    "description": "token base units, a decimal string",
}
STATE: Schema = {
    "type": "string",
    "enum": [
        "not_started",
        "in_progress",
        "checking",
        "more_needed",
        "approved",
        "refused",
        "revoked",
        "closed",
    ],
}


def line(most: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most}


def maybe(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(
    properties: dict[str, Schema], *, optional: tuple[str, ...] = (), example: Any
) -> Schema:
    """An object without unknown members; every member is required unless named optional."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "examples": [example],
    }


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_REASON_EXAMPLE = {
    "code": "under_review",
    "text": "A person at the operator has to look at this first.",
}
_PRESENTATION_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
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
    "linked_at": _NOW,
    "expires_at": _NOW + 2_592_000,
    "live": True,
}
_CASE_EXAMPLE = {
    "id": "c_5f1d7a",
    "kind": "organisation",
    "state": "checking",
    "state_text": "Checking: the operator is looking at what you gave.",
    "level": 0,
    "opened_at": _NOW,
    "updated_at": _NOW,
    "refusal_id": None,
    "reasons": [_REASON_EXAMPLE],
    "needs": [],
    "proofs": [],
    "valid_until": None,
    "re_verify_at": None,
    "owner_check": None,
}
_PROOF_EXAMPLE = {
    "means": "credential",
    "source": "openid4vp",
    "at": _NOW,
    "level": 3,
    "outcome": "accepted",
}
_WAY_EXAMPLE = {
    "id": "credential",
    "means": "credential",
    "level": 3,
    "minutes": 1,
    "live": True,
    "title": "A credential in your wallet",
}
_MEANS = ["document", "provider", "credential"]
_SIDES = ["front", "back", "page", "selfie", "other"]
_DOCUMENT_EXAMPLE = {
    "id": "9f86d081884c7d659f86d081884c7d65",
    "side": "front",
    "media": "image/jpeg",
    "size": 812_345,
    "at": _NOW,
}
_ZONE_EXAMPLE = {
    "format": "TD3",
    "expires_on": "2031-04-15",
    "names_truncated": False,
    "compared": {"name": "same", "birth_date": "same", "country": "same"},
}
_BRIEF: Schema = record(
    {"uid": BYTES32, "expires_at": TIME}, example={"uid": _WORD, "expires_at": _NOW + 86_400}
)
_ACCOUNT_EXAMPLE = {
    "account": _KEY,
    "attestation": {"uid": _WORD, "expires_at": _NOW + 86_400},
    "wallet_proof_at": _NOW,
}
_USE_EXAMPLE = {
    "marketplace": "ionet",
    "account": _KEY,
    "job": _WORD,
    "deployment": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "gpu_model": "H100",
    "gpu_count": 8,
    "at": _NOW,
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
    "created_at": _NOW,
    "expires_at": _NOW + 2_592_000,
    "revoked_at": None,
    "last_used_at": None,
    "live": True,
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
    "expires_at": _NOW + 600,
}
_JOB_PROPERTIES: dict[str, Schema] = {
    "marketplace": line(60),
    "action": {"enum": ["rent", "extend", "modify"], "default": "rent"},
    "gpu_model": line(100),
    "gpu_count": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "hours": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "value": AMOUNT,
    "resource": line(200),
    "end_user": line(200),
}
_JOB = tuple(_JOB_PROPERTIES)
_JOB_EXAMPLE = {"gpu_model": "H100", "gpu_count": 8, "hours": 24}
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

_PERMIT_EXAMPLE = {
    "domain": {
        "name": "kycgate",
        "version": "1",
        "chainId": "31337",
        "verifyingContract": _ADDRESS,
    },
    "permit": {
        "attestation": _WORD,
        "epoch": "0",
        "renter": _ADDRESS,
        "escrow": _ADDRESS,
        "job": _WORD,
        "terms": _WORD,
        "policy": _WORD,
        "maxValue": "1000000",
        "deadline": str(_NOW + 600),
    },
    "terms": {"provider": _ADDRESS, "token": _ADDRESS, "request": _WORD},
    "signature": "0x" + "1b" * 65,
}

SCHEMAS: dict[str, Schema] = {
    "ChallengeRequest": record(
        {
            "account": ADDRESS,
            "chain_id": {"type": "integer", "minimum": 1},
            "scope": {"enum": ["sign-in", "session-key"], "default": "sign-in"},
        },
        optional=("scope",),
        example={"account": _ADDRESS, "chain_id": 1},
    ),
    "Challenge": record(
        {"message": TEXT, "nonce": TEXT, "expires_at": TIME},
        example={
            "message": "gate.example wants you to sign in with your Ethereum account:\n…",
            "nonce": "8f2c61d09a7b4e55",
            "expires_at": _NOW + 600,
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
            "account": _KEY,
            "scope": "sign-in",
            "expires_at": _NOW + 43_200,
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
            "account": _KEY,
            "means": "sign-in",
            "proven_at": _NOW,
            "expires_at": _NOW + 43_200,
        },
    ),
    "Reason": record({"code": TEXT, "text": TEXT}, example=_REASON_EXAMPLE),
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
    "Need": record(
        {"item": TEXT, "text": TEXT},
        example={"item": "proof", "text": "Prove who you are: choose one of the ways offered."},
    ),
    "IdentityProof": record(
        {
            "means": {"enum": _MEANS},
            "source": TEXT,
            "at": TIME,
            "level": {"type": "integer", "minimum": 1, "maximum": 3},
            "outcome": {"enum": ["taken", "accepted", "withdrawn", "expired"]},
        },
        example=_PROOF_EXAMPLE,
    ),
    "Document": record(
        {
            "id": TEXT,
            "side": {"enum": _SIDES},
            "media": {"const": "image/jpeg"},
            "size": {"type": "integer", "minimum": 1},
            "at": TIME,
        },
        example=_DOCUMENT_EXAMPLE,
    ),
    "Documents": record(
        {"documents": {"type": "array", "items": ref("Document")}},
        example={"documents": [_DOCUMENT_EXAMPLE]},
    ),
    "NewDocument": record({"document": ref("Document")}, example={"document": _DOCUMENT_EXAMPLE}),
    "DocumentRequest": record(
        {
            "mrz": {
                "type": "array",
                "items": {"type": "string", "maxLength": 60},
                "maxItems": 3,
                "description": "the lines of the machine-readable zone, as typed",
            },
            "hand_in": {"type": "boolean", "description": "give the documents to a reviewer"},
        },
        optional=("mrz", "hand_in"),
        example={"hand_in": True},
    ),
    "DocumentAnswer": record(
        {
            "mrz": maybe(
                record(
                    {
                        "format": {"enum": ["TD1", "TD2", "TD3", "MRV-A", "MRV-B"]},
                        "expires_on": {"type": "string", "format": "date"},
                        "names_truncated": {"type": "boolean"},
                        "compared": maybe({"type": "object"}),
                    },
                    example=_ZONE_EXAMPLE,
                )
            ),
            "case": maybe(ref("Case")),
        },
        example={"mrz": _ZONE_EXAMPLE, "case": None},
    ),
    "LinkChallengeRequest": record(
        {"account": ADDRESS, "chain_id": {"type": "integer", "minimum": 1}},
        example={"account": _ADDRESS, "chain_id": 1},
    ),
    "LinkChallenge": record(
        {"message": TEXT, "expires_at": TIME},
        example={
            "message": "gate.example wants you to sign in with your Ethereum account:\n…",
            "expires_at": _NOW + 600,
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
            "made_at": _NOW,
            "accounts": [_KEY],
            "pseudonym": _WORD,
            "known_since": _NOW,
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
            "restricted_until": _NOW + 315_360_000,
            "why": ["The law wants records of your rentals kept until then."],
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
    "Way": record(
        {
            "id": TEXT,
            "means": {"enum": _MEANS},
            "level": {"type": "integer", "minimum": 1, "maximum": 3},
            "minutes": {"type": "integer", "minimum": 0},
            "live": {"type": "boolean"},
            "title": TEXT,
        },
        example=_WAY_EXAMPLE,
    ),
    "Ways": record(
        {"ways": {"type": "array", "items": ref("Way")}}, example={"ways": [_WAY_EXAMPLE]}
    ),
    "Cases": record(
        {"cases": {"type": "array", "items": ref("Case")}}, example={"cases": [_CASE_EXAMPLE]}
    ),
    "PresentationRequest": record(
        {
            "mode": {"enum": ["dc", "redirect"]},
            "kind_of": {"enum": ["pid", "mdl"], "description": "whatever is accepted, if left out"},
        },
        optional=("kind_of",),
        example={"mode": "dc"},
    ),
    "NewPresentation": record(
        {
            "id": _PRESENTATION_ID,
            "expires_at": TIME,
            "request": {
                "type": "object",
                "description": "mode dc: for navigator.credentials.get({digital: request})",
            },
            "request_uri": TEXT,
            "deep_link": {"type": "string", "description": "mode redirect: opens the wallet"},
        },
        optional=("request", "request_uri", "deep_link"),
        example={
            "id": "5c" * 16,
            "expires_at": _NOW + 600,
            "request": {"requests": [{"protocol": "openid4vp-v1-unsigned", "data": {}}]},
        },
    ),
    "Presentation": record(
        {
            "id": _PRESENTATION_ID,
            "state": {"enum": ["waiting", "received", "accepted", "refused", "expired"]},
            "mode": {"enum": ["dc", "redirect"]},
            "expires_at": TIME,
            "code": TEXT,
            "reason": TEXT,
        },
        optional=("code", "reason"),
        example={"id": "5c" * 16, "state": "waiting", "mode": "dc", "expires_at": _NOW + 600},
    ),
    "PresentationResponse": record(
        {
            "protocol": {"enum": ["openid4vp-v1-unsigned", "openid4vp-v1-signed"]},
            "data": {
                "type": "object",
                "properties": {"response": line(60_000)},
                "required": ["response"],
            },
            "response_code": line(100),
        },
        optional=("protocol", "data", "response_code"),
        example={"protocol": "openid4vp-v1-unsigned", "data": {"response": "eyJhbGciOi…"}},
    ),
    "RequestObject": {
        "type": "string",
        "description": "a JWT of type oauth-authz-req+jwt",
        "examples": ["eyJhbGciOi…"],
    },
    "WalletNonce": {
        "type": "object",
        "properties": {"wallet_nonce": line(512)},
        "examples": [{"wallet_nonce": "8f2c61d09a7b4e55"}],
    },
    "DirectPost": {
        "type": "object",
        "properties": {"response": line(60_000), "error": TEXT},
        "examples": [{"response": "eyJhbGciOi…"}],
    },
    "DirectAnswer": record(
        {"redirect_uri": TEXT},
        example={"redirect_uri": "https://gate.example/back#presentation=…&response_code=…"},
    ),
    "VerificationRequest": record({"provider": line(32)}, example={"provider": "sumsub"}),
    "NewVerification": record(
        {"id": TEXT, "url": {"type": "string", "format": "uri"}, "expires_at": TIME},
        example={
            "id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "url": "https://verify.stripe.com/start/live_x",
            "expires_at": _NOW + 86_400,
        },
    ),
    "Verification": record(
        {
            "id": TEXT,
            "provider": TEXT,
            "state": {
                "enum": [
                    "open",
                    "checking",
                    "needs",
                    "approved",
                    "refused",
                    "expired",
                    "failed",
                ]
            },
            "state_text": TEXT,
            "note": {**maybe(TEXT), "description": "what to mend, in words for the renter"},
            "started_at": TIME,
            "expires_at": TIME,
        },
        example={
            "id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "provider": "sumsub",
            "state": "needs",
            "state_text": "More is needed: open the check again and mend what it says.",
            "note": "Upload an original photo.",
            "started_at": _NOW,
            "expires_at": _NOW + 604_800,
        },
    ),
    "Received": record({"received": {"const": True}}, example={"received": True}),
    "ImportRequest": record(
        {
            "uid": BYTES32,
            "attestation": {"type": "object", "description": "as the EAS SDK writes it, v2"},
        },
        optional=("uid", "attestation"),
        example={"uid": _WORD},
    ),
    "Imports": record(
        {
            "records": {
                "type": "array",
                "items": record(
                    {
                        "case": TEXT,
                        "source": TEXT,
                        "uid": BYTES32,
                        "schema": BYTES32,
                        "fresh": {"type": "boolean"},
                    },
                    example={
                        "case": "c_5f1d7a",
                        "source": "coinbase",
                        "uid": _WORD,
                        "schema": _WORD,
                        "fresh": True,
                    },
                ),
            }
        },
        example={"records": []},
    ),
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
        {"code": TEXT, "expires_at": TIME},
        example={"code": "kycgate-mfrggzdfmztwq2lknnwg23tp", "expires_at": _NOW + 900},
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
    "Status": record(
        {
            "account": TEXT,
            "state": STATE,
            "state_text": TEXT,
            "case": maybe(ref("Case")),
            "attestation": maybe(
                record(
                    {"uid": BYTES32, "expires_at": TIME},
                    example={"uid": _WORD, "expires_at": _NOW + 86_400},
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
            "account": _KEY,
            "state": "approved",
            "state_text": "Approved: this account may rent what the rules allow.",
            "case": {**_CASE_EXAMPLE, "state": "approved", "level": 1, "reasons": []},
            "attestation": {"uid": _WORD, "expires_at": _NOW + 86_400},
            "wallet_proof_at": _NOW,
            "jobs": [_STATUS_JOB],
            "marketplace_url": "https://rent.example",
        },
    ),
    "ExplainRequest": record(
        {"account": {**line(120), "description": "operators only"}, **_JOB_PROPERTIES},
        optional=("account", *_JOB),
        example=_JOB_EXAMPLE,
    ),
    "Explanation": {
        "type": "object",
        "description": "Renters get exactly these members, operators all the evidence",
        "properties": {
            "account": maybe(TEXT),
            "verdict": {"enum": ["allow", "deny", "review"]},
            "reasons": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "code": TEXT,
                        "text": TEXT,
                        "rule": maybe(TEXT),
                        "citation": maybe(TEXT),
                    },
                    "required": ["code", "text"],
                },
            },
        },
        "required": ["account", "verdict", "reasons"],
        "examples": [
            {
                "account": _KEY,
                "verdict": "deny",
                "reasons": [
                    {"code": "declined", "text": "The operator can't offer you this rental."},
                ],
            }
        ],
    },
    "PermitRequest": record(
        {
            **_JOB_PROPERTIES,
            "provider": ADDRESS,
            "token": {**ADDRESS, "description": "the zero address is the chain's own coin"},
            "max_value": AMOUNT,
            "idempotency_key": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        },
        optional=(*_JOB, "idempotency_key"),
        example={**_JOB_EXAMPLE, "provider": _ADDRESS, "token": _ADDRESS, "max_value": "1000000"},
    ),
    "Permit": record(
        {
            "domain": {"type": "object"},
            "permit": {"type": "object"},
            "terms": {"type": "object"},
            "signature": {"type": "string", "pattern": "^0x[0-9a-f]{130}$"},
        },
        example=_PERMIT_EXAMPLE,
    ),
    "Attestation": {
        "type": "object",
        "description": "An EAS off-chain attestation, version 2, as the EAS SDK writes it",
        "required": ["version", "uid", "domain", "primaryType", "message", "types", "signature"],
        "properties": {
            "version": {"const": 2},
            "uid": BYTES32,
            "domain": {"type": "object"},
            "primaryType": {"const": "Attest"},
            "message": {"type": "object"},
            "types": {"type": "object"},
            "signature": {"type": "object"},
        },
        "examples": [
            {
                "version": 2,
                "uid": _WORD,
                "domain": {"name": "EAS Attestation", "version": "1.3.0", "chainId": "1"},
                "primaryType": "Attest",
                "message": {"version": 2, "recipient": _ADDRESS, "time": str(_NOW)},
                "types": {"Attest": []},
                "signature": {"v": 27, "r": _WORD, "s": _WORD},
            }
        ],
    },
    "Health": {
        "type": "object",
        "properties": {
            "status": {"enum": ["ok", "degraded", "down"]},
            "store": {"enum": ["ok", "unavailable"]},
            "stale_lists": {"type": "integer"},
            "broken_registers": {
                "type": "integer",
                "description": "registers of owners that are not of their files",
            },
            "registers": {
                "type": "array",
                "description": "operators only: which, and the version still in use",
                "items": {"type": "object"},
            },
            "revocations_late_s": {"type": "integer"},
            "renewals_waiting": {
                "type": "integer",
                "description": "attestations due for renewal that something of ours holds up",
            },
            "renewals_end_at": {
                "type": "integer",
                "description": "operators only: when the first of them is cut off",
            },
            "log": maybe(
                record(
                    {"seq": {"type": "integer"}, "hash": BYTES32}, example={"seq": 7, "hash": _WORD}
                )
            ),
            "lists": {
                "type": "array",
                "description": "operators only",
                "items": {"type": "object"},
            },
            "chains": {
                "type": "array",
                "description": "operators only: how publishing revocations goes",
                "items": {"type": "object"},
            },
        },
        "required": ["status", "store"],
        "additionalProperties": False,
        "examples": [{"status": "ok", "store": "ok", "stale_lists": 0, "log": None}],
    },
    "Problem": record(
        {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": TEXT,
            "code": TEXT,
            "field": maybe(TEXT),
            "remedy": maybe(TEXT),
            "request_id": TEXT,
            "reasons": {"type": "array", "items": ref("Reason")},
        },
        optional=("reasons",),
        example={
            "type": "urn:kycgate:malformed",
            "title": "The request can't be read",
            "status": 400,
            "detail": "the value can't be used",
            "code": "malformed",
            "field": "days",
            "remedy": "give a whole number from 1 to 30",
            "request_id": "6f1ed002ab5595859014ebf0951522d9",
        },
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
            "as_of": _NOW,
        },
    ),
    # -- hand-off to a phone
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
            "account": _KEY,
            "operator": "Harbour GPU",
            "marketplace": "harbour",
            "match": "47",
            "expires_at": _NOW + 600,
        },
    ),
    "HandoffSession": record(
        {"account": TEXT, "scope": {"const": "hand-off"}, "expires_at": TIME},
        example={"account": _KEY, "scope": "hand-off", "expires_at": _NOW + 3600},
    ),
}
