"""Bodies that two readers read differently."""

from __future__ import annotations

import gzip
import zlib

from tests.attack.kit import DEPLOY, Attack, Kit

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
