"""Proofs of an account: what real signers make is proven, and nothing less than everything is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Account, Address, checksum
from kycgate.core.proof import (
    HttpRequest,
    Profile,
    ProvenAccount,
    ProvenRequest,
    SiweMessage,
    UndecidedContract,
    fields,
    sign_request,
    verify_request,
    verify_siwe,
)
from kycgate.core.proof.siwe import rfc3339
from kycgate.core.signature import Invalid
from kycgate.core.typed import personal_digest
from kycgate.errors import Code, Malformed
from tests.conftest import RunNode
from tests.core import world

BODY = b'{"gpus":8}'
PLAIN = HttpRequest(
    "POST", "https", "gate.example", "/v1/rent", "a=1&b=%20", (("Content-Type", "a/b"),), BODY
)

NPM_SIGN = """
const { signRequest } = require('@slicekit/erc8128');
const { privateKeyToAccount } = require('viem/accounts');
const account = privateKeyToAccount(input.key);
const signed = await signRequest(input.url,
  { method: input.method, body: input.body, headers: { 'content-type': 'application/json' } },
  { chainId: 1, address: account.address,
    signMessage: (raw) => account.signMessage({ message: { raw } }) },
  { created: input.created, expires: input.expires, nonce: input.nonce });
answer([...signed.headers]);
"""
NPM_VERIFY = """
const { verifyRequest } = require('@slicekit/erc8128');
const { verifyMessage } = require('viem');
const request = new Request(input.url,
  { method: input.method, body: input.body, headers: input.headers });
const seen = new Set();
answer(await verifyRequest({ request, verifyMessage, policy: { now: () => input.now },
  nonceStore: { consume: async (key) => !seen.has(key) && !!seen.add(key) } }));
