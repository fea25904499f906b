"""A marketplace that is only described: bodies read strictly, offers learned, answers filtered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Action, JobRequest
from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import Ending, Kind, Route
from kycgate.gateway.adapters.declared import Declared
from kycgate.gateway.adapters.description import read
from kycgate.gateway.adapters.presets import DECLARED, PRESETS, Upstream

NOW = 1_800_000_000
MINE = """\
name = "mine"
facts = "made up"
ids = { deployment = "name", offer = "number" }
refusal = { status = 403, error = { text = "{message}", code = "{code}" } }

[key]
header = "Authorization"
scheme = "Bearer"

[answer]
accepted = "ok"
deployment = "data.id"

[list]
rows = "data.pods"
id = "id"
keep = ["ok"]

[catalogue]
method = "POST"
path = "/search"
question = { id = "{offer:number}", type = "{type}" }
rows = "offers"
id = "id"
model = "gpu"
count = "gpus"
price = "dollars"

[[stop]]
method = "POST"
path = "/pods/end"
body = { id = "{deployment}", force = true }

[[stop]]
method = "DELETE"
path = "/clusters/{deployment}"

[[route]]
name = "rent"
method = "POST"
path = "/offers/{offer}/rent"
kind = "rent"
members = ["gpus", "replicas", "seconds", "type", "spec"]
inside = { spec = ["image"], "spec.image" = ["name"] }
offer = "path.offer"
ask = { type = "body.type" }
model = "offer.model"
count = ["not_null(body.gpus, offer.count)", "not_null(body.replicas, `1`)"]
duration = "body.seconds"
unit = "seconds"
price = "offer.price"

[[route]]
name = "direct"
method = "POST"
path = "/pods"
kind = "rent"
members = ["gpu", "n", "hours", "dollars"]
model = "body.gpu"
count = "body.n"
duration = "body.hours"
price = "body.dollars"
per = "job"

[[route]]
name = "bulk"
method = "POST"
path = "/pods/many"
kind = "rent"
refused = "One by one."

[[route]]
name = "extend"
method = "POST"
path = "/pods/{deployment}/extend"
kind = "extend"
members = ["hours"]
duration = "body.hours"

[[route]]
name = "change"
method = "PUT"
path = "/pods/{deployment}"
kind = "extend"
members = ["state"]

[[route]]
name = "pause"
method = "PUT"
path = "/pods/{deployment}"
kind = "pause"
exactly = { state = "stopped" }

[[route]]
name = "edit"
method = "PATCH"
path = "/pods/{deployment}"
kind = "modify"
members = ["image", "gpus"]
count = "body.gpus"

[[route]]
name = "end"
method = "POST"
path = "/pods/end"
kind = "stop"
resource = "body.id"
members = ["id", "force"]

[[route]]
name = "pod"
method = "GET"
path = "/pods/{deployment}"
kind = "own_read"

[[route]]
name = "mine"
method = "GET"
path = "/pods/mine"
kind = "list"
"""
OFFER = {"id": 7, "gpu": "RTX 3090", "gpus": 2, "dollars": 0}
RENTED = JobRequest("mine", Action.RENT, "RTX 3090", 2, 10, 1_000_000, None, None)


class Market:
    """Answers the gate's own questions and counts them; `down` makes it fail."""

    def __init__(self) -> None:
        self.offers: Any = [OFFER]
        self.asked: list[tuple[str, Any]] = []
        self.down = False
        self.adapter = Declared(
            read(MINE, source="mine.toml"), fetch=self.fetch, search=self.search, token_decimals=6
        )

    def fetch(self, path: str) -> bytes:
        raise AssertionError(path)

    def search(self, path: str, question: bytes) -> bytes:
        self.asked.append((path, json.loads(question)))
        if self.down:
            raise Unavailable("upstream is down")
        return json.dumps({"offers": self.offers}).encode()


@pytest.fixture
def market() -> Market:
    return Market()


def job(
    market: Market, method: str, path: str, body: Any, *, recorded: JobRequest | None = None,
    now: int = NOW,
) -> JobRequest:  # fmt: skip
    route = market.adapter.match(method, path)
    assert route is not None
    said = json.dumps(body).encode()
    return market.adapter.job(
        market.adapter.narrowed(route, said), said, recorded=recorded, now=now
    )


