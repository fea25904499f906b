"""Names and values of fields: what is only the gate's to say."""

from __future__ import annotations

from tests.attack.houses import secret_of
from tests.attack.kit import DEPLOY, HARDWARE, JSON, LIST, Attack, Bytes

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