"""

# Signed by npm @slicekit/erc8128 0.2.0 (key 33…33), as the test below makes it.
CAPTURED = (
    ("content-type", "application/json"),
    ("content-digest", "sha-256=:saA8DsAyf3cXEzZNncQrbky2WZ5k6SKKolmi2++Gujg=:"),
    (
        "signature",
        "eth=:h5I2C4rg50e6l0Y04bfYl2pLctTw1Kb8xdy+dwYtrBEiV+9c9W03PRPlPAzKgNRdQuh59G"
        "iVyHqBeptsIAStGxs=:",
    ),
    (
        "signature-input",
        'eth=("@authority" "@method" "@path" "@query" "content-digest")'
        ';created=1799999995;expires=1800000055;nonce="EjRWeJCrze8BI0VniavN7w"'
        ';keyid="erc8128:1:0x5cbdd86a2fa8dc4bddd8a8f69dba48572eec07fb"',
    ),
)

# "direct-request-v1" of conformance-vectors.json in github.com/slice-so/erc8128 (MIT), commit
# 1c0151b49b2633a1750646aa204ee37d295ec4d0: the rewritten draft, with key 00…01.
HEAD = HttpRequest(
    "POST",
    "https",
    "api.example",
    "/items",
    "view=full",
    (
        ("content-digest", "sha-256=:k6I5cakU5erL8KjSUVTNownDwccvu5kU1Hxg88toFYg=:"),
        ("content-type", "application/json"),
        (
            "signature-input",
            'direct=("@scheme" "@authority" "@method" "@path" "@query" "content-digest"'
            ' "content-type");created=1700000000;expires=1700000060;'
            'nonce="EjRWeJCrze8BI0VniavN7w";'
            'keyid="eip155:1:0x7e5f4552091a69125d5dfcb7b8c2659029395bdf";tag="erc8128"',
        ),
        (
            "signature",
            "direct=:/BpEToskxkMJ65uRmaNUPiBwbwwg6z3CxEDJJwEYREIx1Hwn85Z1L8XlRpILGx4q80yeiNugYzaU"
            "sVPWiPcB0Bs=:",
        ),
    ),
    b'{"hello":"world"}',
)
HEAD_HASH = "a7a6074cd2ab23379c04a8839a3566e98689326367a0ad9cd8ef389a961f96de"


def signed(request: HttpRequest = PLAIN, profile: Profile = Profile.ERC8128) -> HttpRequest:
    headers = sign_request(
        request,
        signer_address=world.RENTER.address,
        chain_id=1,
        sign=world.RENTER.sign_digest,
        nonce="EjRWeJCrze8BI0VniavN7w",
        created=world.NOW - 5,
        expires=world.NOW + 55,
        profile=profile,
    )
    return replace(request, headers=request.headers + headers)


def check(request: HttpRequest) -> ProvenRequest | Invalid | UndecidedContract[ProvenRequest]:
    return verify_request(request, now=world.NOW, max_age_s=300)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("query", [None, "", "a=1"])
@pytest.mark.parametrize("body", [b"", BODY])
def test_signed_request_proves_the_account(
    profile: Profile, query: str | None, body: bytes
) -> None:
    found = check(signed(replace(PLAIN, query=query, body=body), profile))
    assert isinstance(found, ProvenRequest)
    assert found.account == Account(world.RENTER.address)
    assert (found.profile, found.nonce) == (profile, "EjRWeJCrze8BI0VniavN7w")


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    "changes",
    [
        {"method": "DELETE"},
        {"authority": "evil.example"},
        {"authority": "gate.example:8443"},
        {"path": "/v1/%72ent"},
        {"query": "a=1&b=+"},
    ],
)
def test_request_sent_otherwise_than_signed_is_not_proven(
    profile: Profile, changes: dict[str, Any]
) -> None:
    assert isinstance(check(replace(signed(profile=profile), **changes)), UndecidedContract)


def test_body_removed_after_signing_is_refused() -> None:
    found = check(replace(signed(), body=b""))
    assert isinstance(found, Invalid)
    assert found.reason.code is Code.PROOF_INVALID


def test_default_port_and_case_of_the_authority_do_not_matter() -> None:
    assert isinstance(check(replace(signed(), authority="GATE.example:443")), ProvenRequest)


def test_strangers_signature_asks_the_contract_exactly() -> None:
    headers = sign_request(
        PLAIN,
        signer_address=world.RENTER.address,
        chain_id=8453,
        sign=world.STRANGER.sign_digest,
        nonce="EjRWeJCrze8BI0VniavN7w",
        created=world.NOW,
        expires=world.NOW + 60,
        profile=Profile.EIP155,
    )
    found = check(replace(PLAIN, headers=PLAIN.headers + headers))
    assert isinstance(found, UndecidedContract)
    assert found.claimed.account == Account(world.RENTER.address, 8453)
    assert found.digest == found.claimed.digest
    assert found.signature == world.STRANGER.sign_digest(found.digest)
    assert found.needs == "erc1271"


def test_other_peoples_signatures_beside_ours_do_not_disturb() -> None:
    request = signed()
    headers = tuple(
        (key, value + ', proxy=("@method";req "x-a");created=1;alg="ed25519";flag')
        if key == "Signature-Input"
        else (key, value + ", proxy=:AAAA:")
        if key == "Signature"
        else (key, value)
        for key, value in request.headers
    )
    assert isinstance(check(replace(request, headers=headers)), ProvenRequest)


def test_line_break_in_a_covered_header_is_refused() -> None:
    request = signed(profile=Profile.EIP155)
    headers = tuple(
        (key, 'a/b\n"@path": /other' if key == "Content-Type" else value)
        for key, value in request.headers
    )
    assert isinstance(check(replace(request, headers=headers)), Invalid)


def test_vector_of_the_rewritten_draft_is_proven() -> None:
    found = verify_request(HEAD, now=1_700_000_010, max_age_s=60)
    assert isinstance(found, ProvenRequest)
    assert checksum(found.account.address).lower() == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    assert found.digest.hex() == HEAD_HASH


def test_captured_request_of_the_npm_client_is_proven() -> None:
    request = replace(PLAIN, query="a=1", headers=CAPTURED)
    found = check(request)
    assert isinstance(found, ProvenRequest)
    assert found.account == Account(world.RENTER.address)


@pytest.mark.node
@pytest.mark.parametrize("query, body", [("?a=1", BODY), ("", BODY), ("", None), ("?a=%20", None)])
def test_npm_client_signs_what_is_proven_here(
    run_node: RunNode, query: str, body: bytes | None
) -> None:
    method = "GET" if body is None else "POST"
    given = {
        "url": f"https://gate.example/v1/rent{query}",
        "method": method,
        "body": body.decode() if body else None,
        "key": "0x" + "33" * 32,
        "created": world.NOW - 5,
        "expires": world.NOW + 55,
        "nonce": "EjRWeJCrze8BI0VniavN7w",
    }
    headers = tuple((key, value) for key, value in run_node(NPM_SIGN, given))
    request = HttpRequest(
        method, "https", "gate.example", "/v1/rent", query[1:] or None, headers, body or b""
    )
    assert isinstance(check(request), ProvenRequest)
    if query == "?a=1":
        assert set(headers) == set(CAPTURED)


@pytest.mark.node
@pytest.mark.parametrize("query, body", [("a=1", BODY), (None, None)])
def test_what_we_sign_the_npm_client_verifies(
    run_node: RunNode, query: str | None, body: bytes | None
) -> None:
    method = "GET" if body is None else "POST"
    request = signed(replace(PLAIN, method=method, query=query, body=body or b""))
    found = run_node(
        NPM_VERIFY,
        {
            "url": "https://gate.example/v1/rent" + (f"?{query}" if query else ""),
            "method": method,
            "body": body.decode() if body else None,
            "headers": [list(pair) for pair in request.headers],
            "now": world.NOW,
        },
    )
    assert found["ok"], found
    assert found["address"] == "0x" + world.RENTER.address.hex()


HEADER = st.text(st.characters(max_codepoint=255), max_size=60)


@given(HEADER, HEADER, HEADER)
def test_strange_headers_get_an_answer_and_no_exception(a: str, b: str, c: str) -> None:
    headers = (("Signature-Input", a), ("Signature", b), ("Content-Digest", c))
    assert isinstance(check(replace(PLAIN, headers=headers)), Invalid)


@given(st.integers(0, 400), st.integers(0, 255), st.sampled_from(Profile))
def test_changed_signature_headers_prove_nothing_else(
    place: int, byte: int, profile: Profile
) -> None:
    request = signed(profile=profile)
    key, value = request.headers[-2]
    value = value[:place] + chr(byte) + value[place + 1 :]
    found = check(
        replace(request, headers=(*request.headers[:-2], (key, value), request.headers[-1]))
    )
    if isinstance(found, ProvenRequest):
        assert found.account == Account(world.RENTER.address)


@given(HEADER)
def test_strange_dictionaries_are_read_or_malformed(text: str) -> None:
    try:
        members = fields.dictionary(text, field="x")
    except Malformed:
        return
    assert members


@pytest.mark.parametrize(
    "text", ["a=:AB==:", "a=:A:", "a=1.5", "a=1,,b=2", "a", "a=1;", "A=1", "a=(1  2)"]
)
def test_loose_spellings_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        fields.dictionary(text, field="x")


# -- sign-in -------------------------------------------------------------------------------------
MESSAGE = SiweMessage(
    domain="gate.example",
    address=world.RENTER.address,
    uri="https://gate.example",
    chain_id=1,
    nonce="k7NpQ2vXw9Rt",
    issued_at=rfc3339(world.NOW),
)
VIEM = """
const { createSiweMessage, parseSiweMessage } = require('viem/siwe');
const made = createSiweMessage({ ...input, issuedAt: new Date(input.issuedAt),
  expirationTime: new Date(input.expirationTime), version: '1' });