def rent(market: Market, body: Any = None, *, offer: int = 7, now: int = NOW) -> JobRequest:
    said = {"type": "t"} if body is None else body
    return job(market, "POST", f"/offers/{offer}/rent", said, now=now)


# -- routes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "kind", "resource"),
    [
        ("POST", "/offers/7/rent", Kind.RENT, None),
        ("POST", "/pods", Kind.RENT, None),
        ("POST", "/pods/many", Kind.RENT, None),
        ("POST", "/pods/p1/extend", Kind.EXTEND, "p1"),
        ("PUT", "/pods/p1", Kind.EXTEND, "p1"),
        ("PATCH", "/pods/p1", Kind.MODIFY, "p1"),
        ("GET", "/pods/p1", Kind.OWN_READ, "p1"),
        ("GET", "/pods/mine", Kind.LIST, None),
        # Until its body says which one it ends, it is decided.
        ("POST", "/pods/end", Kind.MODIFY, None),
    ],
)
def test_every_route_has_its_kind(
    market: Market, method: str, path: str, kind: Kind, resource: str | None
) -> None:
    route = market.adapter.match(method, path)
    assert route is not None
    assert (route.kind, route.resource) == (kind, resource)


def test_only_what_is_said_to_go_on_for_long_does(market: Market) -> None:
    assert not any(
        route.long_lived
        for entry in market.adapter.table()
        if (route := market.adapter.match(entry.method, "/pods/p1")) is not None
    )
    lium = PRESETS["lium"](Upstream(lambda path: b"[]", lambda path, question: b"[]", 6))
    logs = lium.match("GET", "/api/pods/11111111-2222-4333-8444-555555555555/logs")
    assert logs is not None
    assert (logs.kind, logs.long_lived) == (Kind.OWN_READ, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/pods/p1/"), ("GET", "/Pods/p1"), ("GET", "/pods/p%31"), ("GET", "/pods/-p"),
        ("POST", "/offers/07/rent"), ("POST", "/offers/x/rent"), ("DELETE", "/pods/p1"),
        ("GET", "/pods/" + "x" * 65), ("GET", "/pods/p1\n"), ("POST", "/offersX7/rent"),
    ],
)  # fmt: skip
def test_other_spellings_and_unknown_routes_have_none(
    market: Market, method: str, path: str
) -> None:
    assert market.adapter.match(method, path) is None


def test_only_the_very_body_that_was_described_is_a_pause(market: Market) -> None:
    route = market.adapter.match("PUT", "/pods/p1")
    assert route is not None
    narrowed = market.adapter.narrowed(route, b'{"state": "stopped"}')
    assert (narrowed.kind, narrowed.resource) == (Kind.PAUSE, "p1")
    for body in (b'{"state": "running"}', b'{"state": "stopped", "n": 1}', b"{}"):
        assert market.adapter.narrowed(route, body) == route
    with pytest.raises(Malformed):
        market.adapter.narrowed(route, b'{"state": "running", "state": "stopped"}')


def test_a_stop_that_names_its_deployment_in_the_body_is_a_stop_of_that_one(
    market: Market,
) -> None:
    route = market.adapter.match("POST", "/pods/end")
    assert route is not None
    narrowed = market.adapter.narrowed(route, b'{"id": "p1", "force": true}')
    assert (narrowed.kind, narrowed.resource) == (Kind.STOP, "p1")


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"id": null}', b'{"id": "p1", "ids": ["p2"]}', b'{"id": ["p1"]}', b"[]", b"",
     b'{"id": "p1/../p2"}', b'{"id": "p1", "id": "p2"}', b'{"id": true}'],
)  # fmt: skip
def test_a_stop_whose_deployment_cant_be_read_stays_decided_and_is_refused(
    market: Market, body: bytes
) -> None:
    route = market.adapter.match("POST", "/pods/end")
    assert route is not None
    with pytest.raises(Malformed):
        market.adapter.narrowed(route, body)
    with pytest.raises(Malformed):
        market.adapter.job(route, body, recorded=RENTED, now=NOW)


# -- jobs -----------------------------------------------------------------------------------------


def test_a_job_is_what_the_expressions_find_with_all_that_multiplies(market: Market) -> None:
    market.offers = [OFFER | {"dollars": 2}]
    asked = rent(market, {"gpus": 4, "replicas": 3, "seconds": 7201, "type": "t"})
    assert (asked.marketplace, asked.action) == ("mine", Action.RENT)
    assert (asked.gpu_model, asked.gpu_count, asked.hours) == ("RTX 3090", 12, 3)
    assert asked.value == 2 * 12 * 3 * 10**6
    assert market.asked == [("/search", {"id": 7, "type": "t"})]


