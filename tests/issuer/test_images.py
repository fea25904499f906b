"""Whatever is uploaded, what is kept is a plain picture of our own."""

from __future__ import annotations

import io
import struct
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kycgate.errors import Malformed, TooLarge
from kycgate.issuer.images import UPLOAD_MOST, redraw
from tests.issuer.pictures import a_jpeg, a_png, a_png_bomb, a_telling_jpeg, a_webp


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=("JPEG",))


@pytest.mark.parametrize(
    ("sent", "sent_as"),
    [
        (a_jpeg(), "image/jpeg"),
        (a_png(), "image/png"),
        (a_png(mode="P"), "image/png"),
        (a_png(mode="I;16"), "image/png"),
        (a_webp(), "image/webp"),
        (a_webp(lossless=True), "image/webp"),
    ],
)
def test_a_picture_is_drawn_anew_as_a_jpeg(sent: bytes, sent_as: str) -> None:
    picture = redraw(sent)
    assert (picture.width, picture.height, picture.sent_as) == (640, 400, sent_as)
    assert opened(picture.data).size == (640, 400)


def test_where_and_by_whom_a_picture_was_taken_is_gone() -> None:
    secret = b"Perpetua Quillon 48.85N"
    sent = a_telling_jpeg(secret)
    assert secret in sent
    kept = redraw(sent).data
    assert secret not in kept
    assert dict(opened(kept).getexif()) == {}
    assert not {"exif", "comment", "icc_profile"} & opened(kept).info.keys()
    assert b"Quillon" not in redraw(a_png("Perpetua Quillon")).data


def test_a_picture_taken_sideways_stands_upright() -> None:
    picture = redraw(a_telling_jpeg(b"x", orientation=6))
    assert (picture.width, picture.height) == (400, 640)


def test_what_hangs_behind_a_picture_is_gone() -> None:
    for sent in (a_jpeg(), a_png(), a_webp()):
        assert b"hidden" not in redraw(sent + b"hidden" * 2000).data


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"%PDF-1.7\n" + b"x" * 4000,
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a" + a_jpeg(),
        b"BM" + b"\0" * 4000,
        b"II*\0" + b"\0" * 4000,
        b"\xff\xd8\xff\xe0" + b"<svg onload=alert(1)>" + a_jpeg()[4:],
        a_jpeg()[:20] + b"<script >" + a_jpeg()[20:],
        a_jpeg() + b"%PDF-1.7 trailing",
        a_jpeg() + b"PK\x05\x06" + b"\0" * 18,
        a_png("<html >"),
        a_jpeg()[:300],
        a_png()[:200],
        a_webp()[:40],
        b"RIFF\x04\0\0\0WEBP",
        b"\xff\xd8\xff" + b"\0" * 5000,
        a_png()[:16] + struct.pack(">II", 0, 0) + a_png()[24:],
        a_jpeg(150, 150),
        a_webp(save_all=True, append_images=[Image.new("RGB", (640, 400), "red")]),
    ],
    ids=lambda sent: f"{bytes(sent[:12])!r}-{len(sent)}",
)
def test_polyglots_scripts_and_broken_pictures_are_refused(sent: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        redraw(sent)
    assert refused.value.field == "image"
    assert refused.value.remedy


@pytest.mark.parametrize("side", [5_000, 12_000, 20_000, 65_000])
def test_a_bomb_is_refused_before_a_pixel_is_decoded(side: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on it, too
        with pytest.raises((TooLarge, Malformed)):
            redraw(a_png_bomb(side))


def test_an_upload_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge):
        redraw(a_jpeg() + b"\0" * UPLOAD_MOST)


def test_a_large_photograph_is_kept_smaller() -> None:
    picture = redraw(a_jpeg(6000, 4000))
    assert (picture.width, picture.height) == (3000, 2000)


@given(st.binary(max_size=400), st.integers(0, 600))
def test_whatever_is_sent_is_drawn_or_refused(noise: bytes, at: int) -> None:
    for whole in (a_jpeg(), a_png()):
        try:
            redraw(whole[:at] + noise + whole[at + len(noise) :])
        except Malformed:
            continue
