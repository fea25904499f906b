"""Uploads of identity documents: one picture a request, and the machine-readable zone as typed.

Decodes nothing and shows nothing again: the identity room draws pictures anew and seals them, and a
reviewer looks at them elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from kycgate.core.claims import Level
from kycgate.errors import Malformed
from kycgate.issuer.documenting import SIDES, Uploaded
from kycgate.issuer.images import UPLOAD_MOST
from kycgate.issuer.proven import Means
from kycgate.web.access import prover
from kycgate.web.api import cases
from kycgate.web.parts import Way, WebParts
from kycgate.web.wire import Answer, Call, Fields, read_fields, read_query

BODY_MOST = UPLOAD_MOST + 16 * 1024
"""Bytes: a picture, and what a form wraps round it."""
_PICTURES = ("image/jpeg", "image/png", "image/webp")
_PARTS_MOST = 4
_LINES_MOST = 3
_LINE_MOST = 60


def documents_way(*, live: bool) -> Way:
    """The way that is always there: a person looks."""
    title = "Pictures of a document, looked at by a person"
    return Way("documents", Means.DOCUMENT, Level.LOW, 10, live, title)


def upload(parts: WebParts, call: Call) -> Answer:
    """POST /v1/documents: a picture (as it is, or in a form), or JSON with the typed zone.

    Handing in gives the case to a reviewer.
    """
    who = prover(parts, call)
    media = (call.header("Content-Type") or "").split(";")[0].strip().lower()
    if media == "application/json":
        return _typed(parts, call)
    side, data = _picture(call, media)
    kept = parts.identity.add_picture(who.account, side, data, now=call.now)
    return Answer(201, {"document": _shown(kept)})


def list_documents(parts: WebParts, call: Call) -> Answer:
    """GET /v1/documents: what was uploaded for the open case. Never a picture."""
    who = prover(parts, call)
    read_query(call, ())
    return Answer(200, {"documents": [_shown(d) for d in parts.identity.documents(who.account)]})


def _typed(parts: WebParts, call: Call) -> Answer:
    who = prover(parts, call)
    fields = read_fields(call, ("mrz", "hand_in"))
    read_query(call, ())
    answer: dict[str, Any] = {"mrz": None, "case": None}
    if "mrz" in fields.values:
        typed = parts.identity.type_mrz(who.account, _lines(fields), now=call.now)
        zone = typed.mrz
        answer["mrz"] = {
            "format": zone.format,
            "expires_on": zone.expires_on,
            # Known at once, said at once: handed in, it would prove nothing.
            "expired": date.fromisoformat(zone.expires_on)
            < datetime.fromtimestamp(call.now, UTC).date(),
            "names_truncated": zone.names_truncated,
            "compared": typed.compared,
        }
    if fields.values.get("hand_in", False) is not False:
        if fields.values["hand_in"] is not True:
            raise Malformed("the value can't be used", field="hand_in", remedy="true or false")
        case = parts.identity.hand_in_documents(who.account, now=call.now)
        answer["case"] = cases.shown(parts, case, call.now)
    return Answer(200, answer)


def _lines(fields: Fields) -> list[str]:
    lines = fields.values["mrz"]
    fits = isinstance(lines, list) and len(lines) <= _LINES_MOST
    if not fits or not all(isinstance(each, str) and len(each) <= _LINE_MOST for each in lines):
        raise Malformed(
            "is no machine-readable zone", field="mrz", remedy="a list of its two or three lines"
        )
    return list(lines)


# -- the picture ---------------------------------------------------------------------------------


def _picture(call: Call, media: str) -> tuple[str, bytes]:
    if media in _PICTURES:
        side = read_query(call, ("side",)).choice("side", SIDES, default="front")
        return side, call.body
    if media == "multipart/form-data":
        read_query(call, ())
        form = _form(call)
        fields = Fields(form.texts)
        return fields.choice("side", SIDES, default="front"), form.picture
    raise Malformed(
        "unknown media type",
        field="Content-Type",
        remedy="send image/jpeg, image/png, image/webp, multipart/form-data or application/json",
    )


@dataclass(frozen=True, slots=True)
class _Form:
    texts: dict[str, str]
    picture: bytes


def _form(call: Call) -> _Form:
    """The form `side` (text) and `image` (a file): nothing else, each at most once."""
    named = _boundary(call.header("Content-Type") or "")
    decoder = MultipartDecoder(named, BODY_MOST, max_parts=_PARTS_MOST)
    found: dict[str, bytes] = {}
    current = ""
    try:
        decoder.receive_data(call.body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                current = _part(event, found)
                found[current] = b""
            elif isinstance(event, Data):
                found[current] += event.data
    except (ValueError, LookupError) as error:
        raise Malformed("is no form", field="body", remedy="send multipart/form-data") from error
    if "image" not in found:
        raise Malformed("the field is missing", field="image", remedy="add it, as a file")
    side = found.get("side", b"front")
    return _Form({"side": side[:40].decode("ascii", "replace")}, found["image"])


def _part(event: Field | File, found: dict[str, bytes]) -> str:
    wanted = "image" if isinstance(event, File) else "side"
    if event.name != wanted or wanted in found:
        raise Malformed(
            "unknown or repeated part", field="body", remedy="known: image (a file), side"
        )
    return wanted


def _boundary(header: str) -> bytes:
    for part in header.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "boundary" and 0 < len(value.strip('"')) <= 70 and value.isascii():
            return value.strip('"').encode()
    raise Malformed("names no boundary", field="Content-Type", remedy="boundary=…")


def _shown(kept: Uploaded) -> dict[str, Any]:
    return {
        "id": kept.id,
        "side": kept.side,
        "media": kept.media,
        "size": kept.size,
        "at": kept.at,
    }
