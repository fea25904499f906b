"""What a provider's answer establishes, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import responses

from kycgate.core.claims import Level
from kycgate.errors import Conflict, Misconfigured, NotFound, Unavailable
from kycgate.issuer.providers.base import ApiKeys, Claimed, Outcome
from kycgate.issuer.providers.http import Ask, Http
from kycgate.issuer.providers.persona import Persona
from kycgate.issuer.providers.stripe import StripeIdentity
from kycgate.issuer.providers.sumsub import Sumsub, SumsubKeys
from kycgate.screening.controls import load_countries
from tests.issuer.providers.stand_in import NAMES, NOW, REFERENCES, RETURN, World, mac, make

every = pytest.mark.parametrize("name", NAMES)
DANISH = {"document_country": "DK", "document_expires": "2031-09-04"}


@every
def test_a_pass_establishes_name_birth_country_document_and_its_end(
    world: World, name: str
) -> None:
    found = make(name).fetch(REFERENCES[name], now=NOW)
    assert (found.outcome, found.live, found.ours) == (Outcome.PASSED, True, "OURS")
    claimed = found.claimed
    assert isinstance(claimed, Claimed)
    assert claimed.name.lower() == "zoe sorensen"
    assert claimed.birth_date == "1989-07-16"
    assert claimed.country == 276, "where they live, not who issued the passport"
    assert claimed.document_number == "208:LGXX359T8", "one spelling, whoever read it"
    assert claimed.valid_until == 1_946_332_799, "to the end of the day it names"
    assert dict(claimed.document) | DANISH == dict(claimed.document)
    assert found.decided_at is not None
    assert found.decided_at <= NOW


@every
def test_no_image_and_no_address_is_copied(world: World, name: str) -> None:
    found = make(name).fetch(REFERENCES[name], now=NOW)
    assert found.claimed is not None
    kept = json.dumps([dict(found.claimed.document), found.claimed.name])
    for unwanted in ("file", "photo", "http", "Allee", "Berlin", "mrz", "P<DNK"):
        assert unwanted not in kept


@every
@pytest.mark.parametrize("outcome", ["open", "checking", "passed", "retry", "refused", "gone"])
def test_every_outcome_is_told_apart(world: World, name: str, outcome: str) -> None:
    if (name, outcome) == ("persona", "retry"):
        outcome = "expired"  # it has no such state: an inquiry is resumed, or another begun
    world.says(name, outcome)
    expected = "open" if outcome == "expired" else outcome
    found = make(name).fetch(REFERENCES[name], now=NOW)
    assert found.outcome == expected
    assert (found.claimed is not None) == (expected == "passed")


@every
@pytest.mark.parametrize("word", ["brand_new_state", None, 7, [], {}])
def test_a_word_nobody_knows_passes_nobody(world: World, name: str, word: object) -> None:
    said = world.state[name]
    if name == "sumsub":
        said["review"]["reviewResult"]["reviewAnswer"] = word
    elif name == "persona":
        said["data"]["attributes"]["status"] = word
    else:
        said["status"] = word
    assert make(name).fetch(REFERENCES[name], now=NOW).outcome is Outcome.CHECKING


@pytest.mark.parametrize("outcome", ["retry", "refused", "passed"])
def test_what_sumsub_wrote_for_the_operator_never_reaches_the_renter(
    world: World, outcome: str
) -> None:
    world.says("sumsub", outcome)
    found = make("sumsub").fetch(REFERENCES["sumsub"], now=NOW)
    assert "blocklist" not in repr(found)
    expected = "We do not accept screenshots. Upload an original photo."
    assert found.note == (expected if outcome == "retry" else "")


def test_the_moderation_comment_is_bounded_and_plain(world: World) -> None:
    world.says("sumsub", "retry")
    words = "Bad \u202ephoto\x1b[31m\n\n" + "x" * 5000
    world.state["sumsub"]["review"]["reviewResult"]["moderationComment"] = words
    note = make("sumsub").fetch(REFERENCES["sumsub"], now=NOW).note
    assert note.startswith("Bad photo[31m x")
    assert len(note) == 500
    world.state["sumsub"]["review"]["reviewResult"]["moderationComment"] = {"en": "x"}
    assert make("sumsub").fetch(REFERENCES["sumsub"], now=NOW).note == ""


def test_stripes_reason_is_told_in_our_words(world: World) -> None:
    world.says("stripe", "retry")
    note = make("stripe").fetch(REFERENCES["stripe"], now=NOW).note
    assert note == "The document has expired: use one that is still valid."
    world.state["stripe"]["last_error"]["code"] = "something_new"
    assert "J. Doe" not in make("stripe").fetch(REFERENCES["stripe"], now=NOW).note


def test_what_the_renter_typed_is_not_taken_for_what_a_document_says(world: World) -> None:
    """Persona's `fields` and Sumsub's `fixedInfo` are the renter's own words."""
    included = world.state["persona"]["included"]
    for status in ("failed", "submitted", None):
        included[0]["attributes"]["status"] = status
        assert make("persona").fetch(REFERENCES["persona"], now=NOW).claimed is None
    world.state["sumsub"]["info"] = {}
    assert make("sumsub").fetch(REFERENCES["sumsub"], now=NOW).claimed is None