def test_what_is_left_open_is_unknown(market: Market) -> None:
    asked = job(market, "POST", "/pods", {})
    assert (asked.gpu_model, asked.gpu_count, asked.hours, asked.value) == (None,) * 4
    asked = rent(market)
    assert (asked.gpu_count, asked.hours, asked.value) == (2, None, None)


def test_a_price_of_the_whole_job_is_its_value(market: Market) -> None:
    asked = job(market, "POST", "/pods", {"gpu": "H100", "n": 8, "dollars": 3})
    assert (asked.gpu_model, asked.gpu_count, asked.value) == ("H100", 8, 3 * 10**6)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pods", {"n": "8"}),
        ("/pods", {"n": 8.0}),
        ("/pods", {"n": True}),
        ("/pods", {"n": 0}),
        ("/pods", {"n": -1}),
        ("/pods", {"n": [8]}),
        ("/pods", {"gpu": 100}),
        ("/pods", {"gpu": ""}),
        ("/pods", {"gpu": {"id": "H100"}}),
        ("/pods", {"hours": "24"}),
        ("/pods", {"hours": 10**9}),
        ("/pods", {"gpus": 8}),
        ("/offers/7/rent", {"type": "t", "spec": {"image": {"name": "x", "gpus": 8}}}),
        ("/offers/7/rent", {"type": "t", "spec": {"replicas": 8}}),
        ("/offers/7/rent", {"type": "t", "spec": [1]}),
        ("/offers/7/rent", {"type": "t", "gpus": "8"}),
        ("/pods/many", {"ids": [1, 2]}),
    ],
)
def test_a_body_that_may_say_more_than_we_read_is_refused(
    market: Market, path: str, body: Any
) -> None:
    with pytest.raises(Malformed):
        job(market, "POST", path, body)


def test_several_models_to_choose_from_are_unknown(market: Market) -> None:
    assert job(market, "POST", "/pods", {"gpu": ["H100", "RTX 3090"]}).gpu_model is None
    assert job(market, "POST", "/pods", {"gpu": ["H100", "H100"]}).gpu_model == "H100"


def test_the_same_member_twice_is_refused(market: Market) -> None:
    route = market.adapter.match("POST", "/pods")
    assert route is not None
    with pytest.raises(Malformed, match="twice"):
        market.adapter.job(route, b'{"n": 1, "n": 8}', recorded=None, now=NOW)


def test_an_extension_adds_to_what_was_rented(market: Market) -> None:
    asked = job(market, "POST", "/pods/p1/extend", {"hours": 5}, recorded=RENTED)
    assert (asked.action, asked.gpu_model, asked.gpu_count) == (Action.EXTEND, "RTX 3090", 2)
    assert (asked.hours, asked.value, asked.resource) == (15, 1_500_000, "p1")


def test_an_extension_that_does_not_say_for_how_long_is_open_ended(market: Market) -> None:
    asked = job(market, "PUT", "/pods/p1", {"state": "running"}, recorded=RENTED)
    assert (asked.hours, asked.value) == (None, None)


def test_a_change_counts_the_gpus_it_asks_for(market: Market) -> None:
    asked = job(market, "PATCH", "/pods/p1", {"gpus": 16}, recorded=RENTED)
    assert (asked.action, asked.gpu_count, asked.hours) == (Action.MODIFY, 16, 10)
    assert job(market, "PATCH", "/pods/p1", {"image": "x"}, recorded=RENTED).gpu_count == 2
    assert job(market, "PATCH", "/pods/p1", {"image": "x"}).gpu_model is None


# -- offers ---------------------------------------------------------------------------------------


def test_an_offer_is_believed_for_sixty_seconds_and_no_longer(market: Market) -> None:
    assert rent(market).gpu_model == "RTX 3090"
    market.down = True
    assert rent(market, now=NOW + 59).gpu_model == "RTX 3090"
    assert rent(market, now=NOW + 60).gpu_model is None
    assert len(market.asked) == 2


def test_a_clock_set_back_makes_no_old_answer_young(market: Market) -> None:
    rent(market)
    market.down = True
    assert rent(market, now=NOW - 1).gpu_model is None