answer({ made, parsed: parseSiweMessage(input.ours) });
"""


def sign_in(text: str, signature: bytes, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "domain": "gate.example",
        "uri": "https://gate.example",
        "nonce": "k7NpQ2vXw9Rt",
        "chain_ids": {1},
        "now": world.NOW,
    }
    return verify_siwe(text, signature, **(arguments | changes))


def test_sign_in_proves_the_account_on_every_chain() -> None:
    text = MESSAGE.text()
    signature = world.RENTER.sign_digest(personal_digest(text.encode()))
    found = sign_in(text, signature)
    assert found == ProvenAccount(Account(world.RENTER.address), MESSAGE.nonce, world.NOW)


def test_contract_account_is_asked_about_on_its_own_chain() -> None:
    text = MESSAGE.text()
    magic = b"\1" * 90 + bytes.fromhex("6492" * 16)
    found = sign_in(text, magic)
    assert isinstance(found, UndecidedContract)
    assert found.needs == "erc6492"
    assert found.claimed.account == Account(world.RENTER.address, 1)
    assert found.digest == personal_digest(text.encode())


def test_no_chain_known_means_no_sign_in() -> None:
    text = MESSAGE.text()
    signature = world.RENTER.sign_digest(personal_digest(text.encode()))
    found = sign_in(text, signature, chain_ids=())
    assert found.reason.code is Code.PROOF_AUDIENCE


@pytest.mark.parametrize(
    "changes",
    [
        {"statement": "a\nURI: https://evil.example"},
        {"domain": "gate.example wants"},
        {"nonce": "short"},
        {"request_id": "7\nResources:"},
        {"uri": "no uri"},
        {"chain_id": 0},
        {"resources": ("https://a\n- https://b",)},
    ],
)
def test_nothing_is_smuggled_into_a_message(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(MESSAGE, **changes).text()


WORDS = st.text("abcXYZ019-._~/?#:", min_size=1, max_size=20)


IDS = st.text("abcXYZ019-._~:", max_size=20)


@given(st.binary(min_size=20, max_size=20), st.none() | WORDS, st.none() | IDS, st.lists(WORDS))
def test_message_reads_back(
    address: bytes, statement: str | None, request_id: str | None, resources: list[str]
) -> None:
    message = replace(
        MESSAGE,
        address=Address(address),
        statement=statement,
        request_id=request_id,
        resources=tuple("ipfs:" + word for word in resources),
    )
    assert SiweMessage.parse(message.text()) == message


@given(st.text(max_size=200))
def test_strange_messages_get_an_answer_and_no_exception(text: str) -> None:
    assert isinstance(sign_in(text, b""), Invalid)


@pytest.mark.node
def test_message_is_the_one_viem_writes_and_reads(run_node: RunNode) -> None:
    ours = replace(
        MESSAGE,
        issued_at="2027-01-15T08:00:00.000Z",
        expiration_time="2027-01-15T08:05:00.000Z",
        statement="Sign in to rent.",
        resources=("https://gate.example/terms",),
    )
    given = {
        "domain": ours.domain,
        "address": checksum(ours.address),
        "uri": ours.uri,
        "chainId": 1,
        "nonce": ours.nonce,
        "statement": ours.statement,
        "resources": list(ours.resources or ()),
        "issuedAt": ours.issued_at,
        "expirationTime": ours.expiration_time,
        "ours": ours.text(),
    }
    found = run_node(VIEM, given)
    assert found["made"] == ours.text()
    assert SiweMessage.parse(found["made"]) == ours
    assert found["parsed"]["nonce"] == ours.nonce
