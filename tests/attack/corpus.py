"""One corpus of attacks on what stands before a marketplace, as bytes on the wire.

A row says who attacks by which trick; what must hold for each of them is in the test. Bytes that
carry `evil` must reach no marketplace in any field. Requests that rent are the attacker's own, with
a body nobody else sends: one that arrives without having been let through is known by it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.attack.houses import House, secret_of
from tests.gateway.world import CAAS, HOST, deploy

HARDWARE, DEPLOY, LIST = f"{CAAS}/hardware", f"{CAAS}/deploy", f"{CAAS}/deployments"
JSON = ("Content-Type", "application/json")
Field = tuple[str, str]


@dataclass(frozen=True)
class Kit:
    """What an attacker has at hand: two keys, a wallet, and a mark that is this attack's alone."""

    house: House
    mark: str

    def key(self, who: str) -> Field:
        return ("x-api-key", secret_of(who))

    def body(self, **changes: Any) -> bytes:
        return json.dumps(deploy() | {"resource_private_name": self.mark} | changes).encode()

    def raw(
        self,
        method: str,
        target: str | bytes,
        *fields: Field,
        body: bytes | None = None,
        host: str = HOST,
        close: bool = True,
    ) -> bytes:
        """A well-formed request, save for what the caller puts into it."""
        path = target if isinstance(target, bytes) else target.encode("latin-1")
        rows = [method.encode() + b" " + path + b" HTTP/1.1"]
        rows += [f"Host: {host}".encode()] if host else []
        rows += [b"Connection: close"] if close else []
        rows += [f"{name}: {value}".encode("latin-1") for name, value in fields]
        if body is not None:
            names = {name.lower() for name, _ in fields}
            rows.append(b"Content-Length: %d" % len(body))
            rows += [] if "content-type" in names else [b"Content-Type: application/json"]
        return b"\r\n".join(rows) + b"\r\n\r\n" + (body or b"")

    def rent(self, who: str | None, *fields: Field, body: bytes | None = None) -> bytes:
        own = () if who is None else (self.key(who),)
        said = self.body() if body is None else body
        return self.raw("POST", DEPLOY, *own, *fields, body=said)

    def read(self, *fields: Field, target: str = HARDWARE) -> bytes:
        return self.raw("GET", target, *fields)

    def signed(self, *, sent: bytes | None = None, path: str | None = None, host: str = HOST,
               **changes: Any) -> bytes:  # fmt: skip
        """A rent signed by alice's wallet; then `sent`, `path` or `host` in place of what she
        signed."""
        view = self.house.world.view("POST", DEPLOY, self.body())
        nonce = changes.pop("nonce", self.mark.ljust(12, "n"))
        alice = self.house.alice
        view = alice.signs(view, nonce=nonce, **changes)
        fields = [f for f in view.headers if f[0].lower() not in ("host", "content-length")]
        body = view.body if sent is None else sent
        return self.raw("POST", path or DEPLOY, *fields, body=body, host=host)


Bytes = Callable[[Kit], bytes]


@dataclass(frozen=True)
class Attack:
    """A trick. `reaches`: the most requests that may arrive, each of them let through by the gate;
    `at_least` where refusing it would be wrong too."""

    row: str
    name: str
    bytes: Bytes
    reaches: int = 0
    at_least: int = 0


def _chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def _head(kit: Kit, method: str, target: str, *fields: bytes) -> bytes:
    rows = [f"{method} {target} HTTP/1.1".encode(), f"Host: {HOST}".encode(), *fields]
    return b"\r\n".join(rows) + b"\r\n\r\n"


def _inner(kit: Kit) -> bytes:
    """What is smuggled: a rent that nobody is asked about."""
    return kit.rent("bob")


# -- 1 paths: bob may read the catalogue, so he dresses the rest up as it --------------------------

