"""Hosted providers and imports in the assembled product: from a configuration to an attestation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, cast

import pytest
import responses
from werkzeug.test import Client

from kycgate.assembly import Services, check_config, control_app, open_services
from kycgate.core.claims import Account, Level
from kycgate.errors import Misconfigured
from kycgate.issuer.cases import State as CaseState
from kycgate.issuer.providers import named
from kycgate.issuer.providers.named import Offered
from kycgate.screening.controls import load_countries
from tests.issuer.providers import stand_in
from tests.issuer.providers.stand_in import ALICE, BOB, NAMES, MemoryOffice, World, event, signed
from tests.operating import set_up

NOW = 1_785_586_000
"""2026-08-01, a day after the shipped lists."""
DAY = 86_400
SECRETS = {
    "SUMSUB_TOKEN": "prd:token",
    "SUMSUB_SECRET": "sumsub-secret",
    "PERSONA_KEY": "persona_production_k",
    "STRIPE_KEY": "rk_live_k",
    "WEBHOOK": stand_in.SECRET,
}
PROVIDERS = """
[sumsub]
app_token = "env:SUMSUB_TOKEN"
secret = "env:SUMSUB_SECRET"
webhook_secrets = ["env:WEBHOOK"]
level_name = "renter-level"

[persona]
api_key = "env:PERSONA_KEY"
webhook_secrets = ["env:WEBHOOK"]
template = "itmpl_Renter1"
level = 1

[stripe]
api_key = "env:STRIPE_KEY"
webhook_secrets = ["env:WEBHOOK"]

[[import]]
name = "coinbase"
chain_id = 8453
rpc = ["http://127.0.0.1:9"]
eas = "0x4200000000000000000000000000000000000021"
issuers = ["0x357458739F90461b99789350868CD7CF330Dd7EE"]
schemas = ["0xf8b05c79f090979bf4a80270aba232dff11a10d9ca55c4f88de95317970f0de9"]
indexer = "0x2c7eE1E5f416dfF40054c27A62f7B357C4E8619C"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    years = {"max_age_s": 63072000, "alarm_age_s": 63072000}
    return set_up(tmp_path, PROVIDERS, screening=years)


@dataclass
class Gate:
    """The assembled product, with the providers' APIs answering beside it."""

    services: Services
    world: World

    def begin(self, name: str, who: Account = ALICE) -> str:
        self.services.store.note_wallet_proof(who.key, at=NOW)
        assert self.services.verifying.verifications is not None
        visit, _ = self.services.verifying.verifications.start(who, name, now=NOW)
        return visit.id

    def tell(self, name: str, outcome: str, *, n: int = 0, now: int = NOW) -> None:
        self.world.says(name, outcome)
        self.world.heard(name, n=n, at=now)
        self.services.verifying.tick_providers(now)

    def level(self, who: Account = ALICE, *, now: int = NOW) -> int | None:
        held = self.services.identity.attestation(who, now=now)
        [case] = self.services.store.cases(account=who.key)
        return None if held is None else case.level

    def case_state(self, who: Account = ALICE) -> str:
        [case] = self.services.store.cases(account=who.key)
        return case.state


@pytest.fixture
def gate(config: Path) -> Iterator[Gate]:
    with (
        responses.RequestsMock(assert_all_requests_are_fired=False) as http,
        open_services(config) as services,
    ):
        world = World(services.store, http, cast("MemoryOffice", services.identity))
        assert services.verifying.verifications is not None
        world.visits = services.verifying.verifications
        yield Gate(services, world)


# -- from a check to an attestation --------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_passes_a_providers_check_and_is_attested(gate: Gate, name: str) -> None:
    gate.begin(name)
    gate.tell(name, "passed")
    expected = Level.LOW if name == "persona" else Level.SUBSTANTIAL
    assert gate.level() == expected
    assert gate.case_state() == CaseState.APPROVED
    [case] = gate.services.store.cases(account=ALICE.key)
    assert gate.services.countries.alpha2(case.country) == "DE"


def test_a_check_that_turns_red_voids_the_attestation(gate: Gate) -> None:
    gate.begin("sumsub")
    gate.tell("sumsub", "passed", n=1)
    assert gate.level() == Level.SUBSTANTIAL
    gate.tell("sumsub", "refused", n=2, now=NOW + 3600)
    assert gate.level(now=NOW + 3600) is None
    assert gate.case_state() == CaseState.REVIEW
    assert gate.services.store.epoch(ALICE.key) == 1
    gate.tell("sumsub", "passed", n=3, now=NOW + 7200)
    assert gate.level(now=NOW + 7200) is None, "only a reviewer gives it again"


