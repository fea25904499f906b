"""The small pieces all schemas are made of, and the values their examples show.

Validates nothing: tests hold live answers against the schemas.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
SOME_ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SOME_ACCOUNT = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
SOME_WORD = "0x" + "5c" * 32
SOME_TIME = 1_795_000_000
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


REASON_EXAMPLE = {
    "code": "under_review",
    "text": "A person at the operator has to look at this first.",
}
MEANS = ["document", "provider", "credential"]
