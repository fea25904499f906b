"""Makes a harmless picture of whatever was uploaded: looked at by content, decoded, drawn anew.

Judges no document. What leaves here is a plain JPEG of our own making: no metadata, no place where
the picture was taken, no second file hidden before, behind or inside the first.
"""

from __future__ import annotations

import io
import re
import threading
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from kycgate.errors import Malformed, TooLarge

MEDIA: Final = "image/jpeg"
"""What every picture is kept as."""
UPLOAD_MOST: Final = 8 * 1024 * 1024
"""Bytes of one upload."""
_PIXELS_MOST: Final = {"JPEG": 64_000_000, "PNG": 24_000_000, "WEBP": 24_000_000}
"""A telephone's JPEG is decoded at a fraction of its size; the others must be decoded whole."""
_SIDE_MOST: Final = 3_000
"""Pixels: small print of an identity card stays readable."""
_SIDE_LEAST: Final = 200
_QUALITY: Final = 88
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""Decoding takes memory: so many pictures at a time, however many are sent."""

# What browsers and readers would take for something other than a picture: they look at the first
# kilobyte, archives and PDF at the end too.
_ELSE: Final = re.compile(
    rb"%PDF-|<(?:!doctype|html|head|body|script|svg|iframe|\?xml|\?php)[\s>]|PK\x05\x06",
    re.IGNORECASE,
)
_LOOKED_AT: Final = 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of ours. `data` is a JPEG without metadata; `sent_as` what it was drawn from."""

    data: bytes
    width: int
    height: int
    sent_as: str


def redraw(data: bytes) -> Picture:
    """A JPEG of our own from an uploaded JPEG, PNG or WebP.

    Raises TooLarge beyond UPLOAD_MOST or what can be decoded safely, Malformed for anything that is
    no such picture, or is one and something else at the same time.
    """
    if len(data) > UPLOAD_MOST:
        raise TooLarge("is too large", field="image", remedy=f"at most {UPLOAD_MOST} bytes")
    form = _sniff(data)
    if _ELSE.search(data[:_LOOKED_AT]) or _ELSE.search(data[-_LOOKED_AT:]):
        raise Malformed(
            "is a picture and something else at once",
            field="image",
            remedy="take a photograph, or save the picture anew",
        )
    with _AT_ONCE:
        return _redrawn(data, form)


def _sniff(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise Malformed(
        "is no picture that is taken here",
        field="image",
        remedy="a JPEG, PNG or WebP picture; of a PDF, a photograph or a screenshot",
    )


def _redrawn(data: bytes, form: str) -> Picture:
    try:
        with Image.open(io.BytesIO(data), formats=(form,)) as opened:
            _require_bounds(opened, form)
            opened.draft("RGB", (_SIDE_MOST, _SIDE_MOST))
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((_SIDE_MOST, _SIDE_MOST))
            drawn = _on_white(upright)
            out = io.BytesIO()
            drawn.save(out, "JPEG", quality=_QUALITY)
    except Malformed:
        raise
    except Exception as error:
        # A door: decoders fail on forged input in many ways, and each means the same.
        raise Malformed(
            "can't be decoded", field="image", remedy="take the picture again"
        ) from error
    return Picture(out.getvalue(), drawn.width, drawn.height, Image.MIME[form])


def _require_bounds(opened: Image.Image, form: str) -> None:
    """Before a pixel is decoded: only the header has been read."""
    width, height = opened.size
    if width * height > _PIXELS_MOST[form]:
        raise TooLarge("has too many pixels", field="image", remedy="a smaller picture")
    if min(width, height) < _SIDE_LEAST:
        raise Malformed(
            "is too small to be read", field="image", remedy=f"{_SIDE_LEAST} pixels at least"
        )
    if getattr(opened, "n_frames", 1) != 1:
        raise Malformed("moves", field="image", remedy="send a still picture")


def _on_white(picture: Image.Image) -> Image.Image:
    """The pixels alone, on a sheet of our own: nothing else of the file comes along."""
    sheet = Image.new("RGB", picture.size, "white")
    if "A" in picture.getbands() or "transparency" in picture.info:
        alpha = picture.convert("RGBA")
        sheet.paste(alpha, mask=alpha.getchannel("A"))
    else:
        sheet.paste(picture.convert("RGB"))
    return sheet
