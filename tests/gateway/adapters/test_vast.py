"""Vast.ai's wire: offers learned by the gate itself, bodies read strictly, stops told apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Action, JobRequest
from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import Ending, Kind, Route
from kycgate.gateway.adapters.vast import Vast

NOW = 1_800_000_000
API = "/api/v0"
RTX = {"id": 384826, "ask_contract_id": 384826, "gpu_name": "RTX 3090", "num_gpus": 2}
H100 = {"id": 5, "ask_contract_id": 5, "gpu_name": "H100 SXM", "num_gpus": 8}
PINNED = {"gpu_name": {"eq": "RTX 3090"}, "num_gpus": {"eq": "2"}, "type": "on-demand"}


class Bundles:
    """Answers the gate's own searches and counts them; `down` makes it fail."""

    def __init__(self) -> None:
        self.offers: Any = [RTX, H100]
        self.asked: list[dict[str, Any]] = []
        self.down = False

    def search(self, path: str, question: bytes) -> bytes:
        assert path == f"{API}/bundles/"
        self.asked.append(json.loads(question))
        if self.down:
            raise Unavailable("upstream is down")
        return json.dumps({"offers": self.offers}).encode()


@pytest.fixture
def bundles() -> Bundles:
    return Bundles()


@pytest.fixture
def vast(bundles: Bundles) -> Vast:
    return Vast(search=bundles.search)


def rent(vast: Vast, body: Any = None, *, offer: int = 384826, now: int = NOW) -> JobRequest:
    route = vast.match("PUT", f"{API}/asks/{offer}/")
    assert route is not None
    said = {"client_id": "me", "image": "nginx", "price": None} if body is None else body
    return vast.job(route, json.dumps(said).encode(), recorded=None, now=now)


def launch(vast: Vast, query: Any) -> JobRequest:
    route = vast.match("PUT", f"{API}/launch_instance/")
    assert route is not None
    return vast.job(route, json.dumps({"image": "i", "q": query}).encode(), recorded=None, now=NOW)


@pytest.mark.parametrize(
    ("method", "path", "kind", "resource"),
    [
        ("PUT", f"{API}/asks/384826/", Kind.RENT, None),
        ("POST", f"{API}/asks/bulk/", Kind.RENT, None),
        ("PUT", f"{API}/launch_instance/", Kind.RENT, None),
        ("PUT", f"{API}/instances/", Kind.RENT, None),
        ("POST", f"{API}/endptjobs/", Kind.RENT, None),
        ("PUT", f"{API}/endptjobs/7/", Kind.RENT, None),
        ("POST", f"{API}/autojobs/", Kind.RENT, None),
        ("POST", f"{API}/workergroups/", Kind.RENT, None),
        ("PUT", f"{API}/deployments/", Kind.RENT, None),
        ("POST", f"{API}/cluster/", Kind.RENT, None),
        ("PUT", f"{API}/cluster/", Kind.RENT, None),
        ("PUT", f"{API}/instances/7/", Kind.EXTEND, "7"),
        ("PUT", f"{API}/instances/bid_price/7/", Kind.EXTEND, "7"),
        ("PUT", f"{API}/instances/prepay/7/", Kind.EXTEND, "7"),
        ("PUT", f"{API}/instances/reboot/7/", Kind.MODIFY, "7"),
        ("PUT", f"{API}/instances/update_template/7/", Kind.MODIFY, "7"),
        ("DELETE", f"{API}/instances/7/", Kind.STOP, "7"),
        ("GET", f"{API}/instances/7/", Kind.OWN_READ, "7"),
        ("PUT", f"{API}/instances/request_logs/7/", Kind.OWN_READ, "7"),
        ("GET", "/api/v1/instances/", Kind.LIST, None),
        ("GET", f"{API}/users/current", Kind.ACCOUNT_READ, None),
        ("POST", f"{API}/bundles/", Kind.PUBLIC_READ, None),
        ("GET", f"{API}/gpu_names/unique/", Kind.PUBLIC_READ, None),
    ],
)
def test_every_route_has_its_kind(
    vast: Vast, method: str, path: str, kind: Kind, resource: str | None
) -> None:
    route = vast.match(method, path)
    assert route is not None
    assert (route.kind, route.resource) == (kind, resource)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{API}/asks/0384826/"),
        ("PUT", f"{API}/asks/384826"),
        ("PUT", f"{API}/asks/384826/x/"),
        ("PUT", "/api/v1/asks/384826/"),
        ("PUT", "/API/v0/asks/384826/"),
        ("POST", f"{API}/asks/384826/"),
        ("DELETE", f"{API}/instances/07/"),
        ("POST", f"{API}/auth/apikeys/"),
        ("PUT", f"{API}/commands/transfer_credit/"),
        ("PUT", f"{API}/commands/schedule_job/"),
        ("POST", f"{API}/commands/schedule_job/"),
        ("PUT", f"{API}/machines/create_bids/"),
    ],
)
def test_other_spellings_and_unknown_routes_have_none(vast: Vast, method: str, path: str) -> None:
    assert vast.match(method, path) is None


