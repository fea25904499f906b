"""Writes the vectors of this folder, byte for byte the same each time.

    python -m tests.vectors.generate

Every signature is deterministic (RFC 6979) and every moment fixed; a test runs this and compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kycgate.core.attestation import Domain, SignedAttestation
from kycgate.core.claims import SCHEMA_UID, ZERO_ADDRESS, Digest, checksum
from kycgate.core.permit import PermitDomain, SignedPermit
from kycgate.core.proof import HttpRequest, Profile, SiweMessage, sign_request
from kycgate.core.proof.siwe import rfc3339
from kycgate.core.typed import personal_digest
from tests.core import world

HERE = Path(__file__).resolve().parent
Vector = dict[str, Any]


def text(content: bytes) -> str:
    return "0x" + content.hex()


def vector(name: str, given: Any, reason: str | None, context: Any, now: int = world.NOW) -> Vector:
    return {
        "name": name,
        "input": given,
        "now": now,
        "context": context,
        "expected": "valid" if reason is None else "invalid",
        "reason": reason,
    }


# -- attestations --------------------------------------------------------------------------------
def attestation_context(**changes: Any) -> dict[str, Any]:
    issuer = world.TRUSTED
    return {
        "schema": text(SCHEMA_UID),
        "recipient": checksum(world.RENTER.address),
        "trust_expires_at": world.TRUST.expires_at,
        "issuers": [
            {
                "address": checksum(issuer.address),
                "domain_version": issuer.domain_version,
                "chain_id": issuer.chain_id,
                "eas": checksum(issuer.eas),
                "not_before": issuer.not_before,
                "not_after": issuer.not_after,
            }
        ],
        "revoked": {"issuers": [], "epochs": [], "uids": []},
    } | changes


def attestations() -> Iterator[Vector]:
    good = world.signed()
    yield vector("valid", good.to_wire().decode(), None, attestation_context())
    yield vector(
        "valid in a package with its signer",
        f'{{"sig":{good.to_wire().decode()},"signer":"{checksum(world.ISSUER.address)}"}}',
        None,
        attestation_context(),
    )
    yield vector(
        "valid in its first second",
        good.to_wire().decode(),
        None,
        attestation_context(),
        good.attestation.time,
    )
    yield from _other_statements()
    yield from _other_contexts(good)
    yield from _other_signatures(good)
    yield from _other_texts(good.to_wire().decode())


def _other_statements() -> Iterator[Vector]:
    said = world.SAID
    hour_padding = bytearray(said.data)
    hour_padding[40] = 1
    for name, changes, reason in (
        ("version 1", {"version": 1}, "version_unsupported"),
        ("another schema", {"schema": Digest(bytes(32))}, "schema_mismatch"),
        ("another recipient", {"recipient": world.STRANGER.address}, "recipient_mismatch"),
        ("about the zero address", {"recipient": ZERO_ADDRESS}, "recipient_mismatch"),
        ("irrevocable", {"revocable": False}, "not_revocable"),
        ("refers to another", {"ref_uid": Digest(b"\1" * 32)}, "ref_uid_set"),
        ("never expires", {"expiration_time": 0}, "life_too_long"),
        ("lives a second too long", {"expiration_time": said.time + 86401}, "life_too_long"),
        ("future-dated", {"time": world.NOW + 1}, "not_yet_valid"),
        ("expired this second", {"expiration_time": world.NOW}, "expired"),
        ("ends before it begins", {"expiration_time": said.time - 1}, "expired"),
        ("claims cut short", {"data": said.data[:-1]}, "data_malformed"),
        ("claims with a byte more", {"data": said.data + b"\0"}, "data_malformed"),
        ("claims with dirty padding", {"data": bytes(hour_padding)}, "data_malformed"),
        ("no claims", {"data": b""}, "data_malformed"),
    ):
        wire = world.altered(**changes).to_wire().decode()
        yield vector(name, wire, reason, attestation_context())
    for place, value, name in ((63, 3, "kind 3"), (63, 0, "kind 0"), (95, 4, "level 4")):
        data = bytearray(said.data)
        data[place] = value
        wire = world.altered(data=bytes(data)).to_wire().decode()
        yield vector(name, wire, "data_malformed", attestation_context())


def _other_contexts(good: SignedAttestation) -> Iterator[Vector]:
    wire = good.to_wire().decode()
    issuer = attestation_context()["issuers"][0]

    def window(**changes: Any) -> dict[str, Any]:
        return attestation_context(issuers=[issuer | changes])

    def revoked(**changes: Any) -> dict[str, Any]:
        return attestation_context(revoked={"issuers": [], "epochs": [], "uids": []} | changes)

    yield vector("nobody trusted", wire, "issuer_unknown", attestation_context(issuers=[]))
    yield vector(
        "trust list expired", wire, "trust_expired", attestation_context(trust_expires_at=world.NOW)
    )
    for name, changes in (
        ("issuer pinned to another chain", {"chain_id": 2}),
        ("issuer pinned to another contract", {"eas": checksum(world.ESCROW)}),
        ("issuer pinned to another version", {"domain_version": "1.3.0"}),
    ):
        yield vector(name, wire, "domain_mismatch", window(**changes))
    for name, changes in (
        ("signed before the issuer's window", {"not_before": good.attestation.time + 1}),
        ("read after the issuer's window", {"not_after": world.NOW - 1}),
    ):
        yield vector(name, wire, "issuer_window", window(**changes))
    two = [issuer | {"not_after": world.NOW - 30}, issuer | {"not_before": world.NOW - 30}]
    yield vector(
        "two windows, neither holds both moments",
        wire,
        "issuer_window",
        attestation_context(issuers=two),
    )
    account = checksum(world.RENTER.address)
    yield vector("issuer revoked", wire, "revoked_issuer", revoked(issuers=[issuer["address"]]))
    yield vector("epoch revoked", wire, "revoked_epoch", revoked(epochs=[[account, 3]]))
    yield vector("earlier epoch revoked", wire, None, revoked(epochs=[[account, 2]]))
    yield vector("attestation revoked", wire, "revoked_attestation", revoked(uids=[text(good.uid)]))


def _other_signatures(good: SignedAttestation) -> Iterator[Vector]:
    signature = good.signature
    foreign = world.signed(key=world.STRANGER)
    yield vector(
        "signed by a stranger", foreign.to_wire().decode(), "issuer_unknown", attestation_context()
    )
    yield vector(
        "a stranger's, naming the issuer",
        f'{{"sig":{foreign.to_wire().decode()},"signer":"{checksum(world.ISSUER.address)}"}}',
        "signature_invalid",
        attestation_context(),
    )
    for name, other in (
        ("high s", world.high_s(signature)),
        ("v 0", signature[:64] + b"\0"),
        ("v 1", signature[:64] + b"\1"),
        ("v 29", signature[:64] + b"\x1d"),
        ("r 0", bytes(32) + signature[32:]),
        ("s 0", signature[:32] + bytes(32) + signature[64:]),
        ("r of the group order", bytes.fromhex("ff" * 32) + signature[32:]),
    ):
        wire = replace(good, signature=other).to_wire().decode()
        yield vector(name, wire, "signature_invalid", attestation_context())
    flipped = replace(good, signature=signature[:64] + bytes([55 - signature[64]]))
    yield vector("the other v", flipped.to_wire().decode(), "issuer_unknown", attestation_context())
    for name, domain in (
        ("relabelled for another chain", Domain("1.4.0", 2, world.EAS)),
        ("relabelled for another contract", Domain("1.4.0", 1, world.ESCROW)),
    ):
        wire = replace(good, domain=domain).to_wire().decode()
        yield vector(name, wire, "issuer_unknown", attestation_context())
    other_uid = replace(good, uid=Digest(bytes.fromhex("ab" * 32)))
    yield vector("another uid", other_uid.to_wire().decode(), "uid_mismatch", attestation_context())


def _other_texts(good: str) -> Iterator[Vector]:
    upper = world.signed().attestation.schema.hex()
    for name, wire in (
        ("duplicate key", good.replace('"version":2', '"version":2,"version":2', 1)),
        ("duplicate key, nested", good.replace('"revocable"', '"revocable":false,"revocable"')),
        ("duplicate key, in the types", good.replace('{"name":', '{"name":"x","name":', 1)),
        ("unknown field", good.replace('{"version"', '{"note":1,"version"', 1)),
        ("unknown field, nested", good.replace('"revocable"', '"nonce":"0","revocable"')),
        ("missing field", good.replace('"revocable":true,', "")),
        ("trailing bytes", good + "x"),
        ("two documents", good + good),
        ("trailing byte in s", good.replace('"}}', '00"}}')),
        ("white space in hex", good.replace('"r":"0x', '"r":"0x ', 1)),
        ("white space in place of digits", _blanked(good, '"salt":"0x')),
        ("white space in place of data", " " + _blanked(good, '"data":"0x')),
        ("hex without prefix", good.replace('"uid":"0x', '"uid":"', 1)),
        ("schema in upper case", good.replace(upper, upper.upper())),
        ("wrong checksum", good.replace(checksum(world.RENTER.address), _swapped())),
        ("revocable as a number", good.replace('"revocable":true', '"revocable":1')),
        ("time as a float", good.replace(f'"time":"{world.SAID.time}"', '"time":1.8e9')),
        ("time with a leading zero", good.replace('"time":"', '"time":"0')),
        ("time with a zero in place of its first digit", good.replace('"time":"1', '"time":"0')),
        ("time beyond 64 bits", good.replace('"time":"', '"time":"99999999999')),
        ("v as text", good.replace('"v":2', '"v":"2')),
        ("not the EAS domain", good.replace("EAS Attestation", "EAS Attestatiom")),
        ("another primary type", good.replace('"Attest",', '"Attestation",')),
        ("another type list", good.replace('"uint16"', '"uint32"')),
        ("an array", f"[{good}]"),
        ("a number that is none", good.replace('"v":2', '"v":NaN,"w":2')),
        ("empty", ""),
        ("nested too deep", "[" * 9000),
    ):
        yield vector(name, wire, "malformed", attestation_context())
    yield vector("too long", good + " " * 20000, "too_large", attestation_context())


def _blanked(document: str, before: str) -> str:
    """The document with the two digits after `before` blanked, of the same length."""
    place = document.index(before) + len(before)
    return document[:place] + "  " + document[place + 2 :]


def _swapped() -> str:
    return "0x" + checksum(world.RENTER.address)[2:].swapcase()


# -- permits -------------------------------------------------------------------------------------
def permit_context(**changes: Any) -> dict[str, Any]:
    return {
        "chain_id": 1,
        "contract": checksum(world.PERMIT_DOMAIN.contract),
        "escrow": checksum(world.ESCROW),
        "renter": checksum(world.RENTER.address),
        "job": text(world.JOB),
        "provider": checksum(world.PROVIDER),
        "token": checksum(world.TOKEN),
        "request": text(world.REQUEST),
        "value": str(10**21),
        "signers": [
            {
                "address": checksum(world.PERMIT_KEY.address),
                "not_before": world.NOW - 86400,
                "not_after": None,
            }
        ],
    } | changes


def permits() -> Iterator[Vector]:
    good = world.permit()
    wire = good.to_wire().decode()
    stranger = checksum(world.STRANGER.address)
    yield vector("valid", wire, None, permit_context())
    yield vector("valid in its last second", wire, None, permit_context(), world.PERMIT.deadline)
    for name, changes, reason in (
        ("another chain", {"chain_id": 2}, "permit_escrow"),
        ("another contract", {"contract": stranger}, "permit_escrow"),
        ("another escrow", {"escrow": stranger}, "permit_escrow"),
        ("another renter", {"renter": stranger}, "permit_renter"),
        ("another job", {"job": text(bytes(32))}, "permit_job"),
        ("another provider", {"provider": stranger}, "permit_terms"),
        ("another token", {"token": checksum(ZERO_ADDRESS)}, "permit_terms"),
        ("another request", {"request": text(bytes(32))}, "permit_terms"),
        ("one base unit too much", {"value": str(10**21 + 1)}, "permit_value"),
        ("nobody may sign permits", {"signers": []}, "permit_signer"),
    ):
        yield vector(name, wire, reason, permit_context(**changes))
    yield vector(
        "a second too late", wire, "permit_expired", permit_context(), world.PERMIT.deadline + 1
    )
    far = world.permit(deadline=world.NOW + 601).to_wire().decode()
    yield vector("deadline too far ahead", far, "permit_deadline", permit_context())
    yield from _permit_signatures(good)
    yield from _permit_texts(wire)


def _permit_signatures(good: SignedPermit) -> Iterator[Vector]:
    signature = good.signature
    for name, other in (
        ("signed by a stranger", world.permit(key=world.STRANGER)),
        ("signed by the issuer's key", world.permit(key=world.ISSUER)),
        ("high s", replace(good, signature=world.high_s(signature))),
        ("v 0", replace(good, signature=signature[:64] + b"\0")),
        ("v 1", replace(good, signature=signature[:64] + b"\1")),
        (
            "value raised after signing",
            replace(good, permit=replace(good.permit, max_value=2**255)),
        ),
        ("epoch raised after signing", replace(good, permit=replace(good.permit, epoch=4))),
    ):
        yield vector(name, other.to_wire().decode(), "permit_signer", permit_context())
    elsewhere = world.permit(PermitDomain(2, world.ESCROW)).to_wire().decode()
    yield vector("signed for another chain", elsewhere, "permit_escrow", permit_context())


def _permit_texts(wire: str) -> Iterator[Vector]:
    for name, other in (
        ("duplicate key", wire.replace('"epoch"', '"epoch":"3","epoch"')),
        ("unknown field", wire.replace('"epoch"', '"nonce":"3","epoch"')),
        ("missing field", wire.replace('"epoch":"3",', "")),
        ("terms that are not those hashed", wire.replace(text(world.REQUEST), text(bytes(32)))),
        ("trailing byte in the signature", wire[:-2] + '00"}'),
        ("not a kycgate permit", wire.replace('"kycgate"', '"kycgates"')),
        ("value beyond 256 bits", wire.replace(str(10**21), str(2**256))),
    ):
        yield vector(name, other, "malformed", permit_context())


# -- signed requests -----------------------------------------------------------------------------
_BODY = b'{"gpus":8}'
_REQUEST = HttpRequest(
    "POST",
    "https",
    "gate.example",
    "/v1/rent",
    "dry=1",
    (("Content-Type", "application/json"),),
    _BODY,
)


def _request(
    profile: Profile,
    base: HttpRequest = _REQUEST,
    sign: Callable[[bytes], bytes] = world.RENTER.sign_digest,
    created: int = world.NOW - 5,
    expires: int = world.NOW + 55,
) -> dict[str, Any]:
    headers = sign_request(
        base,
        signer_address=world.RENTER.address,
        chain_id=1,
        sign=sign,
        nonce="EjRWeJCrze8BI0VniavN7w",
        created=created,
        expires=expires,
        profile=profile,
    )
    return {
        "method": base.method,
        "scheme": base.scheme,
        "authority": base.authority,
        "path": base.path,
        "query": base.query,
        "headers": [list(pair) for pair in base.headers + headers],
        "body": base.body.decode(),
    }


def requests() -> Iterator[Vector]:
    context = {"max_age_s": 300}
    for profile in Profile:
        good = _request(profile)
        yield vector(f"{profile}: valid", good, None, context)
        for name, changes in (
            ("another method", {"method": "PUT"}),
            ("another authority", {"authority": "evil.example"}),
            ("another path", {"path": "/v1/rent/"}),
            ("another query", {"query": "dry=0"}),
        ):
            # A key pair did not sign this; whether a contract did, only a chain can say.
            entry = vector(f"{profile}: {name}", good | changes, "erc1271", context)
            yield entry | {"expected": "undecided"}
        other_body = good | {"body": '{"gpus":9}'}
        yield vector(f"{profile}: another body", other_body, "proof_invalid", context)
        yield from _request_headers(profile, good, context)
        yield from _request_times(profile, context)


def _request_headers(profile: Profile, good: dict[str, Any], context: Any) -> Iterator[Vector]:
    def changed(old: str, new: str) -> dict[str, Any]:
        return good | {
            "headers": [[key, value.replace(old, new)] for key, value in good["headers"]]
        }

    def without(name: str) -> dict[str, Any]:
        return good | {"headers": [pair for pair in good["headers"] if pair[0] != name]}

    unsigned = [pair for pair in good["headers"] if not pair[0].startswith("Signature")]
    twice = [
        [key, f"{value}, b={value.partition('=')[2]}" if key.startswith("Signature") else value]
        for key, value in good["headers"]
    ]
    for name, request, reason in (
        ("not signed", good | {"headers": unsigned}, "proof_missing"),
        ("signature without input", without("Signature-Input"), "proof_invalid"),
        ("input without signature", without("Signature"), "proof_invalid"),
        ("digest header gone", without("Content-Digest"), "proof_invalid"),
        ("path not covered", changed('"@path" ', ""), "proof_incomplete"),
        ("query not covered", changed('"@query" ', ""), "proof_incomplete"),
        ("body not covered", changed(' "content-digest"', ""), "proof_incomplete"),
        ("component twice", changed('"@path"', '"@path" "@path"'), "proof_invalid"),
        ("component with a parameter", changed('"@path"', '"@path";req'), "proof_invalid"),
        ("unknown component", changed('"@path"', '"@path" "@status"'), "proof_invalid"),
        ("algorithm named", changed(";created", ';alg="eip191";created'), "proof_invalid"),
        ("parameter twice", changed(";created", ";created=1;created"), "proof_invalid"),
        ("created as text", changed(";created=", ';created="1";x='), "proof_invalid"),
        ("nonce gone", changed(';nonce="EjRWeJCrze8BI0VniavN7w"', ""), "proof_invalid"),
        ("nonce too short", changed("EjRWeJCrze8BI0VniavN7w", "short"), "proof_invalid"),
        ("delegated", changed('"erc8128"', '"erc8128-delegated"'), None),
        (
            "keyid of another kind",
            changed(f'keyid="{profile.value}:', 'keyid="did:'),
            "proof_invalid",
        ),
        ("signed twice", good | {"headers": good["headers"] * 2}, "proof_invalid"),
        ("signed under two labels", good | {"headers": twice}, "proof_invalid"),
        ("signature cut", changed("=:", "=:AA"), "proof_invalid"),
    ):
        if reason is None and profile is Profile.ERC8128:
            continue
        yield vector(f"{profile}: {name}", request, reason or "proof_invalid", context)


def _request_times(profile: Profile, context: Any) -> Iterator[Vector]:
    now = world.NOW
    for name, created, expires, reason in (
        ("expired this second", now - 60, now, "proof_expired"),
        ("signed in the future", now + 16, now + 60, "proof_not_yet_valid"),
        ("signed by a clock a little ahead", now + 15, now + 60, None),
        ("lives too long", now, now + 301, "proof_invalid"),
        ("ends before it begins", now, now - 1, "proof_invalid"),
    ):
        request = _request(profile, created=created, expires=expires)
        yield vector(f"{profile}: {name}", request, reason, context)


# -- sign-in messages ----------------------------------------------------------------------------
_MESSAGE = SiweMessage(
    domain="gate.example",
    address=world.RENTER.address,
    uri="https://gate.example",
    chain_id=1,
    nonce="k7NpQ2vXw9Rt",
    issued_at=rfc3339(world.NOW - 5),
    statement="Sign in to rent.",
    expiration_time=rfc3339(world.NOW + 300),
)


def _sign_in(message: SiweMessage = _MESSAGE, signature: bytes | None = None) -> dict[str, str]:
    return _sign_text(message.text(), signature)


def _sign_text(message: str, signature: bytes | None = None) -> dict[str, str]:
    made = world.RENTER.sign_digest(personal_digest(message.encode()))
    return {"message": message, "signature": text(signature or made)}


def sign_ins() -> Iterator[Vector]:
    context = {
        "domain": "gate.example",
        "uri": "https://gate.example",
        "nonce": "k7NpQ2vXw9Rt",
        "chain_ids": [1, 8453],
    }
    yield vector("valid", _sign_in(), None, context)
    full = replace(
        _MESSAGE,
        scheme="https",
        request_id="7",
        not_before=rfc3339(world.NOW),
        resources=("https://gate.example/terms", "ipfs://bafy"),
    )
    yield vector("valid with every line", _sign_in(full), None, context)
    yield vector(
        "valid without a statement", _sign_in(replace(_MESSAGE, statement=None)), None, context
    )
    for name, changes, reason in (
        ("another domain", {"domain": "evil.example"}, "proof_audience"),
        ("another uri", {"uri": "https://gate.example/x"}, "proof_audience"),
        ("another scheme", {"scheme": "http"}, "proof_audience"),
        ("another chain", {"chain_id": 10}, "proof_audience"),
        ("another nonce", {"nonce": "k7NpQ2vXw9Ru"}, "proof_invalid"),
        ("expired this second", {"expiration_time": rfc3339(world.NOW)}, "proof_expired"),
        ("not valid yet", {"not_before": rfc3339(world.NOW + 1)}, "proof_not_yet_valid"),
        ("issued in the future", {"issued_at": rfc3339(world.NOW + 16)}, "proof_not_yet_valid"),
    ):
        yield vector(name, _sign_in(replace(_MESSAGE, **changes)), reason, context)
    good = _MESSAGE.text()
    lower = good.replace(checksum(world.RENTER.address), text(world.RENTER.address))
    for name, message in (
        ("address without checksum", lower),
        ("version 2", good.replace("Version: 1", "Version: 2")),
        ("a blank line less", good.replace("\n\nURI", "\nURI")),
        ("windows line ends", good.replace("\n", "\r\n")),
        ("lines in another order", _reordered(good)),
        ("a line twice", good.replace("Version: 1\n", "Version: 1\nVersion: 1\n")),
        ("trailing line break", good + "\n"),
        ("nonce too short", good.replace("k7NpQ2vXw9Rt", "k7NpQ2v")),
        ("impossible date", good.replace("Issued At: 2027", "Issued At: 0000")),
    ):
        yield vector(name, _sign_text(message), "proof_invalid", context)
    made = world.RENTER.sign_digest(personal_digest(good.encode()))
    for name, signature, needs in (
        ("signed by a stranger", _strangers(good), "erc1271"),
        ("high s", world.high_s(made), "erc1271"),
        ("v 0", made[:64] + bytes([made[64] - 27]), "erc1271"),
        ("trailing byte", made + b"\0", "erc1271"),
        ("undeployed account", made + bytes.fromhex("6492" * 16), "erc6492"),
    ):
        entry = vector(name, _sign_in(signature=signature), needs, context)
        yield entry | {"expected": "undecided"}


def _reordered(message: str) -> str:
    return message.replace("Version: 1\nChain ID: 1\n", "Chain ID: 1\nVersion: 1\n")


def _strangers(message: str) -> bytes:
    return world.STRANGER.sign_digest(personal_digest(message.encode()))


# -- the files -----------------------------------------------------------------------------------
FILES: dict[str, Callable[[], Iterator[Vector]]] = {
    "attestation.json": attestations,
    "permit.json": permits,
    "request.json": requests,
    "siwe.json": sign_ins,
}


def document(name: str) -> bytes:
    """The bytes of one file."""
    entries = list(FILES[name]())
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names), "two vectors of one name"
    return (json.dumps(entries, indent=1, ensure_ascii=True) + "\n").encode()


def main() -> None:
    for name in FILES:
        (HERE / name).write_bytes(document(name))


if __name__ == "__main__":
    main()
