"""What the public registers say of an organisation, so that its form need not be typed.

Shows what anybody can look up; what a renter hands in is checked as if this had never been.
"""

from __future__ import annotations

from kycgate.errors import NotFound
from kycgate.issuer.prefill import document
from kycgate.screening.controls import load_countries
from kycgate.web.access import renter
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, argument, read_query


def look(parts: WebParts, call: Call) -> Answer:
    """GET /v1/register/{lei}. No entry, no register and no LEI look the same."""
    renter(parts, call)
    read_query(call, ())
    lei = argument(call, "lei", r"[A-Z0-9]{18}[0-9]{2}")
    known = None if parts.register is None else parts.register.look(lei, now=call.now)
    if known is None:
        raise NotFound("no register here has this identifier")
    return Answer(200, document(known, load_countries()))