def test_a_dead_marketplace_is_not_asked_once_per_rental(market: Market) -> None:
    market.down = True
    assert [rent(market, now=NOW + second).gpu_model for second in range(5)] == [None] * 5
    assert len(market.asked) == 1
    market.down = False
    assert rent(market, now=NOW + 5).gpu_model == "RTX 3090"


@pytest.mark.parametrize(
    "offers",
    [
        [],
        [OFFER | {"id": 8}],
        [OFFER, OFFER | {"gpu": "H100"}],
        [OFFER | {"gpu": None}],
        [OFFER | {"gpu": ["RTX 3090", "H100"]}],
        [7, "x", None],
        {"7": OFFER},
        None,
    ],
)
def test_an_offer_that_is_not_described_in_one_way_is_unknown(market: Market, offers: Any) -> None:
    market.offers = offers
    assert rent(market).gpu_model is None


def test_an_offer_with_two_counts_has_none_and_of_two_prices_the_higher(market: Market) -> None:
    market.offers = [OFFER | {"dollars": 1}, OFFER | {"gpus": 8, "dollars": 2}]
    asked = rent(market, {"gpus": 1, "seconds": 3600, "type": "t"})
    assert (asked.gpu_model, asked.value) == ("RTX 3090", 2 * 10**6)
    assert rent(market).gpu_count is None


@pytest.mark.parametrize("said", [{}, {"type": None}, {"type": ["t"]}, {"type": "\n"}])
def test_a_question_that_cant_be_asked_leaves_the_offer_unknown(market: Market, said: Any) -> None:
    assert rent(market, said).gpu_model is None
    assert market.asked == []


def test_memory_of_answers_is_bounded(market: Market) -> None:
    for number in range(1, 70):
        rent(market, {"type": f"t{number}"})
    asked = len(market.asked)
    rent(market, {"type": "t69"})
    assert len(market.asked) == asked
    rent(market, {"type": "t1"})
    assert len(market.asked) == asked + 1


# -- keys, refusals, answers ----------------------------------------------------------------------


def test_every_credential_is_dropped_and_the_key_put_in_its_place(market: Market) -> None:
    adapter = market.adapter
    assert adapter.credential({"authorization": "bearer kg_1"}) == "kg_1"
    assert adapter.credential({"authorization": "Basic kg_1"}) is None
    assert adapter.credential({"x-api-key": "kg_1"}) is None
    sent = tuple(
        (name, "kg_1")
        for name in ("Authorization", "X-API-Key", "auth", "Api-Key", "X-Auth-Token", "Cookie")
    )
    accept = ("Accept", "*/*")
    assert adapter.with_key((*sent, accept), None) == (accept,)
    assert adapter.with_key((*sent, accept), "up") == (accept, ("Authorization", "Bearer up"))


@given(st.text(), st.text())
def test_a_refusal_holds_its_message_and_nothing_a_message_could_write(
    message: str, code: str
) -> None:
    _, body = Market().adapter.refusal(message, code)
    assert json.loads(body) == {"status": 403, "error": {"text": message, "code": code}}


@pytest.mark.parametrize(
    ("status", "answer", "accepted", "deployment"),
    [
        (200, b'{"ok": true, "data": {"id": "p1"}}', True, "p1"),
        (200, b'{"ok": false}', False, None),
        (200, b'{"ok": "true"}', False, None),
        (200, b'{"ok": 1}', False, None),
        (200, b"{}", False, None),
        (200, b"", False, None),
        (200, b"<html>", False, None),
        (500, b'{"ok": true, "data": {"id": "p1"}}', False, "p1"),
        (200, b'{"ok": true, "data": {"id": "p1/x"}}', True, None),
        (200, b'{"ok": true, "data": {"id": true}}', True, None),
        (200, b'{"ok": true, "data": {"id": 7}}', True, "7"),
    ],
)
def test_an_answer_says_whether_it_was_done_and_what_was_made(
    market: Market, status: int, answer: bytes, accepted: bool, deployment: str | None
) -> None:
    assert market.adapter.accepted(status, answer) is accepted
    assert market.adapter.deployment(answer) == deployment


def test_a_deployment_is_ended_by_every_request_that_may(market: Market) -> None:
    assert market.adapter.stops("p1") == (
        Ending("POST", "/pods/end", b'{"id": "p1", "force": true}'),
        Ending("DELETE", "/clusters/p1"),
    )
    with pytest.raises(Malformed):
        market.adapter.stops("p1/../p2")