def test_a_red_that_turns_green_late_is_attested(gate: Gate) -> None:
    gate.begin("sumsub")
    gate.tell("sumsub", "refused", n=1)
    assert gate.services.store.cases(account=ALICE.key) == []
    gate.tell("sumsub", "passed", n=2)
    assert gate.level() == Level.SUBSTANTIAL


def test_a_retry_gives_the_case_back_with_words_for_the_renter(gate: Gate) -> None:
    identity = gate.services.identity
    gate.begin("sumsub")
    details = {"name": "Zoe Sorensen", "country": "DE"}
    opened = identity.open_case(ALICE, 1, details, refusal_id=None, now=NOW)
    gate.tell("sumsub", "retry", n=1)
    case = identity.case(opened.id)
    assert case.state == CaseState.NEEDS
    [need] = identity.standing(case, now=NOW).needs
    assert need.text == "We do not accept screenshots. Upload an original photo."
    gate.tell("sumsub", "passed", n=2, now=NOW + 60)
    assert gate.level(now=NOW + 60) == Level.SUBSTANTIAL


def test_the_same_passport_through_two_providers_is_known_again(gate: Gate) -> None:
    """Sumsub writes `LGXX 359-T8`, Stripe `LGXX359T8`: another account with it is looked at."""
    gate.begin("sumsub")
    gate.tell("sumsub", "passed")
    gate.begin("stripe", BOB)
    gate.tell("stripe", "passed")
    assert gate.level() == Level.SUBSTANTIAL
    assert gate.level(BOB) is None
    [case] = gate.services.store.cases(account=BOB.key)
    assert "document_shared" in case.reason_codes


def test_a_test_mode_pass_never_reaches_a_live_attestation(gate: Gate) -> None:
    gate.begin("stripe")
    gate.world.says("stripe", "passed")
    gate.world.state["stripe"]["livemode"] = False
    gate.world.heard("stripe", at=NOW)
    gate.services.verifying.tick_providers(NOW)
    assert gate.services.store.cases(account=ALICE.key) == []
    assert gate.services.identity.attestation(ALICE, now=NOW) is None


def test_nothing_of_a_check_stands_in_the_clear_in_the_database(gate: Gate, config: Path) -> None:
    gate.begin("sumsub")
    gate.tell("sumsub", "passed")
    assert gate.level() == Level.SUBSTANTIAL
    kept = b"".join(path.read_bytes() for path in config.parent.glob("kycgate.sqlite3*"))
    for personal in (b"Sorensen", "Sørensen".encode(), b"1989-07-16", b"LGXX", b"P<DNK"):
        assert personal not in kept
    for secret in SECRETS.values():
        assert secret.encode() not in kept


def test_the_ways_a_renter_may_choose_name_each_provider(gate: Gate) -> None:
    ways = [way for ask in gate.services.web.ways for way in ask()]
    found = {way.id: (way.level, way.live) for way in ways if way.id in NAMES}
    assert found == {"sumsub": (2, True), "persona": (1, True), "stripe": (2, True)}


def test_a_webhook_reaches_the_assembled_control_plane(gate: Gate) -> None:
    client = Client(control_app(gate.services))
    body = event("sumsub")
    for headers, status in ((signed("sumsub", body), 200), ({}, 401)):
        assert client.post("/v1/webhooks/sumsub", data=body, headers=headers).status_code == status


def test_an_imported_record_that_nobody_answers_for_changes_nothing(gate: Gate) -> None:
    from kycgate.errors import Unavailable

    imports = gate.services.web.imports
    assert imports is not None
    details = {"name": "Zoe Sorensen", "country": "DE"}
    opened = gate.services.identity.open_case(ALICE, 1, details, refusal_id=None, now=NOW)
    with pytest.raises(Unavailable):
        imports.find(ALICE, now=NOW)
    assert gate.services.identity.case(opened.id) == opened


# -- the configuration ---------------------------------------------------------------------------


def problem(config: Path, *changes: tuple[str, str]) -> str:
    text = config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    config.write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        check_config(config)
    return str(wrong.value)


