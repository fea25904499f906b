"""Who may speak for a provider: signatures over the bytes as they came, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe

from kycgate.errors import Code, Malformed, Refused, TooLarge, Unauthenticated
from kycgate.issuer.providers import signatures
from kycgate.issuer.providers.base import BODY_MOST, TOLERANCE_S
from tests.issuer.providers.stand_in import (
    NAMES,
    NOW,
    OLD_SECRET,
    REFERENCES,
    SECRET,
    event,
    mac,
    make,
    recorded,
    signed,
)

every = pytest.mark.parametrize("name", NAMES)
stamping = pytest.mark.parametrize("name", ["persona", "stripe"])


@every
def test_a_rightly_signed_message_says_where_to_look(name: str) -> None:
    body = event(name)
    found = make(name).read_event(signed(name, body), body, now=NOW)
    assert found.reference == REFERENCES[name]
    assert found.id


@every
def test_a_forged_webhook_is_refused(name: str) -> None:
    body = event(name)
    with pytest.raises(Unauthenticated):
        make(name).read_event(signed(name, body, secret="guessed"), body, now=NOW)


@every
def test_the_secret_itself_is_no_signature(name: str) -> None:
    body = event(name)
    headers = {
        key: value.replace(mac(SECRET, body), SECRET) for key, value in signed(name, body).items()
    }
    if name != "sumsub":
        headers = {f"{name}-signature": f"t={NOW},v1={SECRET}"}
    with pytest.raises(Unauthenticated):
        make(name).read_event(headers, body, now=NOW)


@every
def test_a_webhook_without_its_header_is_refused(name: str) -> None:
    body = event(name)
    for missing in signed(name, body):
        headers = {k: v for k, v in signed(name, body).items() if k != missing}
        with pytest.raises(Unauthenticated):
            make(name).read_event(headers, body, now=NOW)
        with pytest.raises(Unauthenticated):
            make(name).read_event(headers | {missing: ""}, body, now=NOW)


@every
def test_a_gate_without_a_webhook_secret_refuses_every_webhook(name: str) -> None:
    """The fault most often seen elsewhere: no secret is taken for a development set-up."""
    body = event(name)
    for secret in ("", SECRET):
        with pytest.raises(Unauthenticated):
            make(name, secrets=()).read_event(signed(name, body, secret=secret), body, now=NOW)


@every
def test_a_truncated_webhook_is_refused(name: str) -> None:
    body = event(name)
    for cut in (body[:-1], body[: len(body) // 2], b""):
        with pytest.raises(Unauthenticated):
            make(name).read_event(signed(name, body), cut, now=NOW)


@every
def test_a_signature_over_the_json_written_anew_is_refused(name: str) -> None:
    body = event(name)
    compact = json.dumps(json.loads(body), separators=(",", ":")).encode()
    assert compact != body
    with pytest.raises(Unauthenticated):
        make(name).read_event(signed(name, compact), body, now=NOW)


@every
def test_old_and_new_secrets_count_while_they_rotate(name: str) -> None:
    body = event(name)
    provider = make(name, secrets=(SECRET, OLD_SECRET))
    for secret in (SECRET, OLD_SECRET):
        assert provider.read_event(signed(name, body, secret=secret), body, now=NOW).reference


@pytest.mark.parametrize(
    "algorithm", ["HMAC_SHA1_HEX", "HMAC_MD5_HEX", "none", "", "hmac_sha256_hex", "HMAC_SHA256"]
)
def test_a_weak_or_unknown_algorithm_is_refused(algorithm: str) -> None:
    body = event("sumsub")
    weak = "sha1" if "SHA1" in algorithm else "sha256"
    headers = {"x-payload-digest": mac(SECRET, body, weak), "x-payload-digest-alg": algorithm}
    with pytest.raises(Unauthenticated):
        make("sumsub").read_event(headers, body, now=NOW)


def test_the_long_digest_of_sumsub_counts_and_under_its_own_name_only() -> None:
    body = event("sumsub")
    long = {"x-payload-digest": mac(SECRET, body, "sha512")}
    provider = make("sumsub")
    named = long | {"x-payload-digest-alg": "HMAC_SHA512_HEX"}
    assert provider.read_event(named, body, now=NOW).reference
    with pytest.raises(Unauthenticated):
        provider.read_event(long | {"x-payload-digest-alg": "HMAC_SHA256_HEX"}, body, now=NOW)


@stamping
@pytest.mark.parametrize("off", [-TOLERANCE_S - 1, TOLERANCE_S + 1, -86_400, 10**9])
def test_an_old_or_future_timestamp_is_refused(name: str, off: int) -> None:
    body = event(name)
    with pytest.raises(Unauthenticated):
        make(name).read_event(signed(name, body, at=NOW + off), body, now=NOW)


@stamping
def test_a_timestamp_within_the_tolerance_counts(name: str) -> None:
    body = event(name)
    for off in (-TOLERANCE_S, TOLERANCE_S):
        assert make(name).read_event(signed(name, body, at=NOW + off), body, now=NOW).reference


@stamping
@pytest.mark.parametrize(
    "header",
    [
        "t={t},t={t},v1={v}",
        "t={old},t={t},v1={v}",
        "v1={v}",
        "t={t}",
        "t={t},v0={v}",
        "t={t},v1=",
        "t=,v1={v}",
        "t={t}.0,v1={v}",
        "t=+{t},v1={v}",
        "t={t},v1={v}é",
        "t={t},v1={upper}",
        "{v}",
        "t={t};v1={v}",
        "t={t},v1={v}" + " " * 3000,
    ],
)
def test_a_header_that_could_be_read_two_ways_is_refused(name: str, header: str) -> None:
    body = event(name)
    value = mac(SECRET, f"{NOW}.".encode() + body)
    given = header.format(t=NOW, old=NOW - 9999, v=value, upper=value.upper())
    with pytest.raises(Unauthenticated):
        make(name).read_event({f"{name}-signature": given}, body, now=NOW)


def test_persona_repeats_the_whole_pair_while_a_secret_rotates() -> None:
    body = event("persona")
    pairs = [signed("persona", body, secret=s)["persona-signature"] for s in ("unknown", SECRET)]
    headers = {"persona-signature": " ".join(pairs)}
    assert make("persona").read_event(headers, body, now=NOW).reference
    stale = signed("persona", body, at=NOW - 9999)["persona-signature"]
    mixed = {"persona-signature": f"{stale} t={NOW},v1={'0' * 64}"}
    with pytest.raises(Unauthenticated):
        make("persona").read_event(mixed, body, now=NOW)


# -- environments --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "flag"), [("sumsub", "sandboxMode"), ("stripe", "livemode")])
@pytest.mark.parametrize("live", [True, False])
def test_a_sandbox_event_in_a_live_gate_is_refused(name: str, flag: str, live: bool) -> None:
    said = json.loads(event(name))
    said[flag] = live if name == "sumsub" else not live
    body = json.dumps(said).encode()
    with pytest.raises(Refused) as refusal:
        make(name, live=live).read_event(signed(name, body), body, now=NOW)
    assert refusal.value.code == Code.PROOF_SANDBOX


def test_a_stripe_event_that_does_not_say_its_mode_is_refused() -> None:
    said = json.loads(event("stripe"))
    for wrong in (None, "true", 1):
        body = json.dumps(said | {"livemode": wrong}).encode()
        with pytest.raises(Refused):
            make("stripe").read_event(signed("stripe", body), body, now=NOW)


def test_a_try_out_from_sumsubs_console_is_about_nobody() -> None:
    body = json.dumps(json.loads(event("sumsub")) | {"testMode": True}).encode()
    assert make("sumsub").read_event(signed("sumsub", body), body, now=NOW).reference is None


# -- bodies --------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b"{" * 1000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"",
    ],
)
def test_a_rightly_signed_body_that_is_no_plain_object_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        make(name).read_event(signed(name, body), body, now=NOW)


@every
def test_a_huge_body_is_refused(name: str) -> None:
    body = b'{"a":"' + b"x" * BODY_MOST + b'"}'
    with pytest.raises(TooLarge):
        make(name).read_event(signed(name, body), body, now=NOW)


@every
@pytest.mark.parametrize(
    "reference",
    ["../../accounts/acct_1", "vs_1/../x", "inq_ä123456789", "a" * 200, "vs_1?expand[]=x", "a b"],
)
def test_a_reference_that_would_lead_elsewhere_is_about_nobody(name: str, reference: str) -> None:
    body = event(name, reference=reference)
    assert make(name).read_event(signed(name, body), body, now=NOW).reference is None


@every
def test_an_event_of_another_kind_is_about_nobody(name: str) -> None:
    said: Any = {"id": "evt_12345678", "livemode": True, "data": []}
    body = json.dumps(said).encode()
    assert make(name).read_event(signed(name, body), body, now=NOW).reference is None


# -- Stripe's own package ------------------------------------------------------------------------


@pytest.fixture
def stripe_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    import stripe._webhook as theirs

    class Clock:
        @staticmethod
        def time() -> float:
            return float(NOW)

    monkeypatch.setattr(theirs, "time", Clock)


def theirs_accepts(body: bytes, header: str, secret: str = SECRET) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_S)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def ours_accepts(body: bytes, header: str, *secrets: str) -> bool:
    return signatures.stamped(secrets or (SECRET,), body, header, now=NOW)


@pytest.mark.usefixtures("stripe_clock")
def test_what_stripes_own_package_signs_we_accept() -> None:
    for text in (json.dumps(recorded("stripe_event")), "{}", "ünï ✓", " ", "x" * 10_000):
        for at in (NOW, NOW - TOLERANCE_S, NOW - 1):
            header = stripe.WebhookSignature.generate_signature_header(text, SECRET, at)
            assert theirs_accepts(text.encode(), header)
            assert ours_accepts(text.encode(), header)


@pytest.mark.usefixtures("stripe_clock")
def test_what_we_sign_stripes_own_package_accepts() -> None:
    body = event("stripe")
    header = signed("stripe", body)["stripe-signature"]
    assert theirs_accepts(body, header)
    stripe.Webhook.construct_event(body, header, SECRET)


@pytest.mark.usefixtures("stripe_clock")
def test_what_we_refuse_stripes_own_package_refuses() -> None:
    body = event("stripe")
    good = mac(SECRET, f"{NOW}.".encode() + body)
    old = NOW - TOLERANCE_S - 1
    headers = [
        "",
        "t=",
        f"t={NOW}",
        f"v1={good}",
        f"t={NOW},v0={good}",
        f"t={NOW},v1={good[:-1]}",
        f"t={NOW},v1={good.upper()}",
        f"t={NOW},v1={SECRET}",
        f"t={NOW},v1={mac('other', f'{NOW}.'.encode() + body)}",
        f"t={NOW},v1={mac(SECRET, body)}",
        f"t={old},v1={good}",
        f"t={old},v1={mac(SECRET, f'{old}.'.encode() + body)}",
        f"t=x,v1={good}",
    ]
    for header in headers:
        assert not ours_accepts(body, header), header
        assert not theirs_accepts(body, header), header
    assert not ours_accepts(body + b" ", f"t={NOW},v1={good}")
    assert not theirs_accepts(body + b" ", f"t={NOW},v1={good}")


@pytest.mark.usefixtures("stripe_clock")
def test_several_signatures_count_as_in_stripes_own_package() -> None:
    body = event("stripe")
    good, junk = mac(SECRET, f"{NOW}.".encode() + body), "0" * 64
    for header in (f"t={NOW},v1={junk},v1={good}", f"t={NOW},v1={good},v0={junk}"):
        assert ours_accepts(body, header)
        assert theirs_accepts(body, header)


@pytest.mark.usefixtures("stripe_clock")
def test_we_are_stricter_than_stripes_package_about_the_future_and_two_moments() -> None:
    body = event("stripe")
    ahead = NOW + TOLERANCE_S + 1
    future = f"t={ahead},v1={mac(SECRET, f'{ahead}.'.encode() + body)}"
    twice = f"t={NOW},t=1,v1={mac(SECRET, f'{NOW}.'.encode() + body)}"
    for header in (future, twice):
        assert theirs_accepts(body, header)
        assert not ours_accepts(body, header)
