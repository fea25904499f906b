"""The protocol page and the code say the same constants."""

from __future__ import annotations

import re

import pytest

from kycgate.core import assertion, claims, eas, permit, trust, typed
from kycgate.core.proof import siwe
from tests.tools import REPO

PAGE = re.sub(r"\s+", " ", (REPO / "docs" / "PROTOCOL.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "constant",
    [
        "0x" + typed.DOMAIN_TYPEHASH.hex(),
        "0x" + eas.ATTEST_TYPEHASH.hex(),
        "0x" + permit.PERMIT_TYPEHASH.hex(),
        "0x" + permit.TERMS_TYPEHASH.hex(),
        "0x" + claims.SCHEMA_UID.hex(),
        claims.SCHEMA_TEXT,
        f"{eas.LIMIT:,} bytes",
        f"{trust.LIMIT:,} bytes",
        f"{permit.LIMIT:,} bytes",
        f"{siwe.MESSAGE_MOST:,} characters",
        f"now + {permit.DEADLINE_MOST_S}",
        f"{assertion.LIMIT:,} characters",
        f"`iat` + {assertion.LIFE_S}",
        f"`iat` ≤ now + {assertion.SKEW_S}",
        assertion.JWKS_PATH,
        trust._HEADLINE.decode().strip(),
    ],
)
def test_constant_stands_on_the_page(constant: str) -> None:
    assert constant in PAGE
