"""Where one request ends and the next begins, and what a line is turned into."""

from __future__ import annotations

from tests.attack.houses import secret_of
from tests.attack.kit import DEPLOY, HARDWARE, LIST, Attack, Bytes, Kit, chunked, head, inner
from tests.gateway.world import CAAS

# -- 4 framing -------------------------------------------------------------------------------------


def _smuggle(*fields: bytes, method: str = "GET", target: str = HARDWARE, tail: str = "0\r\n\r\n",
             ) -> Bytes:  # fmt: skip
    """The rent stands where one reader sees a body and another the next request."""

    def make(kit: Kit) -> bytes:
        hidden = tail.encode("latin-1") + inner(kit)
        length = b"Content-Length: %d" % len(hidden)
        said = [length if each == b"CL" else each for each in fields]
        return head(kit, method, target, *said) + hidden

    return make


_TE = b"Transfer-Encoding: "


def _chunks(odd: bytes) -> Bytes:
    """A chunked body that not everybody ends at the same place, and the rent behind it."""
    return lambda kit: head(kit, "POST", HARDWARE, _TE + b"chunked") + odd + inner(kit)


def _chunked_rent(kit: Kit, who: str, *fields: bytes) -> bytes:
    key = f"x-api-key: {secret_of(who)}".encode()
    own = (_TE + b"chunked", b"Connection: close", b"Content-Type: application/json", key)
    return head(kit, "POST", DEPLOY, *own, *fields)