def test_a_verification_of_another_inquiry_is_not_believed(world: World) -> None:
    world.state["persona"]["data"]["relationships"]["verifications"]["data"] = []
    assert make("persona").fetch(REFERENCES["persona"], now=NOW).claimed is None


def test_an_unverified_document_in_a_verified_session_names_nobody(world: World) -> None:
    world.state["stripe"]["last_verification_report"]["document"]["status"] = "unverified"
    assert make("stripe").fetch(REFERENCES["stripe"], now=NOW).claimed is None


def test_a_pass_at_another_level_of_sumsub_is_no_pass(world: World) -> None:
    world.state["sumsub"]["review"]["levelName"] = "questionnaire-only"
    assert make("sumsub").fetch(REFERENCES["sumsub"], now=NOW).outcome is Outcome.CHECKING


def test_completed_passes_only_where_the_operator_says_so(world: World) -> None:
    world.state["persona"]["data"]["attributes"]["status"] = "completed"
    assert make("persona").fetch(REFERENCES["persona"], now=NOW).outcome is Outcome.CHECKING
    last_word = Persona(
        ApiKeys(api_key="persona_production_k", webhook_secrets=()),
        template="itmpl_Renter1",
        live=True,
        countries=load_countries(),
        completed_passes=True,
        level=Level.LOW,
    )
    assert last_word.fetch(REFERENCES["persona"], now=NOW).outcome is Outcome.PASSED
    assert last_word.level is Level.LOW


@every
def test_what_is_not_told_is_unknown_and_never_guessed(world: World, name: str) -> None:
    said = world.state[name]
    if name == "sumsub":
        said["info"] = {"lastName": "Sorensen", "country": "Atlantis", "dob": "1989-02-30"}
    elif name == "persona":
        said["included"][0]["attributes"] = {"status": "passed", "name-last": "Sorensen"}
    else:
        said["verified_outputs"] = {
            "last_name": "Sorensen",
            "dob": {"day": 30, "month": 2, "year": 1},
        }
        said["last_verification_report"]["document"] = {"status": "verified"}
    claimed = make(name).fetch(REFERENCES[name], now=NOW).claimed
    assert claimed is not None
    assert (claimed.name, claimed.birth_date, claimed.country) == ("Sorensen", None, 0)
    assert (claimed.document_number, claimed.valid_until) == (None, None)


# -- environments --------------------------------------------------------------------------------