def test_a_sandbox_provider_in_a_live_gate_is_refused_at_the_start(config: Path) -> None:
    found = problem(config, ("[stripe]", '[stripe]\nenvironment = "test"'))
    assert "stripe.environment" in found
    assert '"live"' in found


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SUMSUB_TOKEN", "sbx:x"), ("PERSONA_KEY", "persona_sandbox_x"), ("STRIPE_KEY", "sk_test_x")],
)
def test_a_sandbox_key_in_a_live_gate_is_refused_at_the_start(
    config: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    found = problem(config)
    assert "begins with" in found
    assert value not in found


def test_a_stand_in_in_a_live_gate_is_refused_at_the_start(config: Path) -> None:
    """Whoever answers there could pass anybody."""
    found = problem(config, ("[stripe]", '[stripe]\nurl = "http://127.0.0.1:9"'))
    assert "stripe.url" in found


def test_a_stand_in_elsewhere_is_refused_in_any_gate(config: Path) -> None:
    for url in ("https://evil.test", "http://10.0.0.1:80", "https://127.0.0.1"):
        text = config.read_text()
        assert "stripe.url" in problem(config, ("[stripe]", f'[stripe]\nurl = "{url}"'))
        config.write_text(text)


def test_a_provider_without_a_webhook_secret_is_refused_at_the_start(config: Path) -> None:
    found = problem(config, ('webhook_secrets = ["env:WEBHOOK"]', "webhook_secrets = []"))
    assert "sumsub.webhook_secrets" in found


def test_a_secret_in_the_file_is_refused_without_repeating_it(config: Path) -> None:
    found = problem(config, ("env:STRIPE_KEY", "rk_live_pasted"))
    assert "stripe.api_key" in found
    assert "rk_live_pasted" not in found


@pytest.mark.parametrize(
    ("old", "new", "named_setting"),
    [
        ("level = 1", "level = 3", "persona.level"),
        ('level_name = "renter-level"', "", "sumsub.level_name"),
        ("issuers = [", "issuers = []\nignored = [", "import.ignored"),
        ('schemas = ["0xf8', 'schemas = ["0xzz', "import.schemas"),
        ("[[import]]", "[import]", "import"),
        ("[sumsub]", "[sumsup]", "sumsup"),
    ],
)
def test_a_wrong_provider_setting_is_named(
    config: Path, old: str, new: str, named_setting: str
) -> None:
    assert f": {named_setting}: " in problem(config, (old, new))


def test_an_import_that_pins_nobody_is_refused(config: Path) -> None:
    line = 'issuers = ["0x357458739F90461b99789350868CD7CF330Dd7EE"]'
    assert "import.issuers" in problem(config, (line, "issuers = []"))


def test_the_check_of_a_configuration_says_which_ways_it_offers(config: Path) -> None:
    assert check_config(config)["identity"].startswith("live: sumsub, persona, stripe")


def test_without_providers_the_gate_works_and_offers_none(config: Path) -> None:
    config.write_text(config.read_text().replace(PROVIDERS, ""))
    with open_services(config) as services:
        assert services.verifying.verifications is None
        services.verifying.tick_providers(NOW)
        ways = [way.id for ask in services.web.ways for way in ask()]
        assert not set(ways) & set(NAMES)


# -- entry points --------------------------------------------------------------------------------

MADE: list[Offered] = []


def harbour(offered: Offered) -> Any:
    """A provider as another package would bring it."""
    MADE.append(offered)
    provider: Any = stand_in.make("stripe", live=offered.live)
    provider.name = offered.settings.get("call_me", "harbour")
    return provider


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("harbour", f"{__name__}:harbour", named.GROUP)
    broken = EntryPoint("broken", f"{__name__}:nothing", named.GROUP)
    monkeypatch.setattr(named, "entry_points", lambda group: EntryPoints([point, broken]))


@pytest.mark.usefixtures("installed")
def test_a_provider_of_another_package_is_opened_by_its_name(config: Path) -> None:
    table = """
[[provider]]
name = "harbour"
level = 1
settings = { account = "x" }
secrets = { token = "env:STRIPE_KEY" }
"""
    config.write_text(config.read_text() + table)
    with open_services(config) as services:
        assert services.verifying.verifications is not None
        assert [each.name for each in services.verifying.verifications.providers][-1] == "harbour"
    offered = MADE[-1]
    assert (offered.live, offered.level) == (True, Level.LOW)
    assert dict(offered.settings) == {"account": "x"}
    assert "rk_live_k" not in repr(offered)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("nobody", {}, "no installed package"),
        ("broken", {}, "can't be loaded"),
        ("harbour", {"call_me": "sumsub"}, "is another"),
    ],
)
def test_a_provider_that_is_not_what_it_is_called_is_refused(
    name: str, settings: dict[str, str], why: str
) -> None:
    offered = Offered(True, Level.LOW, load_countries(), settings, {})
    with pytest.raises(Misconfigured, match=why):
        named.open_named(name, offered)


def test_a_package_can_not_take_the_name_of_a_provider_that_is_there(config: Path) -> None:
    config.write_text(config.read_text() + '\n[[provider]]\nname = "stripe"\n')
    with pytest.raises(Misconfigured, match=r"provider\.name"):
        check_config(config)
