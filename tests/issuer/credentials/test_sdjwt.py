"""Every way to make an SD-JWT VC say what its issuer or its holder did not is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from kycgate.core.signature import Invalid
from kycgate.demo.trial_issuer import (
    Issued,
    TrialIssuer,
    disclosure,
    disclosure_of,
    new_key,
    sd_digest,
    x5c,
)
from kycgate.demo.trial_wallet import present_sd_jwt
from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.query import PID_VCT
from kycgate.issuer.credentials.sdjwt import disclosed
from kycgate.issuer.credentials.verdict import Presented, StatusAt, Untrue
from tests.issuer.credentials.world import (
    BOUND,
    DAY,
    ISSUER,
    NOW,
    PID_SD,
    WALLET,
    checked_sd,
    code_of,
    json_vector,
)

HELD = WALLET.credentials[PID_SD]
RFC = json_vector("rfc9901_5_2")


def presented(issued: Issued = HELD, **binding: Any) -> str:
    return present_sd_jwt(issued, BOUND, **binding)


def claims(**changes: Any) -> dict[str, Any]:
    given = {
        "vct": PID_VCT,
        "iat": NOW - DAY,
        "exp": NOW + DAY,
        "cnf": {"jwk": jose.jwk(HELD.key.public_key())},
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def issued(disclosures: list[str] | None = None, header: Any = None, **changes: Any) -> Issued:
    """A credential the trial issuer signs, whatever it says."""
    token = ISSUER.sd_jwt(claims(**changes), disclosures or [], **(header or {}))
    return replace(HELD, credential=token)


def with_disclosures(*texts: str) -> str:
    """The honest token with these disclosures besides its own, its holder agreeing."""
    credential = HELD.credential + b"".join(text.encode() + b"~" for text in texts)
    return presented(replace(HELD, credential=credential))


# -- the honest ones ------------------------------------------------------------------------------


def test_an_honest_pid_is_accepted() -> None:
    verdict = checked_sd(presented())
    assert isinstance(verdict, Presented)
    assert verdict.claims["given_name"] == "Ada"
    assert verdict.claims["address"] == {"country": "FR"}
    assert (verdict.type, verdict.test, verdict.status) == (PID_VCT, True, None)
    assert "_sd" not in json.dumps(verdict.claims)


def test_what_is_not_disclosed_is_not_there() -> None:
    token, *disclosures = HELD.credential.decode().rstrip("~").split("~")
    kept = "~".join([token, *disclosures[:2]]) + "~"
    verdict = checked_sd(presented(replace(HELD, credential=kept.encode())))
    assert isinstance(verdict, Presented)
    assert "birthdate" not in verdict.claims


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_holders_keys_of_every_kind_are_taken(key: Any) -> None:
    held = issued(cnf={"jwk": jose.jwk(key.public_key())})
    assert isinstance(checked_sd(presented(replace(held, key=key))), Presented)


def test_the_rfcs_example_opens_as_the_rfc_says() -> None:
    """RFC 9901, 5.2: signatures, `sd_hash` and the processed payload."""
    jws = jose.read(RFC["issuer_jwt"], most=9999, field="x")
    typ = frozenset({"example+sd-jwt"})
    key = jose.key(RFC["issuer_key"], field="x")
    jose.require(jws, key, typ=typ, code=Code.CREDENTIAL_SIGNATURE, what="x")
    payload = jws.claims(most=9999, field="x")
    opened = disclosed(payload, RFC["disclosures"], hashlib.sha256)
    assert opened["family_name"] == "Doe"
    assert opened["address"]["region"] == "Anystate"
    assert opened["nationalities"] == ["US"]
    assert "email" not in opened
    binding = jose.read(RFC["kb_jwt"], most=9999, field="x")
    held = jose.key(opened["cnf"]["jwk"], field="x")
    code = Code.CREDENTIAL_HOLDER
    jose.require(binding, held, typ=frozenset({"kb+jwt"}), code=code, what="x")
    shown = "~".join([RFC["issuer_jwt"], *RFC["disclosures"]]) + "~"
    assert binding.claims(most=9999, field="x")["sd_hash"] == sd_digest(shown)


def test_the_rfcs_example_is_no_credential_of_ours() -> None:
    shown = "~".join([RFC["issuer_jwt"], *RFC["disclosures"], RFC["kb_jwt"]])
    assert code_of(checked_sd(shown)) == Code.CREDENTIAL_MALFORMED


def test_the_status_an_issuer_signed_is_given_on() -> None:
    at = {"status_list": {"idx": 0, "uri": "https://status.example/1"}}
    verdict = checked_sd(presented(issued(status=at)))
    assert isinstance(verdict, Presented)
    assert verdict.status == StatusAt("https://status.example/1", 0)


def headed(alg: Any) -> str:
    document = {"alg": alg, "typ": "dc+sd-jwt", "x5c": x5c(ISSUER.chain)}
    return jose.b64(json.dumps(document).encode())


# -- forged, confused ------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS256", "ES384", "ES256K", "", None, 5])
def test_alg_none_and_other_confusions_are_refused(alg: Any) -> None:
    odd = issued(header={"alg": alg})
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_SIGNATURE
    token, *rest = presented().split("~")
    parts = token.split(".")
    header = jose.b64(
        json.dumps({"alg": alg, "typ": "dc+sd-jwt", "x5c": x5c(ISSUER.chain)}).encode()
    )
    unsigned = "~".join([f"{header}.{parts[1]}.", *rest])
    assert code_of(checked_sd(unsigned)) == Code.CREDENTIAL_SIGNATURE


def test_a_public_key_used_as_an_hmac_secret_is_refused() -> None:
    token, *rest = presented().split("~")
    payload = token.split(".")[1]
    header = headed("HS256")
    signed = f"{header}.{payload}"
    mac = jose.b64(hmac.digest(ISSUER.signer.public_bytes(Encoding.PEM), signed.encode(), "sha256"))
    forged = "~".join([f"{signed}.{mac}", *rest])
    assert code_of(checked_sd(forged)) == Code.CREDENTIAL_SIGNATURE


@pytest.mark.parametrize("typ", ["JWT", "kb+jwt", "", None, ["dc+sd-jwt"], {}])
def test_a_token_of_another_type_is_refused(typ: Any) -> None:
    assert code_of(checked_sd(presented(issued(header={"typ": typ})))) == Code.CREDENTIAL_SIGNATURE


def test_a_key_in_the_header_vouches_for_nothing() -> None:
    thief = new_key()
    own = jose.write(
        {"typ": "dc+sd-jwt", "jwk": jose.jwk(thief.public_key()), "x5c": x5c(ISSUER.chain)},
        claims(),
        thief,
    )
    forged = replace(HELD, credential=own.encode() + b"~")
    assert code_of(checked_sd(presented(forged))) == Code.CREDENTIAL_SIGNATURE


def test_a_credential_of_an_unpinned_issuer_is_refused() -> None:
    twin = TrialIssuer.new(at=NOW - 9 * DAY)
    forged = replace(HELD, credential=twin.sd_jwt(claims(), []))
    assert code_of(checked_sd(presented(forged))) == Code.CREDENTIAL_ISSUER


@pytest.mark.parametrize("chain", [None, [], "text", [5], ["é"], ["AA=="]])
def test_a_certificate_path_that_is_none_is_refused(chain: Any) -> None:
    assert (
        code_of(checked_sd(presented(issued(header={"x5c": chain})))) == Code.CREDENTIAL_MALFORMED
    )


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]}])
def test_critical_headers_are_refused(header: Any) -> None:
    assert code_of(checked_sd(presented(issued(header=header)))) == Code.CREDENTIAL_MALFORMED


def test_every_bit_of_a_signature_counts_and_has_one_spelling() -> None:
    token, *rest = presented().split("~")
    head, payload, signature = token.split(".")
    flipped = signature[:-2] + ("AA" if signature[-2:] != "AA" else "AQ")
    assert code_of(checked_sd("~".join([f"{head}.{payload}.{flipped}", *rest]))) in (
        Code.CREDENTIAL_SIGNATURE,
        Code.CREDENTIAL_MALFORMED,
    )
    for padded in (f"{token}=", f"{token} ", f"{token}\n"):
        assert code_of(checked_sd("~".join([padded, *rest]))) == Code.CREDENTIAL_MALFORMED


# -- the credential --------------------------------------------------------------------------------


@pytest.mark.parametrize("vct", ["urn:eudi:pid:2", "", None, ["urn:eudi:pid:1"], "urn:EUDI:pid:1"])
def test_another_type_of_credential_is_refused(vct: Any) -> None:
    assert code_of(checked_sd(presented(issued(vct=vct)))) == Code.CREDENTIAL_TYPE


def test_an_expired_credential_is_refused_from_its_last_second_on() -> None:
    late = presented(iat=NOW + DAY - 1)
    assert code_of(checked_sd(presented(issued(exp=NOW)))) == Code.CREDENTIAL_EXPIRED
    assert code_of(checked_sd(presented(issued(exp=None)))) == Code.CREDENTIAL_EXPIRED
    assert isinstance(checked_sd(late, now=NOW + DAY - 1), Presented)


@pytest.mark.parametrize("changes", [{"nbf": NOW + 61}, {"iat": NOW + 61}])
def test_a_credential_that_is_not_yet_valid_is_refused(changes: Any) -> None:
    assert code_of(checked_sd(presented(issued(**changes)))) == Code.CREDENTIAL_NOT_YET_VALID


@pytest.mark.parametrize("value", [1.5, "1795000000", True, -1, 2**53, [1]])
def test_a_moment_that_is_no_whole_seconds_is_refused(value: Any) -> None:
    for name in ("exp", "nbf", "iat"):
        odd = presented(issued(**{name: value}))
        assert code_of(checked_sd(odd)) == Code.CREDENTIAL_MALFORMED


def test_a_credential_of_another_country_than_its_certificate_is_refused() -> None:
    assert code_of(checked_sd(presented(issued(issuing_country="SG")))) == Code.CREDENTIAL_ISSUER


# -- disclosures -----------------------------------------------------------------------------------


def test_an_injected_disclosure_is_refused() -> None:
    forged = with_disclosures(disclosure("given_name", "Eve"))
    assert code_of(checked_sd(forged)) == Code.CREDENTIAL_ALTERED


def test_an_unreferenced_disclosure_is_refused() -> None:
    other = issued([disclosure("age", 40)])
    assert code_of(checked_sd(presented(other))) == Code.CREDENTIAL_ALTERED


def test_a_duplicated_disclosure_is_refused() -> None:
    first = HELD.credential.decode().split("~")[1]
    assert code_of(checked_sd(with_disclosures(first))) == Code.CREDENTIAL_ALTERED


def test_a_digest_that_stands_twice_is_refused() -> None:
    """One disclosure used in two places, and an undisclosed digest repeated."""
    one = disclosure("name", "Ada")
    twice: list[dict[str, Any]] = [
        {"_sd": [sd_digest(one), sd_digest(one)]},
        {"_sd": [sd_digest(one)], "a": {"_sd": [sd_digest(one)]}},
        {"_sd": [sd_digest(one)], "a": [{"...": sd_digest(one)}]},
    ]
    for changes in twice:
        for texts in ([one], []):
            verdict = checked_sd(presented(issued(texts, **changes)))
            assert code_of(verdict) in (Code.CREDENTIAL_ALTERED, Code.CREDENTIAL_MALFORMED)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "cnf", "vct", "status", "iss"])
def test_a_disclosure_may_not_decide_over_validity(name: str) -> None:
    text = disclosure(name, NOW + 999)
    odd = issued([text], _sd=[sd_digest(text)], **({name: None} if name != "vct" else {}))
    assert isinstance(checked_sd(presented(odd)), Invalid)
    payload = {"_sd": [sd_digest(text)]}
    with pytest.raises(Untrue, match="may not be disclosed"):
        disclosed(payload, [text], hashlib.sha256)


@pytest.mark.parametrize("name", ["_sd", "...", "_sd_alg", 5, None, ["a"]])
def test_a_disclosure_of_a_reserved_or_odd_name_is_refused(name: Any) -> None:
    text = disclosure_of(["salt", name, "x"])
    odd = issued([text], _sd=[sd_digest(text)])
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_ALTERED


def test_a_disclosure_over_a_claim_in_the_open_is_refused() -> None:
    text = disclosure("given_name", "Eve")
    odd = issued([text], given_name="Ada", _sd=[sd_digest(text)])
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_ALTERED


@pytest.mark.parametrize(
    "members", [[], ["s"], ["s", "a", "b", "c"], [1, "a", "b"], ["s", "value"]]
)
def test_a_disclosure_of_another_form_is_refused(members: Any) -> None:
    text = disclosure_of(members)
    odd = issued([text], _sd=[sd_digest(text)])
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_MALFORMED


@pytest.mark.parametrize("raw", [b"{}", b"not json", b'["s","a",NaN]', b'["s","a",{"b":1,"b":2}]'])
def test_a_disclosure_that_is_no_one_array_is_refused(raw: bytes) -> None:
    text = jose.b64(raw)
    odd = issued([text], _sd=[sd_digest(text)])
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_MALFORMED


@pytest.mark.parametrize(
    "changes",
    [
        {"_sd": "text"},
        {"_sd": [5]},
        {"_sd": {}},
        {"...": "x"},
        {"a": {"...": "x", "b": 1}},
        {"a": {"_sd_alg": "sha-256"}},
        {"a": [{"...": "x", "b": 1}]},
        {"a": [{"...": 5}]},
    ],
)
def test_marks_of_selective_disclosure_in_odd_places_are_refused(changes: Any) -> None:
    verdict = checked_sd(presented(issued(**changes)))
    assert code_of(verdict) in (Code.CREDENTIAL_MALFORMED, Code.CREDENTIAL_ALTERED)


@pytest.mark.parametrize("alg", ["sha-1", "md5", "sha3-256", "", 5, ["sha-256"]])
def test_a_digest_of_another_algorithm_is_refused(alg: Any) -> None:
    assert code_of(checked_sd(presented(issued(_sd_alg=alg)))) == Code.CREDENTIAL_SIGNATURE


def test_a_chain_of_disclosures_does_not_exhaust_the_stack() -> None:
    inner = disclosure("x", 1)
    texts = [inner]
    for _ in range(200):
        texts.append(disclosure("x", {"_sd": [sd_digest(texts[-1])]}))
    odd = issued(texts, _sd=[sd_digest(texts[-1])])
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_MALFORMED


def test_too_many_disclosures_are_refused() -> None:
    texts = [disclosure("x", n) for n in range(300)]
    odd = issued(texts, _sd=[sd_digest(text) for text in texts])
    assert code_of(checked_sd(presented(odd))) == Code.CREDENTIAL_MALFORMED


def test_decoy_digests_are_nothing() -> None:
    assert isinstance(checked_sd(presented(issued(_sd=[sd_digest("decoy")]))), Presented)


# -- the holder ------------------------------------------------------------------------------------


def test_a_missing_key_binding_is_refused() -> None:
    assert code_of(checked_sd(HELD.credential.decode())) == Code.CREDENTIAL_HOLDER


@pytest.mark.parametrize("cnf", [None, {}, {"kid": "x"}, "text"])
def test_a_credential_bound_to_nobody_is_refused(cnf: Any) -> None:
    assert code_of(checked_sd(presented(issued(cnf=cnf)))) == Code.CREDENTIAL_HOLDER


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": "EC", "crv": "secp256k1", "x": "A" * 43, "y": "A" * 43},
        {**jose.jwk(HELD.key.public_key()), "d": "AAAA"},
        "text",
    ],
    ids=["symmetric", "rsa", "short", "k1", "private", "text"],
)
def test_a_holders_key_that_is_none_is_refused(jwk: Any) -> None:
    verdict = checked_sd(presented(issued(cnf={"jwk": jwk})))
    assert code_of(verdict) == Code.CREDENTIAL_MALFORMED


def test_key_substitution_is_refused() -> None:
    assert code_of(checked_sd(presented(replace(HELD, key=new_key())))) == Code.CREDENTIAL_HOLDER


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://evil.example"},
        {"aud": "https://gate.example"},
        {"aud": ["origin:https://gate.example"]},
        {"aud": None},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": "\ud800"},
        {"sd_hash": sd_digest("another")},
        {"sd_hash": None},
        {"iat": NOW - 301},
        {"iat": NOW + 61},
        {"iat": None},
        {"exp": NOW},
    ],
    ids=str,
)
def test_a_key_binding_for_something_else_or_another_time_is_refused(changes: Any) -> None:
    assert code_of(checked_sd(presented(**changes))) == Code.CREDENTIAL_HOLDER


def test_a_disclosure_dropped_after_the_holder_signed_is_refused() -> None:
    parts = presented().split("~")
    assert code_of(checked_sd("~".join([parts[0], *parts[2:]]))) == Code.CREDENTIAL_HOLDER


@pytest.mark.parametrize("typ", ["JWT", "dc+sd-jwt", None])
def test_a_key_binding_of_another_type_is_refused(typ: Any) -> None:
    body = {"aud": BOUND.audience, "nonce": BOUND.nonce, "iat": NOW}
    shown = HELD.credential.decode()
    other = jose.write({"typ": typ}, body | {"sd_hash": sd_digest(shown)}, HELD.key)
    assert code_of(checked_sd(shown + other)) == Code.CREDENTIAL_HOLDER


def test_the_credential_itself_is_no_key_binding() -> None:
    token = HELD.credential.decode().split("~")[0]
    assert code_of(checked_sd(HELD.credential.decode() + token)) == Code.CREDENTIAL_HOLDER


@pytest.mark.parametrize("text", ["", "~", "~~", "a~b", "...~", "é~", "\ud800~", "x" * 70_000])
def test_what_is_no_sd_jwt_is_refused(text: str) -> None:
    assert code_of(checked_sd(text)) == Code.CREDENTIAL_MALFORMED


@pytest.mark.parametrize("text", ["a", "AA==", "AB", "A A", "AA\n", "A+", "é", 5])
def test_base64url_has_one_spelling(text: Any) -> None:
    with pytest.raises(Malformed):
        jose.unb64(text, field="x")
