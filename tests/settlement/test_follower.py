"""A rental's state is the contract's, at depth, whatever nodes and reorganisations do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kycgate.chain import Chain
from kycgate.core.claims import Digest
from kycgate.errors import Unavailable
from kycgate.settlement.compiled import artifact
from kycgate.settlement.follower import Follower, Rentals
from kycgate.store import RentalState, open_store
from tests.chain.node import Answer, Node, answering, forwarded
from tests.chain_world import CHAIN_ID, Anvil, free_port
from tests.fakes import MemoryStore
from tests.settlement.conftest import COIN, KEYS, World, standing


@dataclass
class Watch:
    """A follower at work, and the time it is told."""

    follower: Follower
    store: Rentals
    now: int = 1_000

    def follow(self) -> int:
        self.now += 5
        return self.follower.follow(now=self.now)

    def state(self, job: Digest) -> RentalState:
        found = self.store.rental_state(job)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def own_world() -> Iterator[World]:
    """A chain of this file's own, to be reorganised at will."""
    anvil = Anvil()
    yield standing(anvil)
    anvil.close()


@pytest.fixture
def chain_world(own_world: World) -> Iterator[World]:
    snapshot = own_world.chain.ask("evm_snapshot")
    yield own_world
    own_world.chain.ask("evm_revert", snapshot)


def watch(
    world: World,
    *,
    chain: Chain | None = None,
    store: Rentals | None = None,
    confirmations: int = 0,
) -> Watch:
    store = store or MemoryStore()
    follower = Follower(
        chain or world.chain, world.at.escrow, rentals=store, confirmations=confirmations
    )
    return Watch(follower, store)


@pytest.fixture
def chain_of() -> Iterator[Any]:
    """Chains whose first node answers as the test says; the rest are URLs."""
    made: list[Any] = []

    def make(answer: Answer, *urls: str) -> Chain:
        node = Node(answer)
        chain = Chain([node.url, *urls], CHAIN_ID, timeout_s=2)
        made.extend((chain, node))
        return chain

    yield make
    for one in made:
        one.close()


# -- what is seen ----------------------------------------------------------------------------------


def test_a_rental_is_followed_from_open_to_closed(chain_world: World) -> None:
    seen = watch(chain_world)
    job, start = chain_world.opened(amount=1000, duration_s=1000)
    assert seen.follow() == 1
    state = seen.state(job)
    assert (state.state, state.total, state.settled, state.event) == ("open", 1000, 0, "Opened")
    assert (state.start, state.end) == (start, start + 1000)
    assert state.renter == "0x" + KEYS["renter"].address.hex()
    assert state.provider == "0x" + KEYS["provider"].address.hex()
    assert (state.chain_id, state.token, state.returned) == (CHAIN_ID, "0x" + COIN.hex(), 0)
    chain_world.anvil.at(start + 300)
    chain_world.escrow.settle(KEYS["provider"], job)
    seen.follow()
    assert (seen.state(job).settled, seen.state(job).event) == (300, "Settled")
    chain_world.anvil.at(start + 600)
    chain_world.escrow.refund(KEYS["renter"], job)
    seen.follow()
    state = seen.state(job)
    assert (state.state, state.total, state.returned) == ("closed", 1000, 400)
    assert (state.event, state.seen_at) == ("Closed", seen.now)


def test_a_top_up_is_seen(chain_world: World) -> None:
    seen = watch(chain_world)
    job, start = chain_world.opened(amount=400, duration_s=400)
    seen.follow()
    chain_world.escrow.top_up(KEYS["renter"], chain_world.signed(), amount=100)
    seen.follow()
    state = seen.state(job)
    assert (state.total, state.end, state.event) == (500, start + 500, "ToppedUp")


def test_a_revoked_renters_rental_is_seen_held_then_sanctioned(chain_world: World) -> None:
    seen = watch(chain_world)
    job, _ = chain_world.opened()
    chain_world.revoke(KEYS["renter"].address)
    chain_world.escrow.settle(KEYS["provider"], job)
    seen.follow()
    assert (seen.state(job).state, seen.state(job).event) == ("held", "Held")
    assert seen.state(job).held_at == chain_world.anvil.now
    chain_world.escrow.mark_sanctioned(KEYS["compliance"], job)
    seen.follow()
    assert seen.state(job).state == "sanctioned"


