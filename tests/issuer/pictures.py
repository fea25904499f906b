"""Pictures as telephones and forgers make them."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo


@cache
def a_jpeg(width: int = 640, height: int = 400, colour: str = "steelblue") -> bytes:
    """A plain photograph."""
    return _saved(Image.new("RGB", (width, height), colour), "JPEG")


def a_telling_jpeg(text: bytes, *, orientation: int = 1) -> bytes:
    """A photograph whose metadata says where and by whom it was taken."""
    picture = Image.new("RGB", (640, 400), "steelblue")
    picture.paste("red", (0, 0, 320, 400))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x013B] = text.decode()  # Artist
    exif.get_ifd(0x8825)[1] = "N"  # GPSLatitudeRef
    return _saved(picture, "JPEG", exif=exif.tobytes(), comment=text, icc_profile=text)


def a_png(text: str = "", mode: str = "RGBA") -> bytes:
    """A screenshot, with a comment."""
    said = PngInfo()
    said.add_text("Comment", text)
    return _saved(Image.new(mode, (640, 400)), "PNG", pnginfo=said)


def a_webp(**more: Any) -> bytes:
    return _saved(Image.new("RGB", (640, 400), "olive"), "WEBP", **more)


def a_png_bomb(side: int) -> bytes:
    """A few bytes that claim to be `side` × `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _saved(picture: Image.Image, form: str, **more: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **more)
    return out.getvalue()