SMUGGLING = [
    Attack("smuggling", name, make, reaches=1)
    for method in ("GET", "POST")
    for name, make in {
        f"CL.TE {method}": _smuggle(b"CL", _TE + b"chunked", method=method),
        f"TE.CL {method}": _smuggle(_TE + b"chunked", b"CL", method=method),
        f"TE.TE {method}": _smuggle(_TE + b"chunked", _TE + b"identity", b"CL", method=method),
        f"TE xchunked {method}": _smuggle(_TE + b"xchunked", b"CL", method=method),
        f"TE chunked, identity {method}": _smuggle(
            _TE + b"chunked, identity", b"CL", method=method),
        f"TE gzip, chunked {method}": _smuggle(_TE + b"gzip, chunked", b"CL", method=method),
        f"TE vertical tab {method}": _smuggle(_TE + b"\x0bchunked", b"CL", method=method),
        f"TE space before the colon {method}": _smuggle(
            b"Transfer-Encoding : chunked", b"CL", method=method),
        f"TE tab {method}": _smuggle(b"Transfer-Encoding:\tchunked", b"CL", method=method),
        f"TE folded {method}": _smuggle(b"Transfer-Encoding:\r\n chunked", b"CL", method=method),
        f"TE in capitals {method}": _smuggle(_TE + b"CHUNKED", b"CL", method=method),
        f"TE with an underscore {method}": _smuggle(
            b"Transfer_Encoding: chunked", b"CL", method=method),
        f"TE in quotes {method}": _smuggle(_TE + b'"chunked"', b"CL", method=method),
        f"two lengths {method}": _smuggle(b"Content-Length: 5", b"CL", method=method),
        f"length in a list {method}": _smuggle(b"Content-Length: 5, 5", method=method),
        f"length with a plus {method}": _smuggle(b"Content-Length: +5", method=method),
        f"length with an underscore {method}": _smuggle(b"Content-Length: 0_5", method=method),
        f"length in hex {method}": _smuggle(b"Content-Length: 0x5", method=method),
        f"negative length {method}": _smuggle(b"Content-Length: -1", method=method),
        f"length beyond 64 bits {method}": _smuggle(
            b"Content-Length: 18446744073709551616", method=method),
        f"length of nothing {method}": _smuggle(b"Content-Length: ", method=method),
        f"bare LF before TE {method}": _smuggle(
            b"X: y\nTransfer-Encoding: chunked", b"CL", method=method),
        f"bare CR before TE {method}": _smuggle(
            b"X: y\rTransfer-Encoding: chunked", b"CL", method=method),
        f"length nominated by Connection {method}": _smuggle(
            b"Connection: Content-Length", b"CL", method=method),
        f"Expect {method}": _smuggle(b"Expect: 100-continue", b"CL", method=method),
        f"odd Expect {method}": _smuggle(b"Expect: x 100-continue", b"CL", method=method),
    }.items()
] + [
    Attack("smuggling", name, _chunks(odd), reaches=1)
    for name, odd in {
        "chunk extension with a line feed": b"2;\nxx\r\n0\r\n\r\n",
        "chunk size with a sign": b"+0\r\n\r\n",
        "chunk size with 0x": b"0x0\r\n\r\n",
        "chunk size beyond 64 bits": b"10000000000000000\r\n",
        "chunk ended by a line feed": b"1\nx\n0\n\n",
        "chunk longer than it says": b"1\r\nxyz\r\n0\r\n\r\n",
    }.items()
] + [
    Attack("smuggling", "rent in chunks with an extension", lambda kit: _chunked_rent(kit, "bob")
        + b"%x;evil=%b\r\n%b\r\n0\r\n\r\n" % (len(kit.body()), b"a" * 40, kit.body())),
    Attack("smuggling", "trailer with an identity", lambda kit: _chunked_rent(
        kit, "alice", b"Trailer: Kycgate-Account")
        + chunked(kit.body())[:-2] + b"Kycgate-Account: evil\r\n\r\n", reaches=1),
    Attack("smuggling", "refused, then the next request on the line", lambda kit: kit.raw(
        "GET", LIST, close=False) + inner(kit)),
    Attack("smuggling", "body of a refused request is a request", lambda kit: kit.raw(
        "POST", "/nowhere", body=inner(kit), close=False)),
    Attack("smuggling", "body behind a read is a request", lambda kit: kit.raw(
        "GET", HARDWARE, body=inner(kit), close=False), reaches=1),
    Attack("smuggling", "body behind HEAD is a request", lambda kit: kit.raw(
        "HEAD", HARDWARE, body=inner(kit), close=False), reaches=1),
    Attack("smuggling", "HTTP/1.0 with chunks", lambda kit: kit.raw(
        "POST", HARDWARE, ("Transfer-Encoding", "chunked")).replace(b"HTTP/1.1", b"HTTP/1.0")
        + b"0\r\n\r\n" + inner(kit), reaches=1),
    Attack("smuggling", "HTTP/0.9", lambda kit: f"GET {LIST}\r\n\r\n".encode()),
    Attack("smuggling", "HTTP/2 preface", lambda kit:
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + inner(kit)),
    Attack("smuggling", "odd version", lambda kit: kit.rent("bob").replace(
        b"HTTP/1.1", b"HTTP/1.2")),
    Attack("smuggling", "line feeds alone", lambda kit: kit.rent("bob").replace(b"\r\n", b"\n")),
    Attack("smuggling", "blank line first", lambda kit: b"\r\n\r\n" + kit.rent("bob")),
    Attack("smuggling", "space before the first field", lambda kit: kit.rent("bob").replace(
        b"Host:", b" Host:")),
    Attack("smuggling", "less body than said", lambda kit: kit.rent("alice")[:-20]),
]  # fmt: skip

# -- 5 upgrades ------------------------------------------------------------------------------------

UPGRADES = [
    Attack("upgrade", f"{to} on {what}", lambda kit, to=to, t=target: kit.raw(  # type: ignore[misc]
        "GET", t, kit.key("alice"), ("Upgrade", to), ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), close=False), reaches=1)
    for to in ("h2c", "websocket", "WebSocket", "TLS/1.0", "foo", "h2c, websocket")
    for what, target in (("a read", HARDWARE), ("somebody's machine", f"{CAAS}/deployment/dep-9"))
]  # fmt: skip