_PATHS = {
    "dots": f"{HARDWARE}/../deployments",
    "dots at the end": f"{LIST}/..",
    "encoded dots": f"{CAAS}/%2e%2e/caas/deployments",
    "one dot encoded": f"{CAAS}/.%2e/caas/deployments",
    "dots twice encoded": f"{CAAS}/%252e%252e/caas/deployments",
    "dots before a parameter": f"{CAAS}/hardware/..;/deployments",
    "single dot": f"{CAAS}/./deployments",
    "double slash": f"{CAAS}//deployments",
    "double slash first": f"/{LIST}",
    "many slashes": f"///{LIST}",
    "encoded slash": f"{CAAS}/hardware%2f..%2fdeployments",
    "encoded slash, capitals": f"{CAAS}%2Fdeployments",
    "backslash": f"{CAAS}\\deployments",
    "encoded backslash": f"{CAAS}%5cdeployments",
    "semicolon": f"{LIST};x=/hardware",
    "semicolon first": f"/;{LIST}",
    "mixed case": LIST.replace("deployments", "Deployments"),
    "upper case": LIST.upper(),
    "encoded letter": f"{CAAS}/%64eployments",
    "encoded letter twice": f"{CAAS}/%2564eployments",
    "overlong dot": f"{CAAS}/%c0%ae%c0%ae/deployments",
    "overlong slash": f"{CAAS}%c0%afdeployments",
    "fullwidth": f"{CAAS}/%ef%bc%8e%ef%bc%8e/deployments",
    "nul": f"{LIST}%00/hardware",
    "raw nul": f"{LIST}\x00",
    "line feed": f"{HARDWARE}%0d%0aX-Evil:%20evil",
    "bad escape": f"{LIST}%zz",
    "half an escape": f"{LIST}%2",
    "iis escape": f"{CAAS}/%u0064eployments",
    "fragment": f"{HARDWARE}#{LIST}",
    "encoded fragment": f"{LIST}%23/hardware",
    "encoded question mark": f"{LIST}%3f/hardware",
    "question of a public path": f"{LIST}?x={HARDWARE}",
    "trailing slash": f"{LIST}/",
    "trailing dot": f"{LIST}.",
    "trailing space": f"{LIST}%20",
    "tab": f"{LIST}\t",
    "space in the target": f"{LIST} x",
    "high byte": f"{CAAS}/\xff/deployments",
    "absolute, own host": f"http://{HOST}{LIST}",
    "absolute, other host": f"http://other.example{HARDWARE}",
    "absolute, with a user": f"http://evil@{HOST}{LIST}",
    "absolute, other scheme": f"ftp://{HOST}{LIST}",
    "no slash": LIST[1:],
    "star": "*",
    "authority form": f"{HOST}:443",
    "very long": f"{HARDWARE}?{'a' * 70_000}",
}


def _path(target: str, who: str) -> Bytes:
    return lambda kit: kit.read(kit.key(who), target=target)


PATHS = [
    Attack("paths", f"{name}, {who}", _path(target, who), reaches=1)
    for name, target in _PATHS.items()
    for who in ("alice", "bob")
]
RENTING_PATHS = [
    Attack(
        "paths",
        f"renting by {name}",
        lambda kit, target=target: kit.raw("POST", target, kit.key("bob"), body=kit.body()),  # type: ignore[misc]
    )
    for name, target in {
        "dots": f"{HARDWARE}/../deploy",
        "encoded dots": f"{HARDWARE}/%2e%2e/deploy",
        "double slash": f"{CAAS}//deploy",
        "encoded slash": f"{CAAS}%2fdeploy",
        "encoded letter": f"{CAAS}/deplo%79",
        "semicolon": f"{DEPLOY};x",
        "case": f"{CAAS}/DEPLOY",
        "trailing slash": f"{DEPLOY}/",
        "absolute form": f"http://{HOST}{DEPLOY}",
        "fragment": f"{DEPLOY}#",
        "query": f"{DEPLOY}?",
    }.items()
]

# -- 2 methods -------------------------------------------------------------------------------------

