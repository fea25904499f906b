"""Proofs bent, borrowed or in the wrong place; caches that would answer for another."""

from __future__ import annotations

from tests.attack.houses import secret_of
from tests.attack.kit import DEPLOY, HARDWARE, Attack
from tests.gateway.world import CAAS

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