# -- offers ---------------------------------------------------------------------------------------


def test_an_offer_is_learned_by_the_gates_own_question(vast: Vast, bundles: Bundles) -> None:
    job = rent(vast)
    assert (job.marketplace, job.action) == ("vast", Action.RENT)
    assert (job.gpu_model, job.gpu_count, job.hours, job.value) == ("RTX 3090", 2, None, None)
    assert bundles.asked[0]["id"] == {"eq": 384826}


def test_an_offer_is_believed_for_sixty_seconds_and_no_longer(vast: Vast, bundles: Bundles) -> None:
    rent(vast)
    bundles.down = True
    assert rent(vast, now=NOW + 59).gpu_model == "RTX 3090"
    assert rent(vast, now=NOW + 60).gpu_model is None
    assert len(bundles.asked) == 2


def test_a_clock_set_back_makes_no_old_answer_young(vast: Vast, bundles: Bundles) -> None:
    rent(vast)
    bundles.down = True
    assert rent(vast, now=NOW - 1).gpu_model is None


def test_a_dead_marketplace_is_not_asked_once_per_rental(vast: Vast, bundles: Bundles) -> None:
    bundles.down = True
    assert [rent(vast, now=NOW + second).gpu_model for second in range(5)] == [None] * 5
    assert len(bundles.asked) == 1
    bundles.down = False
    assert rent(vast, now=NOW + 5).gpu_model == "RTX 3090"


@pytest.mark.parametrize(
    "offers",
    [
        [],
        [H100],
        [RTX, RTX | {"gpu_name": "H100 SXM"}],
        [RTX, RTX | {"num_gpus": 8}],
        [RTX, H100 | {"ask_contract_id": 384826}],
        [RTX | {"gpu_name": None}],
        [RTX | {"num_gpus": 2.0}],
        [RTX | {"num_gpus": True}],
        [RTX | {"num_gpus": 0}],
        [{"id": "384826", "gpu_name": "RTX 3090", "num_gpus": 2}],
        [RTX, "strange"],
        {"384826": RTX},
        None,
    ],
)
def test_an_offer_that_is_not_described_in_one_way_is_unknown(
    vast: Vast, bundles: Bundles, offers: Any
) -> None:
    bundles.offers = offers
    job = rent(vast)
    assert (job.gpu_model, job.gpu_count) == (None, None)


def test_an_answer_that_names_a_member_twice_is_not_believed() -> None:
    row = b'{"id": 384826, "gpu_name": "H100 SXM", "gpu_name": "RTX 3090", "num_gpus": 2}'
    vast = Vast(search=lambda path, question: b'{"offers": [' + row + b"]}")
    assert rent(vast).gpu_model is None


