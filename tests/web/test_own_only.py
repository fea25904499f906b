"""No renter ever reads, changes or learns of another's case: held for every route there is.

Over the real identity office, vault and calendar. A route without a row here fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import responses

from kycgate.assembly.verifying import Me
from kycgate.core.claims import Account
from kycgate.issuer.identity import Identity
from kycgate.issuer.issuing import Issuer, IssuingRules
from kycgate.issuer.portability import Portability
from kycgate.issuer.retention import Retention, RetentionRules
from kycgate.issuer.vault import Vault
from kycgate.keys import LocalSigner
from kycgate.screening.controls import load_default_policy
from kycgate.web.api.routes import ROUTES
from tests.fakes import MemoryLog
from tests.issuer.conftest import DOMAIN, KEK, POLICY, Edition, FewCountries, Lists
from tests.issuer.pictures import a_jpeg
from tests.issuer.proofs import a_proof
from tests.issuer.providers.stand_in import MemoryOffice
from tests.issuer.providers.stand_in import World as Providers
from tests.issuer.test_mrz import TD3
from tests.web.browser import ALICE, MALLORY, Browser, key_of, signed_in
from tests.web.presenting import with_wallets
from tests.web.world import T0, World, a_job, build, fresh_store

ACCOUNT, STRANGER = Account(ALICE.address), Account(MALLORY.address)
SECRETS = (
    "Quillon",
    "1987-06-05",
    "12AB34567",
    "blurred",
    "needs-this",
    "job-label",
    "scheduler-user",
)
"""What only the renter and the reviewer know."""


@dataclass
class Town:
    """A gate with one renter whose case holds everything a case can hold."""

    world: World
    case_id: str
    key_id: str
    document_id: str
    visit_id: str
    presentation_id: str
    user_id: str
    handoff_id: str

    def known(self) -> list[str]:
        """What must not show up in an answer to anybody else."""
        return [
            *SECRETS,
            self.case_id,
            self.key_id,
            self.document_id,
            self.visit_id,
            self.presentation_id,
            self.user_id,
            self.handoff_id,
            key_of(ALICE),
        ]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    store, log = fresh_store(tmp_path / "gate.db"), MemoryLog()
    vault = Vault(store, KEK, log=log)
    signer = LocalSigner(b"\x11" * 32)
    issuer = Issuer(store, signer, DOMAIN, vault=vault, log=log, rules=IssuingRules(policy=POLICY))
    identity = Identity(
        store,
        vault=vault,
        issuer=issuer,
        screener=Lists(edition=Edition(as_of=T0)),
        countries=FewCountries(),
        log=log,
    )
    retention = Retention(store, vault=vault, book=identity.book, log=log, rules=RetentionRules())
    me = Me(retention, Portability(store, vault=vault, book=identity.book))
    http = responses.RequestsMock(assert_all_requests_are_fired=False)
    visits = Providers(store, http, cast("MemoryOffice", identity)).visits
    world = build(store, load_default_policy(), identity=identity, me=me, verifications=visits)
    with_wallets(world)
    renter = signed_in(world)
    details = {"name": "Perpetua Quillon", "country": "FR", "birth_date": "1987-06-05"}
    opened = renter.post("/v1/cases", {"kind": "person", "details": details})
    assert opened.status_code == 201, opened.text
    case_id = opened.get_json()["id"]
    identity.prove(
        ACCOUNT, a_proof(name="Somebody Quillon", document_number="250:12AB34567"), now=T0
    )
    kept = renter.raw("/v1/documents?side=front", a_jpeg(), "image/jpeg")
    renter.post("/v1/documents", {"mrz": list(TD3)})
    asked = [("document", "The picture is blurred: needs-this.")]
    identity.ask(case_id, asked, reviewer="mara", now=T0)
    key = renter.post("/v1/keys", {"label": "job-label"})
    store.begin_job(a_job(ACCOUNT), repeat_window_s=1)
    store.mark_forwarded(a_job(ACCOUNT).id, at=T0)
    shown = renter.post("/v1/presentations", {"mode": "redirect"}).get_json()["id"]
    document = kept.get_json()["document"]["id"]
    handoff = renter.post("/v1/handoffs", {}).get_json()["id"]
    user = world.link_user(key_of(ALICE), user="scheduler-user")
    with http:
        visit = renter.post("/v1/verifications", {"provider": "stripe"}).get_json()["id"]
        yield Town(world, case_id, key.get_json()["id"], document, visit, shown, user.id, handoff)
    store.close()


PERSON = {"kind": "person", "details": {"name": "Mallory Stranger", "country": "SG"}}
JOB = {"gpu_model": "H100", "gpu_count": 8, "hours": 24}
TERMS = {"provider": "0x" + "11" * 20, "token": "0x" + "22" * 20, "max_value": "5"}

_GUESSED = "/v1/presentations/" + "0" * 32
# What a stranger sends to each route to get at the renter's: path, body, and the right statuses.
ROWS: dict[tuple[str, str], list[tuple[str, Any, tuple[int, ...]]]] = {
    ("POST", "/v1/challenge"): [
        ("/v1/challenge", {"account": "{account}", "chain_id": 1}, (200,)),
    ],
    ("POST", "/v1/session"): [
        ("/v1/session", {"message": "x", "signature": "0x00"}, (400, 401)),
    ],
    ("GET", "/v1/session"): [("/v1/session", None, (200,))],
    ("DELETE", "/v1/session"): [("/v1/session", None, (204,))],
    ("GET", "/v1/status"): [
        ("/v1/status", None, (200,)),
        ("/v1/status?account={account}", None, (400,)),
    ],
    ("GET", "/v1/attestation"): [("/v1/attestation", None, (404,))],
    ("POST", "/v1/cases"): [("/v1/cases", PERSON, (201,))],
    ("GET", "/v1/cases"): [
        ("/v1/cases", None, (200,)),
        ("/v1/cases?account={account}", None, (400,)),
    ],
    ("GET", "/v1/cases/<id>"): [("/v1/cases/{case}", None, (404,))],
    ("PUT", "/v1/cases/<id>"): [("/v1/cases/{case}", {"details": PERSON["details"]}, (404,))],
    ("GET", "/v1/ways"): [("/v1/ways", None, (200,))],
    ("POST", "/v1/presentations"): [("/v1/presentations", {"mode": "dc"}, (201,))],
    ("GET", "/v1/presentations/<id>"): [("/v1/presentations/{presentation}", None, (404,))],
    ("POST", "/v1/presentations/<id>/response"): [
        ("/v1/presentations/{presentation}/response", {"response_code": "x"}, (404,)),
    ],
    # The wallet's own: whoever knows the id is the wallet, and 128 random bits are not guessed.
    ("GET", "/v1/presentations/<id>/request"): [(f"{_GUESSED}/request", None, (404,))],
    ("POST", "/v1/presentations/<id>/request"): [(f"{_GUESSED}/request", {}, (400,))],
    ("POST", "/v1/presentations/<id>/direct"): [(f"{_GUESSED}/direct", {}, (400,))],
    ("POST", "/v1/documents"): [
        ("/v1/documents", {"hand_in": True}, (409,)),
        ("/v1/documents", {"mrz": list(TD3)}, (409,)),
        ("/v1/documents", a_jpeg(), (409,)),
    ],
    ("GET", "/v1/documents"): [("/v1/documents", None, (200,))],
    ("POST", "/v1/accounts/challenge"): [
        ("/v1/accounts/challenge", {"account": "{account}", "chain_id": 1}, (200,)),
    ],
    ("POST", "/v1/accounts"): [
        ("/v1/accounts", {"message": "x", "signature": "0x00"}, (400, 401)),
    ],
    ("GET", "/v1/accounts"): [("/v1/accounts", None, (200,))],
    ("GET", "/v1/me/export"): [("/v1/me/export", None, (404,))],
    ("GET", "/v1/me/uses"): [("/v1/me/uses", None, (200,))],
    ("DELETE", "/v1/me"): [("/v1/me", None, (404,))],
    ("POST", "/v1/verifications"): [("/v1/verifications", {"provider": "stripe"}, (201,))],
    ("GET", "/v1/verifications/<id>"): [("/v1/verifications/{visit}", None, (404,))],
    ("POST", "/v1/webhooks/<provider>"): [("/v1/webhooks/stripe", {}, (401,))],
    ("POST", "/v1/imports"): [("/v1/imports", {}, (404,))],
    ("POST", "/v1/keys"): [("/v1/keys", {}, (201,))],
    ("GET", "/v1/keys"): [("/v1/keys", None, (200,))],
    ("DELETE", "/v1/keys/<id>"): [("/v1/keys/{key}", None, (404,))],
    ("POST", "/v1/users"): [("/v1/users", {}, (201,))],
    ("GET", "/v1/users"): [("/v1/users", None, (200,))],
    ("DELETE", "/v1/users/<id>"): [("/v1/users/{user}", None, (404,))],
    ("POST", "/v1/handoffs"): [("/v1/handoffs", {}, (201,))],
    ("POST", "/v1/handoffs/look"): [
        ("/v1/handoffs/look", {"code": "0000-0000-0000-0000"}, (401, 404)),
    ],
    ("POST", "/v1/handoffs/claim"): [
        ("/v1/handoffs/claim", {"code": "0000-0000-0000-0000", "match": "47"}, (401, 404)),
    ],
    ("GET", "/v1/handoffs/<id>"): [("/v1/handoffs/{handoff}", None, (404,))],
    ("DELETE", "/v1/handoffs/<id>"): [("/v1/handoffs/{handoff}", None, (404,))],
    ("POST", "/v1/permits"): [("/v1/permits", JOB | TERMS, (403,))],
    ("GET", "/v1/permits"): [("/v1/permits?job=0x" + "00" * 31 + "01", None, (403, 404))],
    ("POST", "/v1/explain"): [
        ("/v1/explain", JOB, (200,)),
        ("/v1/explain", JOB | {"account": "{account}"}, (404,)),
    ],
    ("GET", "/v1/openapi.json"): [("/v1/openapi.json", None, (200,))],
    ("GET", "/healthz"): [("/healthz", None, (200,))],
    ("GET", "/v1/register/<lei>"): [("/v1/register/529900T8BM49AURSDO55", None, (404,))],
}
_ECHOED = {("POST", "/v1/challenge"), ("POST", "/v1/accounts/challenge")}
"""Routes that repeat the account they were asked about, which the asker named."""


def test_every_route_has_a_row() -> None:
    assert {(route.method, route.rule) for route in ROUTES} == ROWS.keys()


@pytest.mark.parametrize(
    ("route", "path", "body", "right"),
    [(route, path, body, right) for route, rows in ROWS.items() for path, body, right in rows],
    ids=lambda value: (
        "".join(value) if isinstance(value, tuple) and value and isinstance(value[0], str) else None
    ),
)
def test_a_stranger_gets_nothing_of_anothers(
    town: Town, route: tuple[str, str], path: str, body: Any, right: tuple[int, ...]
) -> None:
    stranger = signed_in(town.world, MALLORY)
    before = _state(town)
    answer = _send(stranger, route[0], _filled(town, path), _filled_body(town, body))
    assert answer.status_code in right, answer.text
    known = [word for word in town.known() if word != key_of(ALICE) or route not in _ECHOED]
    told = answer.text.lower()
    assert [word for word in known if word.lower() in told] == []
    assert _state(town) == before


@pytest.mark.parametrize("route", sorted(ROWS), ids="".join)
def test_nobody_without_a_proof_gets_anything(town: Town, route: tuple[str, str]) -> None:
    path, body, _ = ROWS[route][0]
    answer = _send(Browser(town.world), route[0], _filled(town, path), _filled_body(town, body))
    if route not in {("POST", "/v1/challenge"), ("GET", "/v1/openapi.json"), ("GET", "/healthz")}:
        assert answer.status_code in (400, 401, 404), answer.text
    known = [word for word in town.known() if word != key_of(ALICE)]
    assert [word for word in known if word in answer.text] == []


def test_the_renter_does_see_their_own(town: Town) -> None:
    """The words that are looked for above are there to be found."""
    renter = signed_in(town.world)
    told = json.dumps(
        [
            renter.get("/v1/me/export").get_json(),
            renter.get("/v1/status").get_json(),
            renter.get("/v1/documents").get_json(),
            renter.get(f"/v1/verifications/{town.visit_id}").get_json(),
            renter.get(f"/v1/presentations/{town.presentation_id}").get_json(),
            renter.get(f"/v1/handoffs/{town.handoff_id}").get_json(),
        ]
    )
    assert [word for word in town.known() if word not in told] == []


def test_a_session_key_neither_copies_nor_erases_nor_links(town: Town) -> None:
    token = Browser(town.world).sign_in(ALICE, scope="session-key")
    tool = Browser(town.world, token=token)
    assert tool.get("/v1/me/export").status_code == 403
    assert tool.delete("/v1/me").status_code == 403
    challenge = {"account": key_of(MALLORY), "chain_id": 1}
    assert tool.post("/v1/accounts/challenge", challenge).status_code == 403
    assert tool.post("/v1/accounts", {"message": "x", "signature": "0x00"}).status_code == 403


def _state(town: Town) -> Any:
    """Everything that is stored about the renter."""
    store = town.world.store
    case = store.case(town.case_id)
    return (
        case,
        store.case_events(town.case_id),
        store.evidence_of(town.case_id),
        store.blobs_of(town.case_id),
        store.keys_of(key_of(ALICE)),
        store.presentation(town.presentation_id),
        store.user_links_of(key_of(ALICE)),
        store.accounts_of(case.subject_id if case else ""),
        store.verification(town.visit_id),
        store.handoff(town.handoff_id),
    )


def _filled(town: Town, path: str) -> str:
    return path.format(
        case=town.case_id,
        key=town.key_id,
        visit=town.visit_id,
        presentation=town.presentation_id,
        handoff=town.handoff_id,
        user=town.user_id,
        account=key_of(ALICE),
    )


def _filled_body(town: Town, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: key_of(ALICE) if value == "{account}" else value for name, value in body.items()}


def _send(browser: Browser, method: str, path: str, body: Any) -> Any:
    if isinstance(body, bytes):
        return browser.raw(path, body, "image/jpeg")
    send = {"GET": browser.get, "DELETE": browser.delete}
    if method in send:
        return send[method](path)
    return browser.put(path, body) if method == "PUT" else browser.post(path, body)