def test_a_listing_shows_the_callers_own_and_counts_nobody_elses(market: Market) -> None:
    answer = {
        "ok": True, "total": 40,
        "data": {"pods": [{"id": "p1", "x": 0.5}, {"id": "p2"}, {"id": 1}, "p1"], "owner": "x"},
    }  # fmt: skip
    kept = json.loads(market.adapter.filter_list(json.dumps(answer).encode(), frozenset({"p1"})))
    assert kept == {"ok": True, "data": {"pods": [{"id": "p1", "x": 0.5}]}}
    for unread in (b"{}", b'{"data": {"pods": {}}}', b"[]", b"x"):
        with pytest.raises(Malformed):
            market.adapter.filter_list(unread, frozenset())


# -- whatever comes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mine", *DECLARED])
@given(data=st.binary(max_size=120) | st.builds(
    lambda value: json.dumps(value).encode(),
    st.dictionaries(
        st.sampled_from(["pod", "gpu", "n", "id", "renting_server", "gpu_count", "type", "hours"]),
        st.none() | st.integers(-2, 9) | st.text(max_size=4) | st.booleans()
        | st.dictionaries(st.sampled_from(["cloudId", "gpuType", "gpuCount"]), st.integers()),
    ),
))  # fmt: skip
def test_no_body_raises_anything_but_malformed(name: str, data: bytes) -> None:
    up = Upstream(lambda path: b"[]", lambda path, question: b"[]", 6)
    adapter = Market().adapter if name == "mine" else PRESETS[name](up)
    for entry in adapter.table():
        path = entry.path
        for word, text in (("deployment", "1"), ("offer", "7"), ("template", "1")):
            uuid = "00000000-0000-4000-8000-000000000001"
            path = path.replace(f"{{{word}}}", uuid if name == "lium" else text)
        route = adapter.match(entry.method, path)
        assert route is not None, path
        try:
            route = adapter.narrowed(route, data)
            job = adapter.job(route, data, recorded=None, now=NOW)
        except Malformed:
            continue
        assert job.gpu_count is None or type(job.gpu_count) is int


def test_a_route_of_the_table_is_read_by_its_own_entry_only(market: Market) -> None:
    with pytest.raises(KeyError):
        market.adapter.job(Route(Kind.RENT, "nosuch"), b"{}", recorded=None, now=NOW)


# -- what we read is what any reader reads --------------------------------------------------------


def last_wins(body: str) -> Any:
    return json.loads(body)


def first_wins(body: str) -> Any:
    return json.loads(body, object_pairs_hook=lambda pairs: dict(reversed(pairs)))


NUMBERS = st.integers(-1, 12).map(str) | st.sampled_from(
    ["8.0", "8e0", "1E1", "-0", "0.8e1", '"8"', "true", "null", "[8]", "NaN", "08", "8 ", "1e400"]
)
MODELS = st.sampled_from(
    ['"H100"', '"\\u0048100"', '"H\\u0000"', '" H100"', "null", '["H100", "H100"]', '["H100", 1]',
     '["H100", "A100"]', '{"id": "H100"}', '"\\ud800"', "100"]
)  # fmt: skip
MEMBERS = st.sampled_from(['"n"', '"\\u006e"', '"hours"', '"gpu"', '"gp\\u0075"', '"N"'])


@st.composite
def bodies(draw: st.DrawFn) -> str:
    pairs = [
        f"{name}: {draw(MODELS if 'g' in name else NUMBERS)}"
        for name in draw(st.lists(MEMBERS, max_size=4))
    ]
    return "{" + ", ".join(pairs) + "}"


@given(bodies())
def test_a_job_is_the_same_for_every_reader_of_its_body(body: str) -> None:
    market = Market()
    route = market.adapter.match("POST", "/pods")
    assert route is not None
    try:
        job = market.adapter.job(route, body.encode(), recorded=None, now=NOW)
    except Malformed:
        return
    for reader in (last_wins, first_wins):
        said = reader(body)
        assert (job.gpu_count, job.hours) == (said.get("n"), said.get("hours"))
        assert job.gpu_count is None or type(said["n"]) is int
        model = said.get("gpu")
        models = model if isinstance(model, list) else [model]
        assert job.gpu_model in (None, models[0])
        assert job.gpu_model is not None or model is None or len(set(models)) > 1