def test_a_bid_is_looked_up_among_the_bids(vast: Vast, bundles: Bundles) -> None:
    rent(vast, {"price": 0.2})
    rent(vast, {"price": None})
    assert [asked["type"] for asked in bundles.asked] == ["bid", "on-demand"]


def test_memory_of_offers_is_bounded_and_the_oldest_goes_first(
    vast: Vast, bundles: Bundles
) -> None:
    bundles.offers = [RTX | {"id": number, "ask_contract_id": number} for number in (1, 4200)]
    for number in range(1, 4201):
        rent(vast, offer=number)
    for number, asked in ((4200, 4200), (1, 4201)):
        assert rent(vast, offer=number).gpu_model == "RTX 3090"
        assert len(bundles.asked) == asked


@pytest.mark.parametrize(
    "body",
    [
        {"client_id": "17"},
        {"ids": [1, 2]},
        {"num_gpus": 8},
        {"q": {}},
    ],
)
def test_a_rental_that_may_say_more_than_we_read_is_refused(vast: Vast, body: Any) -> None:
    with pytest.raises(Malformed):
        rent(vast, body)


def test_the_same_member_twice_is_refused(vast: Vast) -> None:
    with pytest.raises(Malformed, match="twice"):
        vast.job(Route(Kind.RENT, "ask 5"), b'{"image":"a","image":"b"}', recorded=None, now=NOW)


# -- launch ---------------------------------------------------------------------------------------


def test_a_launch_is_known_when_all_that_may_be_picked_is_what_was_pinned(
    vast: Vast, bundles: Bundles
) -> None:
    bundles.offers = [RTX, RTX | {"id": 9, "ask_contract_id": 9}]
    job = launch(vast, PINNED)
    assert (job.gpu_model, job.gpu_count) == ("RTX 3090", 2)
    assert bundles.asked == [PINNED]


@pytest.mark.parametrize(
    ("query", "offers"),
    [
        (PINNED, [RTX, H100]),
        (PINNED, [H100]),
        (PINNED, []),
        ({"num_gpus": {"eq": "2"}}, [RTX]),
        (PINNED | {"gpu_name": {"in": ["RTX 3090"]}}, [RTX]),
        (PINNED | {"gpu_name": {"eq": "RTX 3090", "in": ["H100 SXM"]}}, [RTX]),
        (PINNED | {"num_gpus": {"gte": "2"}}, [RTX]),
        (PINNED | {"num_gpus": {"eq": "1"}}, [RTX]),
        (PINNED | {"num_gpus": {"eq": True}}, [RTX]),
    ],
)
def test_a_launch_that_may_pick_something_else_is_unknown(
    vast: Vast, bundles: Bundles, query: Any, offers: Any
) -> None:
    bundles.offers = offers
    assert launch(vast, query).gpu_model is None


@pytest.mark.parametrize("path", ["asks/bulk/", "endptjobs/", "cluster/", "autojobs/"])
def test_what_rents_many_or_later_is_refused_with_its_reason(vast: Vast, path: str) -> None:
    route = vast.match("POST", f"{API}/{path}")
    assert route is not None
    with pytest.raises(Malformed, match="one"):
        vast.job(route, b'{"ids":[384826]}', recorded=None, now=NOW)


# -- instances ------------------------------------------------------------------------------------

UPDATE = Route(Kind.EXTEND, "update", "7")
RENTED = JobRequest("vast", Action.RENT, "RTX 3090", 2, None, None, None, None)


def test_only_a_plain_stop_is_a_stop(vast: Vast) -> None:
    assert vast.narrowed(UPDATE, b'{"state": "stopped"}') == Route(Kind.PAUSE, "stop", "7")
    for body in (
        b'{"state": "running"}',
        b'{"state": "Stopped"}',
        b'{"state": "stopped", "label": "x"}',
        b'{"state": "stopped", "ids": [8]}',
        b'{"label": "x"}',
    ):
        assert vast.narrowed(UPDATE, body) == UPDATE
    with pytest.raises(Malformed):
        vast.narrowed(UPDATE, b'{"state": "running", "state": "stopped"}')