METHODS = [
    *(
        Attack(
            "methods",
            f"{name}: {value} on a read",
            lambda kit, f=(name, value): kit.read(f, kit.key("bob")),  # type: ignore[misc]
        )
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
        for value in ("POST", "DELETE")
    ),
    *(
        Attack("methods", f"{name} to a rent",
               lambda kit, f=(name, DEPLOY): kit.read(f, kit.key("bob")), reaches=1)  # type: ignore[misc]
        for name in ("X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Original-Method")
    ),
    *(
        Attack("methods", f"{method} where POST rents",
               lambda kit, m=method: kit.raw(m, DEPLOY, kit.key("bob"), body=kit.body()))  # type: ignore[misc]
        for method in ("post", "Post", "PUT", "PATCH", "TRACE", "PROPFIND", "MKCOL", "QUERY", "GET")
    ),
    Attack("methods", "CONNECT", lambda kit: kit.raw("CONNECT", "10.0.0.1:22")),
    Attack("methods", "HEAD of a rent", lambda kit: kit.raw("HEAD", DEPLOY, kit.key("bob"))),
    Attack("methods", "OPTIONS of a rent", lambda kit: kit.raw("OPTIONS", DEPLOY, kit.key("bob"))),
    Attack("methods", "POST as a query parameter", lambda kit: kit.read(
        kit.key("bob"), target=f"{DEPLOY}?_method=POST")),
]  # fmt: skip

# -- 3 field names ---------------------------------------------------------------------------------

_IDENTITY = (
    "Kycgate-Account", "kycgate-account", "KYCGATE-ACCOUNT", "Kycgate_Account", "Kycgate.Account",
    "Kycgate-Job", "Kycgate-Decision", "Kycgate-Assertion", "X-Kycgate-Account",
    "X_Kycgate_Account", "X.Kycgate.Account", "x_kycgate-account", "Kycgate-Anything",
    "Kycgate-Account ", "Kycgate-Account\x00",
)  # fmt: skip


def _forged(name: str, who: str | None) -> Bytes:
    own = (lambda kit: ()) if who is None else (lambda kit: (kit.key(who),))
    return lambda kit: kit.read(*own(kit), (name, "evil"))


FIELDS = [
    *(
        Attack("identity fields", f"{name!r} {'known' if who else 'unknown'}",
               _forged(name, who), reaches=1)
        for name in _IDENTITY
        for who in ("alice", None)
    ),
    *(
        Attack("identity fields", f"{name!r} with a rent",
               lambda kit, f=(name, "evil"): kit.rent("alice", f), reaches=1)  # type: ignore[misc]
        for name in _IDENTITY
    ),
    *(
        Attack("connection", f"Connection names {name}",
               lambda kit, n=name: kit.raw(  # type: ignore[misc]
                   "GET", HARDWARE, kit.key("alice"), ("Connection", f"close, {n}"), close=False),
               reaches=1)
        for name in ("Kycgate-Account", "kycgate-assertion", "x-api-key", "host", "authorization",
                     "Kycgate_Account", "content-length")
    ),
    Attack("two values", "two keys", lambda kit: kit.rent("bob", kit.key("alice"))),
    Attack("two values", "two keys, known first", lambda kit: kit.rent("alice", kit.key("bob"))),
    Attack("two values", "two keys in one field", lambda kit: kit.rent(
        None, ("x-api-key", f"{secret_of('alice')}, {secret_of('bob')}"))),
    Attack("two values", "key and bearer", lambda kit: kit.rent(
        "bob", ("Authorization", f"Bearer {secret_of('alice')}")), reaches=0),
    Attack("two values", "key with an underscore", lambda kit: kit.rent(
        "bob", ("x_api_key", secret_of("alice")))),
    Attack("two values", "two hosts", lambda kit: kit.rent("bob", ("Host", "evil.example"))),
    Attack("two values", "two content types", lambda kit: kit.rent(
        "alice", JSON, ("Content-Type", "text/plain"))),
    Attack("two values", "folded field", lambda kit: kit.rent(
        "bob", ("X-A", f"1\r\n x-api-key: {secret_of('alice')}"))),
    Attack("two values", "no host", lambda kit: kit.raw(
        "POST", DEPLOY, kit.key("bob"), body=kit.body(), host="")),
    Attack("two values", "carriage return in a value", lambda kit: kit.rent(
        "bob", ("X-A", f"1\rx-api-key: {secret_of('alice')}"))),
    Attack("two values", "nul in a value", lambda kit: kit.rent("bob", ("X-A", "a\x00evil"))),
    Attack("two values", "a thousand fields", lambda kit: kit.rent(
        "bob", *((f"X-{n}", "evil") for n in range(1000)))),
    Attack("two values", "a huge field", lambda kit: kit.rent("bob", ("X-A", "evil" * 50_000))),
]  # fmt: skip

