"""The ways to prove who one is: documents, wallet credentials, providers, imported records.

Validates nothing: tests hold live answers against it.
"""

from __future__ import annotations

from kycgate.web.api.schemas.words import (
    BYTES32,
    MEANS,
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

_PRESENTATION_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_WAY_EXAMPLE = {
    "id": "credential",
    "means": "credential",
    "level": 3,
    "minutes": 1,
    "live": True,
    "title": "A credential in your wallet",
}
_SIDES = ["front", "back", "page", "selfie", "other"]
_DOCUMENT_EXAMPLE = {
    "id": "9f86d081884c7d659f86d081884c7d65",
    "side": "front",
    "media": "image/jpeg",
    "size": 812_345,
    "at": SOME_TIME,
}
_ZONE_EXAMPLE = {
    "format": "TD3",
    "expires_on": "2031-04-15",
    "expired": False,
    "names_truncated": False,
    "compared": {"name": "same", "birth_date": "same", "country": "same"},
}


SCHEMAS: dict[str, Schema] = {
    "Way": record(
        {
            "id": TEXT,
            "means": {"enum": MEANS},
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
                        "expired": {"type": "boolean"},
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
            "expires_at": SOME_TIME + 600,
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
        example={"id": "5c" * 16, "state": "waiting", "mode": "dc", "expires_at": SOME_TIME + 600},
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
            "expires_at": SOME_TIME + 86_400,
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
            "started_at": SOME_TIME,
            "expires_at": SOME_TIME + 604_800,
        },
    ),
    "Received": record({"received": {"const": True}}, example={"received": True}),
    "ImportRequest": record(
        {
            "uid": BYTES32,
            "attestation": {"type": "object", "description": "as the EAS SDK writes it, v2"},
        },
        optional=("uid", "attestation"),
        example={"uid": SOME_WORD},
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
                        "uid": SOME_WORD,
                        "schema": SOME_WORD,
                        "fresh": True,
                    },
                ),
            }
        },
        example={"records": []},
    ),
}
