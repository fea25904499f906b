"""The JSON documents of the API as JSON Schema 2020-12, each with an example, for the OpenAPI
description.

Validates nothing at run time: the door reads with `web.wire`; tests hold live answers against
these.
"""

from __future__ import annotations

from kycgate.web.api.schemas import cases, holdings, proofs, renting, signing
from kycgate.web.api.schemas.words import Schema, ref

__all__ = ["SCHEMAS", "Schema", "ref"]

SCHEMAS: dict[str, Schema] = {
    **signing.SCHEMAS,
    **cases.SCHEMAS,
    **proofs.SCHEMAS,
    **holdings.SCHEMAS,
    **renting.SCHEMAS,
}
"""By the name a description refers to them by."""