_TOLD = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Uri",
         "X-Forwarded-Method", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Real-IP", "Forwarded",
         "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X_Forwarded_For")  # fmt: skip
FORWARDED = [
    Attack("forwarded", f"{name} with a read", lambda kit, f=(name, "evil"): kit.read(f), reaches=1)  # type: ignore[misc]
    for name in _TOLD
] + [
    Attack("forwarded", f"{name} names a public path",
           lambda kit, f=(name, HARDWARE): kit.raw("GET", LIST, kit.key("bob"), f), reaches=1)  # type: ignore[misc]
    for name in ("X-Forwarded-Uri", "X-Original-URI", "X-Original-URL", "X-Rewrite-URL")
]  # fmt: skip

# -- 4 framing -------------------------------------------------------------------------------------


def _smuggle(*fields: bytes, method: str = "GET", target: str = HARDWARE, tail: str = "0\r\n\r\n",
             ) -> Bytes:  # fmt: skip
    """The rent stands where one reader sees a body and another the next request."""

    def make(kit: Kit) -> bytes:
        inner = tail.encode("latin-1") + _inner(kit)
        length = b"Content-Length: %d" % len(inner)
        said = [length if each == b"CL" else each for each in fields]
        return _head(kit, method, target, *said) + inner

    return make


_TE = b"Transfer-Encoding: "


def _chunks(odd: bytes) -> Bytes:
    """A chunked body that not everybody ends at the same place, and the rent behind it."""
    return lambda kit: _head(kit, "POST", HARDWARE, _TE + b"chunked") + odd + _inner(kit)


def _chunked_rent(kit: Kit, who: str, *fields: bytes) -> bytes:
    key = f"x-api-key: {secret_of(who)}".encode()
    own = (_TE + b"chunked", b"Connection: close", b"Content-Type: application/json", key)
    return _head(kit, "POST", DEPLOY, *own, *fields)


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
        + _chunked(kit.body())[:-2] + b"Kycgate-Account: evil\r\n\r\n", reaches=1),
    Attack("smuggling", "refused, then the next request on the line", lambda kit: kit.raw(
        "GET", LIST, close=False) + _inner(kit)),
    Attack("smuggling", "body of a refused request is a request", lambda kit: kit.raw(
        "POST", "/nowhere", body=_inner(kit), close=False)),
    Attack("smuggling", "body behind a read is a request", lambda kit: kit.raw(
        "GET", HARDWARE, body=_inner(kit), close=False), reaches=1),
    Attack("smuggling", "body behind HEAD is a request", lambda kit: kit.raw(
        "HEAD", HARDWARE, body=_inner(kit), close=False), reaches=1),
    Attack("smuggling", "HTTP/1.0 with chunks", lambda kit: kit.raw(
        "POST", HARDWARE, ("Transfer-Encoding", "chunked")).replace(b"HTTP/1.1", b"HTTP/1.0")
        + b"0\r\n\r\n" + _inner(kit), reaches=1),
    Attack("smuggling", "HTTP/0.9", lambda kit: f"GET {LIST}\r\n\r\n".encode()),
    Attack("smuggling", "HTTP/2 preface", lambda kit:
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _inner(kit)),
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

