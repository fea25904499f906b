"""Jobs, verdicts and permits, the attestation behind them, and how the service itself is.

Validates nothing: tests hold live answers against it.
"""

from __future__ import annotations

from kycgate.web.api.schemas.words import (
    ADDRESS,
    AMOUNT,
    BYTES32,
    REASON_EXAMPLE,
    SOME_ACCOUNT,
    SOME_ADDRESS,
    SOME_TIME,
    SOME_WORD,
    TEXT,
    Schema,
    line,
    maybe,
    record,
    ref,
)

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
_PERMIT_EXAMPLE = {
    "domain": {
        "name": "kycgate",
        "version": "1",
        "chainId": "31337",
        "verifyingContract": SOME_ADDRESS,
    },
    "permit": {
        "attestation": SOME_WORD,
        "epoch": "0",
        "renter": SOME_ADDRESS,
        "escrow": SOME_ADDRESS,
        "job": SOME_WORD,
        "terms": SOME_WORD,
        "policy": SOME_WORD,
        "maxValue": "1000000",
        "deadline": str(SOME_TIME + 600),
    },
    "terms": {"provider": SOME_ADDRESS, "token": SOME_ADDRESS, "request": SOME_WORD},
    "signature": "0x" + "1b" * 65,
}


SCHEMAS: dict[str, Schema] = {
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
                "account": SOME_ACCOUNT,
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
        example={
            **_JOB_EXAMPLE,
            "provider": SOME_ADDRESS,
            "token": SOME_ADDRESS,
            "max_value": "1000000",
        },
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
                "uid": SOME_WORD,
                "domain": {"name": "EAS Attestation", "version": "1.3.0", "chainId": "1"},
                "primaryType": "Attest",
                "message": {"version": 2, "recipient": SOME_ADDRESS, "time": str(SOME_TIME)},
                "types": {"Attest": []},
                "signature": {"v": 27, "r": SOME_WORD, "s": SOME_WORD},
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
                    {"seq": {"type": "integer"}, "hash": BYTES32},
                    example={"seq": 7, "hash": SOME_WORD},
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
    "Reason": record({"code": TEXT, "text": TEXT}, example=REASON_EXAMPLE),
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
}