def test_what_concerns_no_job_is_passed_over(chain_world: World) -> None:
    seen = watch(chain_world)
    chain_world.write("root", "killKey", KEYS["stranger"].address)
    assert seen.follow() == 0
    assert seen.follower.status().followed_to == chain_world.chain.block().number


def test_nothing_is_shown_before_its_confirmations(chain_world: World) -> None:
    seen = watch(chain_world, confirmations=2)
    job, _ = chain_world.opened()
    chain_world.chain.ask("anvil_mine", "0x1")
    seen.follow()
    assert seen.store.rental_state(job) is None
    chain_world.chain.ask("anvil_mine", "0x1")
    seen.follow()
    assert seen.state(job).state == "open"


@pytest.mark.parametrize("confirmations", [-1, 101])
def test_a_depth_that_nodes_cannot_answer_for_is_refused(confirmations: int) -> None:
    with pytest.raises(ValueError, match="confirmations"):
        Follower(
            Chain(["http://127.0.0.1:1"], 1),
            COIN,
            rentals=MemoryStore(),
            confirmations=confirmations,
        )


# -- going on --------------------------------------------------------------------------------------


def test_a_new_process_goes_on_where_the_old_one_stopped(
    chain_world: World, chain_of: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/kycgate.sqlite3"
    first, _ = chain_world.opened(n=1)
    store = open_store(url)
    watch(chain_world, store=store).follow()
    store.close()
    reached = chain_world.chain.block().number
    second, _ = chain_world.opened(n=2)
    asked: list[Any] = []

    def noting(question: dict[str, Any]) -> bytes:
        if question["method"] == "eth_getLogs":
            asked.append(question["params"][0]["fromBlock"])
        return forwarded(chain_world.anvil, question)

    store = open_store(url)
    seen = watch(chain_world, chain=chain_of(noting), store=store)
    assert seen.follow() == 1
    assert asked == [hex(reached + 1)]
    assert [seen.state(job).state for job in (first, second)] == ["open", "open"]
    store.close()


class Killed(BaseException):
    """The process ends here."""


class KilledBeforeTheCursor(MemoryStore):
    """Dies once between keeping the rentals and moving the cursor."""

    dies = True

    def set_setting(self, name: str, value: str) -> None:
        if self.dies:
            self.dies = False
            raise Killed
        super().set_setting(name, value)


def test_killed_before_the_cursor_moves_nothing_is_passed_by(chain_world: World) -> None:
    seen = watch(chain_world, store=KilledBeforeTheCursor())
    job, _ = chain_world.opened()
    with pytest.raises(Killed):
        seen.follow()
    assert seen.follow() == 1
    assert seen.state(job).state == "open"


def test_between_looks_the_chain_is_left_alone(chain_world: World) -> None:
    seen = watch(chain_world)
    chain_world.opened()
    assert seen.follower.follow(now=1_000) == 1
    chain_world.opened(n=2)
    assert seen.follower.follow(now=1_003) == 0
    assert seen.follower.follow(now=1_004) == 1


# -- reorganisations -------------------------------------------------------------------------------


def test_a_rental_undone_by_a_reorganisation_is_shown_as_none(chain_world: World) -> None:
    seen = watch(chain_world)
    kept, _ = chain_world.opened(n=1)
    seen.follow()
    undone, _ = chain_world.opened(n=2)
    seen.follow()
    assert seen.state(undone).state == "open"
    chain_world.chain.ask("anvil_reorg", 1, [])
    seen.follow()
    assert (seen.state(undone).state, seen.state(undone).total) == ("none", 0)
    assert seen.state(kept).state == "open"


def test_an_ending_undone_is_an_open_rental_again_and_may_end_otherwise(
    chain_world: World,
) -> None:
    seen = watch(chain_world)
    job, start = chain_world.opened(amount=1000, duration_s=1000)
    seen.follow()
    chain_world.anvil.at(start + 100)
    chain_world.escrow.refund(KEYS["renter"], job)
    seen.follow()
    assert (seen.state(job).state, seen.state(job).returned) == ("closed", 900)
    chain_world.chain.ask("anvil_reorg", 1, [])
    seen.follow()
    assert (seen.state(job).state, seen.state(job).returned) == ("open", 0)
    chain_world.anvil.at(start + 700)
    chain_world.escrow.refund(KEYS["renter"], job)
    seen.follow()
    assert (seen.state(job).state, seen.state(job).returned) == ("closed", 300)


def test_a_reorganisation_deeper_than_memory_is_followed_from_the_start(
    chain_world: World,
) -> None:
    kept, _ = chain_world.opened(n=1)
    undone, _ = chain_world.opened(n=2)
    chain_world.chain.ask("anvil_mine", "0x2")
    seen = watch(chain_world)
    assert seen.follow() == 2
    chain_world.chain.ask("anvil_reorg", 3, [])
    seen.follow()
    assert [seen.state(job).state for job in (kept, undone)] == ["open", "none"]


# -- nodes -----------------------------------------------------------------------------------------


def test_a_node_that_lags_cannot_hide_a_rental(chain_world: World, chain_of: Any) -> None:
    """It says "no entries" of a block that it has not seen."""

    def lagging(question: dict[str, Any]) -> bytes:
        method, params = question["method"], question["params"]
        if method == "eth_getLogs":
            return answering(eth_getLogs=[])(question)
        if method == "eth_getBlockByNumber" and params[0] == hex(reached):
            return answering(eth_getBlockByNumber=None)(question)
        return forwarded(chain_world.anvil, question)

    job, _ = chain_world.opened()
    reached = chain_world.chain.block().number
    alone = watch(chain_world, chain=chain_of(lagging))
    with pytest.raises(Unavailable, match="has not come that far"):
        alone.follow()
    assert alone.store.rental_state(job) is None
    helped = watch(chain_world, chain=chain_of(lagging, chain_world.anvil.url))
    assert helped.follow() == 1
    assert helped.state(job).state == "open"


def test_a_node_that_allows_short_ranges_only_is_asked_for_those(
    chain_world: World, chain_of: Any
) -> None:
    def strict(question: dict[str, Any]) -> bytes:
        if question["method"] == "eth_getLogs":
            wanted = question["params"][0]
            if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= 20:
                refusal = {"code": -32005, "message": "block range is too wide"}
                return answering(eth_getLogs=refusal)(question)
        return forwarded(chain_world.anvil, question)

    job, _ = chain_world.opened()
    chain_world.chain.ask("anvil_mine", hex(50))
    seen = watch(chain_world, chain=chain_of(strict))
    for _ in range(40):
        try:
            seen.follow()
        except Unavailable:
            continue
    assert seen.state(job).state == "open"
    assert seen.follower.status().followed_to == chain_world.chain.block().number


def test_a_silent_chain_is_told_and_loses_nothing(chain_world: World) -> None:
    store = MemoryStore()
    nowhere = Chain([f"http://127.0.0.1:{free_port()}"], CHAIN_ID, timeout_s=1)
    silent = watch(chain_world, chain=nowhere, store=store)
    job, _ = chain_world.opened()
    with pytest.raises(Unavailable):
        silent.follow()
    status = silent.follower.status()
    assert (status.followed_to, status.behind, status.last_error_at) == (-1, None, silent.now)
    nowhere.close()
    seen = watch(chain_world, store=store)
    seen.follow()
    assert seen.state(job).state == "open"
    assert seen.follower.status().behind == 0


def test_every_event_of_a_job_is_known_to_the_artifact() -> None:
    names = {e["name"] for e in artifact("GPURentalEscrow").abi if e["type"] == "event"}
    assert {"Opened", "ToppedUp", "Settled", "Closed", "Held", "Sanctioned", "Licensed"} <= names