def test_a_start_stands_on_what_was_rented(vast: Vast) -> None:
    job = vast.job(UPDATE, b'{"state": "running"}', recorded=RENTED, now=NOW)
    assert (job.action, job.gpu_model, job.gpu_count) == (Action.EXTEND, "RTX 3090", 2)
    assert job.resource == "7"
    unknown = vast.job(UPDATE, b'{"state": "running"}', recorded=None, now=NOW)
    assert (unknown.gpu_model, unknown.gpu_count) == (None, None)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("update", {"state": "frozen"}),
        ("update", {"state": "running", "ids": [8]}),
        ("update_template", {"id": 8, "image": "x"}),
        ("prepay", {"amount": 1, "id": 8}),
        ("reboot", {"ids": [8]}),
    ],
)
def test_a_change_can_name_no_other_instance(vast: Vast, name: str, body: Any) -> None:
    route = Route(Kind.MODIFY, name, "7")
    with pytest.raises(Malformed):
        vast.job(route, json.dumps(body).encode(), recorded=RENTED, now=NOW)


def test_the_answer_names_the_instance_and_how_to_end_it(vast: Vast) -> None:
    assert vast.deployment(b'{"success": true, "new_contract": 7835610}') == "7835610"
    for answer in (b'{"success": false}', b'{"new_contract": true}', b'{"new_contract": -1}', b"x"):
        assert vast.deployment(answer) is None
    assert vast.stops("7835610") == (Ending("DELETE", f"{API}/instances/7835610/"),)
    with pytest.raises(Malformed):
        vast.stops("7/../../users")


def test_a_listing_shows_the_callers_own_and_counts_nobody_elses(vast: Vast) -> None:
    answer = {
        "instances": [{"id": 7, "x": 0.5}, {"id": 8}, {"id": "7"}, {"label": "no id"}, 7],
        "total_instances": 40, "label_counts": {"secret": 3}, "next_token": "n",
    }  # fmt: skip
    kept = json.loads(vast.filter_list(json.dumps(answer).encode(), frozenset({"7"})))
    assert kept == {
        "success": True, "instances": [{"id": 7, "x": 0.5}], "total_instances": 1,
        "next_token": "n",
    }  # fmt: skip
    with pytest.raises(Malformed):
        vast.filter_list(b'{"instances": null}', frozenset())


def test_the_key_is_a_bearer_token_and_every_other_credential_is_dropped(vast: Vast) -> None:
    assert vast.credential({"authorization": "Bearer kg_1"}) == "kg_1"
    assert vast.credential({"authorization": "Basic kg_1"}) is None
    assert vast.credential({"x-api-key": "kg_1"}) is None
    sent = (("Authorization", "Bearer kg_1"), ("X-API-Key", "k"), ("Cookie", "c"), ("Accept", "*"))
    assert vast.with_key(sent, "up") == (("Accept", "*"), ("Authorization", "Bearer up"))
    assert vast.with_key(sent, None) == (("Accept", "*"),)


@given(st.binary(max_size=200))
def test_no_body_raises_anything_but_malformed(body: bytes) -> None:
    vast = Vast(search=lambda path, question: b"{}")
    for name in ("ask 5", "launch", "refused x"):
        try:
            job = vast.job(Route(Kind.RENT, name), body, recorded=None, now=NOW)
        except Malformed:
            continue
        assert job.gpu_model is None


@given(st.binary(max_size=200))
def test_no_answer_of_the_marketplace_makes_an_offer_of_nonsense(answer: bytes) -> None:
    assert rent(Vast(search=lambda path, question: answer)).gpu_model is None