# -- 6 bodies --------------------------------------------------------------------------------------


def _doubled(kit: Kit) -> bytes:
    return kit.body()[:-1] + b', "hardware_id": 7}'


BODIES = [
    Attack("body", name, make)
    for name, make in {
        "a key twice": lambda kit: kit.rent("alice", body=_doubled(kit)),
        "a key twice, escaped": lambda kit: kit.rent(
            "alice", body=kit.body()[:-1] + b', "hardware\\u005fid": 7}'),
        "a key twice, deeper": lambda kit: kit.rent("alice", body=kit.body().replace(
            b'"replica_count": 1', b'"replica_count": 1, "replica_count": 99')),
        "byte order mark": lambda kit: kit.rent("alice", body=b"\xef\xbb\xbf" + kit.body()),
        "UTF-16": lambda kit: kit.rent(
            "alice", ("Content-Type", "application/json; charset=utf-16"),
            body=kit.body().decode().encode("utf-16")),
        "UTF-16 without saying so": lambda kit: kit.rent(
            "alice", body=kit.body().decode().encode("utf-16-le")),
        "UTF-7": lambda kit: kit.rent("alice", ("Content-Type", "application/json; charset=utf-7")),
        "bad UTF-8": lambda kit: kit.rent("alice", body=kit.body().replace(b"nginx", b"\xff\xfe")),
        "text": lambda kit: kit.rent("alice", ("Content-Type", "text/plain")),
        "a form": lambda kit: kit.rent(
            "alice", ("Content-Type", "application/x-www-form-urlencoded"),
            body=b"hardware_id=203&gpus_per_container=8"),
        "multipart": lambda kit: kit.rent(
            "alice", ("Content-Type", "multipart/form-data; boundary=x"),
            body=b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + kit.body()
            + b"\r\n--x--\r\n"),
        "media type with a comma": lambda kit: kit.rent(
            "alice", ("Content-Type", "application/json, text/plain")),
        "no media type": lambda kit: kit.raw(
            "POST", DEPLOY, kit.key("alice"), ("Content-Type", ""), body=kit.body()),
        "two documents": lambda kit: kit.rent("alice", body=kit.body() * 2),
        "a list of jobs": lambda kit: kit.rent("alice", body=b"[" + kit.body() + b"]"),
        "NaN": lambda kit: kit.rent("alice", body=kit.body().replace(b"24", b"NaN")),
        "a number as text": lambda kit: kit.rent("alice", body=kit.body(gpus_per_container="8")),
        "a fraction": lambda kit: kit.rent("alice", body=kit.body().replace(b": 8,", b": 8.0,")),
        "an exponent": lambda kit: kit.rent("alice", body=kit.body().replace(b": 8,", b": 8e0,")),
        "a huge number": lambda kit: kit.rent("alice", body=kit.body(gpus_per_container=10**400)),
        "deep": lambda kit: kit.rent("alice", body=b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        "an unknown member": lambda kit: kit.rent("alice", body=kit.body(count=99)),
        "no body": lambda kit: kit.raw("POST", DEPLOY, kit.key("alice")),
        "a comment": lambda kit: kit.rent("alice", body=kit.body()[:-1] + b"/* evil */}"),
        "a trailing comma": lambda kit: kit.rent("alice", body=kit.body()[:-1] + b",}"),
        "gzip": lambda kit: kit.rent(
            "alice", ("Content-Encoding", "gzip"), body=gzip.compress(kit.body())),
        "deflate": lambda kit: kit.rent(
            "alice", ("Content-Encoding", "deflate"), body=zlib.compress(kit.body())),
        "coding unsaid": lambda kit: kit.rent("alice", body=gzip.compress(kit.body())),
        "two codings": lambda kit: kit.rent("alice", ("Content-Encoding", "gzip, identity")),
        "megabytes": lambda kit: kit.rent("alice", body=b'{"a":"' + b"a" * 3_000_000 + b'"}'),
    }.items()
]  # fmt: skip

# -- 7 proofs --------------------------------------------------------------------------------------

PROOFS = [
    Attack("proof", "signed as sent", lambda kit: kit.signed(), reaches=1, at_least=1),
    Attack("proof", "another body under the signature", lambda kit: kit.signed(
        sent=kit.body(gpus_per_container=4))),
    Attack("proof", "no body under the signature", lambda kit: kit.signed(sent=b"")),
    Attack("proof", "another path", lambda kit: kit.signed(path=f"{CAAS}/deployment/dep-1/extend")),
    Attack("proof", "a query added", lambda kit: kit.signed(path=f"{DEPLOY}?x=1")),
    Attack("proof", "another host", lambda kit: kit.signed(host="other.example")),
    Attack("proof", "from the future", lambda kit: kit.signed(
        created=kit.house.world.now + 300, expires=kit.house.world.now + 360)),
    Attack("proof", "from the past", lambda kit: kit.signed(
        created=kit.house.world.now - 300, expires=kit.house.world.now - 240)),
    Attack("proof", "old, said to live long", lambda kit: kit.signed(
        created=kit.house.world.now - 300, expires=kit.house.world.now + 3600)),
    Attack("proof", "a key beside the signature", lambda kit: kit.signed().replace(
        b"Connection: close", b"Connection: close\r\nx-api-key: " + secret_of("bob").encode())),
    Attack("proof", "signature cut", lambda kit: kit.signed().replace(b"eth=:", b"eth=:AA")),
    Attack("proof", "two signatures", lambda kit: kit.signed().replace(
        b"Connection: close", b"Connection: close\r\nSignature: eth=:AAAA:")),
    *(
        Attack("proof", f"key {name}", lambda kit, s=secret: kit.rent(None, ("x-api-key", s)))  # type: ignore[misc]
        for name, secret in {
            "of nobody": "kg_" + "0" * 64,
            "in capitals": secret_of("alice").upper(),
            "with a space": secret_of("alice") + " ",
            "cut": secret_of("alice")[:-1],
            "longer": secret_of("alice") + "0",
            "without its prefix": secret_of("alice")[3:],
            "of the operator": "operator-upstream-key",
            "empty": "",
            "huge": "kg_" + "a" * 20_000,
            "with a quote": "kg_' OR 1=1 --" + "a" * 40,
            "in another alphabet": "kg_\xe9" + "a" * 63,
        }.items()
        if name != "with a space"  # white space round a value is no part of it (RFC 9110, 5.5)
    ),
]  # fmt: skip

# -- 8 caches, ranges, addresses -------------------------------------------------------------------

CACHES = [
    Attack("cache", name, lambda kit, f=fields: kit.read(kit.key("alice"), *f), reaches=1)  # type: ignore[misc]
    for name, fields in {
        "Range": (("Range", "bytes=0-0, 5-9"),),
        "If-Range": (("Range", "bytes=0-9"), ("If-Range", '"evil-tag"'.replace("evil", "x"))),
        "not modified": (("If-None-Match", "*"),),
        "only if cached": (("Cache-Control", "only-if-cached"),),
        "forged Vary key": (("X-Forwarded-Host", "evil.example"),),
    }.items()
] + [
    Attack("cache", "a style sheet's name", lambda kit: kit.read(
        kit.key("bob"), target=f"{CAAS}/deployments/x.css")),
    *(
        Attack("key in the address", f"{name}",
               lambda kit, n=name: kit.read(target=f"{HARDWARE}?{n}={secret_of('alice')}"))  # type: ignore[misc]
        for name in ("api_key", "api-key", "apikey", "x-api-key", "access_token", "API_KEY",
                     "api%5fkey", "api%5Fkey", "x=1;api_key")
    ),
]  # fmt: skip

CORPUS: tuple[Attack, ...] = (
    *PATHS, *RENTING_PATHS, *METHODS, *FIELDS, *FORWARDED, *SMUGGLING, *UPGRADES, *BODIES, *PROOFS,
    *CACHES,
)  # fmt: skip