def test_a_key_of_the_other_environment_is_refused_at_the_start() -> None:
    countries = load_countries()
    for token in ("sbx:x", "x", "", "PRD:x"):
        keys = SumsubKeys(app_token=token, secret="s", webhook_secrets=())
        with pytest.raises(Misconfigured, match="app_token"):
            Sumsub(keys, level_name="l", live=True, countries=countries, clock=lambda: 0)
    for key in ("persona_sandbox_x", "x", ""):
        persona = ApiKeys(api_key=key, webhook_secrets=())
        with pytest.raises(Misconfigured, match="api_key"):
            Persona(persona, template="t", live=True, countries=countries)
    for key in ("sk_test_x", "rk_test_x", "pk_live_x", ""):
        with pytest.raises(Misconfigured, match="api_key"):
            StripeIdentity(ApiKeys(api_key=key, webhook_secrets=()), live=True, countries=countries)


@pytest.mark.parametrize("where", ["session", "report"])
def test_stripes_own_mode_is_read_off_session_and_report(world: World, where: str) -> None:
    said = world.state["stripe"]
    (said if where == "session" else said["last_verification_report"])["livemode"] = False
    assert make("stripe").fetch(REFERENCES["stripe"], now=NOW).live is False


def test_an_applicant_made_by_a_sandbox_token_is_not_live(world: World) -> None:
    world.state["sumsub"]["createdBy"] = "service-sbx-CDKRRPSFQJAATC-gate"
    assert make("sumsub").fetch(REFERENCES["sumsub"], now=NOW).live is False


@every
def test_no_secret_shows_in_a_repr(world: World, name: str) -> None:
    provider = make(name)
    shown = repr(vars(provider)) + repr(vars(provider)["_keys"])
    for secret in ("prd:token", "sumsub-secret", "persona_production_k", "rk_live_k", "whsec_"):
        assert secret not in shown


# -- the visit -----------------------------------------------------------------------------------


@every
def test_a_visit_names_our_random_id_and_nothing_of_the_renter(world: World, name: str) -> None:
    world.says(name, "open")
    link = make(name).start("0f" * 16, return_url=RETURN, now=NOW)
    assert link.reference == REFERENCES[name]
    assert link.expires_at == NOW + 86_400
    first = world.asked[0]
    sent = first.body.decode() if isinstance(first.body, bytes) else str(first.body)
    assert "0f" * 16 in sent
    assert "0xa1" not in sent
    assert "email" not in sent
    assert link.url not in repr(link)


def test_sumsub_signs_every_request_over_moment_method_target_and_body(world: World) -> None:
    make("sumsub").start("0f" * 16, return_url=RETURN, now=NOW)
    for request in world.asked:
        body = request.body if isinstance(request.body, bytes) else b""
        message = f"{NOW}{request.method}{request.path_url}".encode() + body
        assert request.headers["X-App-Access-Sig"] == mac("sumsub-secret", message)
        assert request.headers["X-App-Access-Ts"] == str(NOW)


@pytest.mark.parametrize("name", ["persona", "stripe"])
def test_a_visit_asked_for_twice_is_one_at_the_provider(world: World, name: str) -> None:
    make(name).start("0f" * 16, return_url=RETURN, now=NOW)
    assert world.asked[0].headers["Idempotency-Key"] == "0f" * 16


def test_an_applicant_that_is_there_already_is_found_again(world: World) -> None:
    """A crash between Sumsub's answer and our store: the same id leads to the same applicant."""
    api = "https://api.sumsub.com/resources"
    with responses.RequestsMock() as http:
        http.post(f"{api}/applicants", status=409, json={"description": "already exists"})
        http.get(
            f"{api}/applicants/-;externalUserId={'0f' * 16}/one", json={"id": REFERENCES["sumsub"]}
        )
        http.post(
            f"{api}/sdkIntegrations/levels/-/websdkLink", json={"url": "https://in.sumsub.com/x"}
        )
        link = make("sumsub").start("0f" * 16, return_url=RETURN, now=NOW)
    assert link.reference == REFERENCES["sumsub"]


@every
def test_a_fresh_link_leads_into_the_same_visit(world: World, name: str) -> None:
    for outcome in ("open", "expired" if name == "persona" else "retry"):
        world.says(name, outcome)
        link = make(name).link(REFERENCES[name], "0f" * 16, return_url=RETURN, now=NOW)
        assert link is not None
        assert link.reference == REFERENCES[name]
    if name == "persona":
        assert any(str(each.url).endswith("/resume") for each in world.asked)


@every
def test_a_visit_that_is_looked_at_or_over_has_no_link(world: World, name: str) -> None:
    for outcome in ("checking", "passed"):
        world.says(name, outcome)
        with pytest.raises(Conflict):
            make(name).link(REFERENCES[name], "0f" * 16, return_url=RETURN, now=NOW)
    for outcome in ("gone", "refused"):
        world.says(name, outcome)
        assert make(name).link(REFERENCES[name], "0f" * 16, return_url=RETURN, now=NOW) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://verify.stripe.com/start/x",
        "https://verify.stripe.com.evil.test/x",
        "https://verify.stripe.com@evil.test/x",
        "https://user@verify.stripe.com/x",
        "javascript:alert(1)",
        "//evil.test/x",
        "https://evil.test\\.verify.stripe.com/x",
        "http://127.0.0.1/x",
        None,
        "",
        7,
        "https://verify.stripe.com/" + "x" * 3000,
    ],
)
def test_a_renter_is_never_sent_to_another_site(world: World, url: object) -> None:
    world.says("stripe", "open")
    world.state["stripe"]["url"] = url
    with pytest.raises(Unavailable):
        make("stripe").link(REFERENCES["stripe"], "0f" * 16, return_url=RETURN, now=NOW)


# -- the wire ------------------------------------------------------------------------------------

API = "https://api.provider.test"


def ask(http: responses.RequestsMock, **answer: Any) -> dict[str, Any]:
    http.get(f"{API}/x", **answer)
    return Http("provider", API).ask(Ask("GET", "/x", {"Authorization": "Bearer secret"}))


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429},
        {"status": 401},
        {"status": 403},
        {"status": 400, "body": "secret"},
        {"status": 302, "headers": {"Location": "https://evil.test/"}},
        {"body": "not json"},
        {"body": "[]"},
        {"body": b"\xff"},
        {"body": '{"a":1,"a":2}'},
        {"body": '{"a":' * 100 + "1" + "}" * 100},
        {"body": "x" * (2**20 + 1)},
        {"body": requests.ConnectionError("https://api.provider.test/x secret")},
        {"body": requests.ReadTimeout("secret")},
    ],
)
def test_no_answer_is_neither_yes_nor_no_and_tells_no_secret(answer: dict[str, Any]) -> None:
    with responses.RequestsMock() as http, pytest.raises(Unavailable) as silence:
        ask(http, **answer)
    assert "secret" not in str(silence.value)
    assert silence.value.__cause__ is None


def test_a_redirect_is_not_followed() -> None:
    with responses.RequestsMock() as http:
        with pytest.raises(Unavailable):
            ask(http, status=307, headers={"Location": f"{API}/y"})
        assert len(http.calls) == 1


def test_an_answer_that_drips_is_given_up() -> None:
    moments = iter([0.0, 5.0, 16.0])
    with responses.RequestsMock() as http:
        http.get(f"{API}/x", body='{"a":"' + "x" * 200_000 + '"}')
        slow = Http("provider", API, monotonic=lambda: next(moments))
        with pytest.raises(Unavailable, match="does not end"):
            slow.ask(Ask("GET", "/x"))


def test_what_is_not_there_and_what_is_there_already_are_told_apart() -> None:
    for status, kind in ((404, NotFound), (409, Conflict)):
        with responses.RequestsMock() as http, pytest.raises(kind):
            ask(http, status=status)


def test_no_proxy_of_the_environment_is_picked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://evil.test:3128")
    seen: list[Any] = []
    monkeypatch.setattr(
        requests.Session, "request", lambda self, *a, **k: seen.append(self.trust_env) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        Http("provider", API).ask(Ask("GET", "/x"))
    assert seen == [False]
