"""What was sent stands in the end, once: through full blocks, reorganisations and kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.chain import Chain, Fees, Reverted
from kycgate.chain.transactions import Transaction
from kycgate.core.claims import Account
from kycgate.errors import Misconfigured, Unavailable
from kycgate.settlement.compiled import artifact
from kycgate.settlement.revocations import KIND, Publishers, Revocations
from kycgate.settlement.sender import CONFIRMATIONS_MOST, SendingRules
from kycgate.store import SentTransaction, Store, open_store
from tests.chain.node import Answer, Node, answering, forwarded
from tests.chain_world import CHAIN_ID, Anvil
from tests.fakes import MemoryStore
from tests.settlement.conftest import KEYS, World, standing
from tests.tools import REPO

RENTER = KEYS["renter"].address
PUBLISHER = KEYS["publisher"]
NAME = "0x" + PUBLISHER.address.hex()
GWEI = 10**9
RULES = SendingRules(confirmations=2, replace_after_s=60)


@dataclass
class Office:
    """A publisher at work on a chain of its own."""

    world: World
    rules: SendingRules = RULES
    store: Store = field(default_factory=MemoryStore)
    now: int = 1_000

    def revocations(self, chain: Chain | None = None) -> Revocations:
        return Revocations(
            chain or self.world.chain,
            eas=self.world.at.eas,
            revoker=self.world.at.revoker,
            publisher=PUBLISHER,
            outbox=self.store,
            rules=self.rules,
        )

    def __post_init__(self) -> None:
        self.publisher = self.revocations()
        self.began = self.nonce

    @property
    def nonce(self) -> int:
        return self.world.chain.nonce(PUBLISHER.address)

    @property
    def sent(self) -> list[SentTransaction]:
        return self.store.sent(CHAIN_ID, NAME)

    @property
    def waiting(self) -> int:
        return self.publisher.status(self.now).waiting

    def revoke(self, epoch: int = 0) -> None:
        self.store.enqueue(KIND, {"account": Account(RENTER).key, "epoch": epoch}, due_at=self.now)

    def round(self, *, after_s: int = 5) -> int:
        self.now += after_s
        return self.publisher.publish(now=self.now)

    def mine(self, blocks: int = 1) -> None:
        self.world.chain.ask("anvil_mine", hex(blocks))

    def pool(self) -> dict[str, Any]:
        """The publisher's transactions that wait for a block, by number."""
        content = self.world.chain.ask("txpool_content")["pending"]
        mine = {sender.lower(): found for sender, found in content.items()}.get(NAME, {})
        return {int(nonce): found for nonce, found in mine.items()}

    def entries(self) -> int:
        """How many revocations EAS logged."""
        topics = ["0x" + artifact("EAS").topic("RevokedOffchain").hex()]
        return len(self.world.chain.logs(self.world.at.eas, from_block=0, topics=topics))


@pytest.fixture(scope="module")
def quiet_world() -> Iterator[World]:
    """A chain of this file's own: blocks come when a test says so."""
    anvil = Anvil()
    world = standing(anvil)
    anvil.settle()
    anvil.chain.ask("evm_setAutomine", False)
    yield world
    anvil.close()


@pytest.fixture
def office(quiet_world: World) -> Iterator[Office]:
    snapshot = quiet_world.chain.ask("evm_snapshot")
    yield Office(quiet_world)
    quiet_world.chain.ask("anvil_dropAllTransactions")
    quiet_world.chain.ask("evm_revert", snapshot)


# -- confirmations ---------------------------------------------------------------------------------


def test_an_item_is_done_only_after_its_confirmations(office: Office) -> None:
    office.revoke()
    assert office.round() == 1
    office.mine()
    for _ in range(2):
        office.round()
        assert (office.waiting, len(office.sent)) == (1, 1)
        office.mine()
    office.round()
    assert (office.waiting, office.sent) == (0, [])
    assert (office.nonce, office.entries()) == (office.began + 1, 1)


def test_a_key_that_somebody_else_published_is_waited_for_too(office: Office) -> None:
    office.revoke()
    other = Office(office.world)
    other.revoke()
    other.round()
    office.mine()
    assert office.round() == 0
    assert office.waiting == 1
    office.mine(2)
    assert office.round() == 0
    assert (office.waiting, office.nonce) == (0, office.began + 1)


def test_a_chain_younger_than_its_confirmations_finishes_nothing(office: Office) -> None:
    young = replace(office, rules=SendingRules(confirmations=100), store=MemoryStore())
    young.revoke()
    young.round()
    office.mine()
    young.round()
    assert young.waiting == 1


def test_new_revocations_do_not_wait_for_those_under_way(office: Office) -> None:
    office.revoke(0)
    office.round()
    office.revoke(1)
    assert office.round() == 1
    assert [each.nonce for each in office.sent] == [office.began, office.began + 1]
    office.mine(3)
    office.round()
    assert (office.waiting, office.entries()) == (0, 2)


# -- fees ------------------------------------------------------------------------------------------


def test_what_waits_too_long_is_replaced_at_an_eighth_more(office: Office) -> None:
    office.revoke()
    office.round()
    office.round(after_s=55)
    assert len(office.sent) == 1
    office.round(after_s=5)
    first, second = office.sent
    assert (second.nonce, second.attempt, second.data) == (first.nonce, 1, first.data)
    assert second.max_fee * 8 >= first.max_fee * 9
    assert second.tip * 8 >= first.tip * 9
    assert office.pool()[first.nonce]["hash"] == "0x" + second.hash.hex()
    office.mine(3)
    office.round()
    assert (office.waiting, office.nonce, office.entries()) == (0, office.began + 1, 1)


def test_a_replaced_transaction_may_still_be_the_one_that_wins(office: Office) -> None:
    office.revoke()
    office.round()
    office.round(after_s=60)
    first, second = office.sent
    office.world.chain.ask("anvil_dropTransaction", "0x" + second.hash.hex())
    office.world.chain.broadcast(first.raw)
    office.mine(3)
    assert office.world.chain.receipt(first.hash) is not None
    office.round()
    assert (office.waiting, office.sent, office.nonce) == (0, [], office.began + 1)


def test_the_fee_stops_at_its_ceiling_and_says_so(office: Office) -> None:
    office.revoke()
    office.round()
    [first] = office.sent
    office.rules = replace(office.rules, fee_most=first.max_fee * 5 // 4)
    office.publisher = office.revocations()
    for _ in range(4):
        office.round(after_s=60)
    assert max(each.max_fee for each in office.sent) <= office.rules.fee_most
    assert len(office.sent) == 2
    assert "ceiling" in str(office.publisher.status(office.now).last_error)


def test_the_first_fee_keeps_to_the_ceiling() -> None:
    rules = SendingRules(fee_most=10 * GWEI)
    assert rules.first(Fees(90 * GWEI, 30 * GWEI)) == Fees(10 * GWEI, 10 * GWEI)
    assert rules.first(Fees(9 * GWEI, 1)) == Fees(9 * GWEI, 1)


fees = st.builds(
    lambda tip, more: Fees(tip + more, tip), st.integers(0, 10**12), st.integers(0, 10**12)
)


@given(old=fees, usual=fees, most=st.integers(1, 10**13))
def test_a_replacement_is_dear_enough_or_there_is_none(old: Fees, usual: Fees, most: int) -> None:
    made = SendingRules(fee_most=most).raised(old, usual)
    if made is None:
        assert old.max_fee * 9 / 8 >= most - 1
        return
    assert made.tip <= made.max_fee <= most
    assert made.max_fee > old.max_fee
    assert made.max_fee * 8 >= old.max_fee * 9
    assert made.tip > old.tip
    assert made.tip * 8 >= old.tip * 9


@pytest.mark.parametrize("confirmations", [-1, CONFIRMATIONS_MOST + 1])
def test_confirmations_that_nodes_cannot_answer_for_are_refused(confirmations: int) -> None:
    with pytest.raises(Misconfigured):
        SendingRules(confirmations=confirmations)


# -- what vanishes ---------------------------------------------------------------------------------


def test_a_transaction_that_nodes_forgot_is_offered_again_byte_for_byte(office: Office) -> None:
    office.revoke()
    office.round()
    office.world.chain.ask("anvil_dropAllTransactions")
    assert office.pool() == {}
    office.round()
    [sent] = office.sent
    assert office.pool()[sent.nonce]["hash"] == "0x" + sent.hash.hex()


def test_a_transaction_undone_by_a_reorganisation_is_sent_again(office: Office) -> None:
    office.revoke()
    office.round()
    office.mine()
    office.round()
    assert office.entries() == 1
    office.world.chain.ask("anvil_reorg", 1, [])
    assert (office.nonce, office.entries(), office.waiting) == (office.began, 0, 1)
    office.round()
    office.mine(3)
    office.round()
    assert (office.waiting, office.sent) == (0, [])
    assert (office.nonce, office.entries()) == (office.began + 1, 1)


def test_a_number_that_another_transaction_took_is_given_up_at_depth(office: Office) -> None:
    office.revoke()
    office.round()
    [sent] = office.sent
    foreign = Transaction(
        CHAIN_ID, sent.nonce, sent.tip * 2, sent.max_fee * 2, 21_000, RENTER, 0, b""
    )
    office.world.chain.broadcast(foreign.raw(PUBLISHER.sign_digest(foreign.digest())))
    office.mine()
    office.round()
    assert office.sent == [sent]
    office.mine(2)
    office.round()
    assert office.sent == []
    assert office.round() == 1
    assert [each.nonce for each in office.sent] == [sent.nonce + 1]
    assert "another transaction" in str(office.publisher.status(office.now).last_error)
    office.mine(3)
    office.round()
    assert (office.waiting, office.entries()) == (0, 1)


def test_a_transaction_that_fails_in_its_block_is_tried_again_not_believed(
    office: Office, nodes: list[Node]
) -> None:
    """Estimated as good, yet the key was killed in between."""

    def optimist(question: dict[str, Any]) -> bytes:
        if question["method"] == "eth_estimateGas":
            return answering(eth_estimateGas="0x186a0")(question)
        return forwarded(office.world.anvil, question)

    kill = artifact("Revoker").encode("killKey", PUBLISHER.address)
    root = KEYS["root"]
    killing = Transaction(
        CHAIN_ID,
        office.world.chain.nonce(root.address),
        GWEI,
        100 * GWEI,
        200_000,
        office.world.at.revoker,
        0,
        kill,
    )
    office.world.chain.broadcast(killing.raw(root.sign_digest(killing.digest())))
    office.mine()
    office.revoke()
    chain = started(nodes, optimist)
    office.publisher = office.revocations(chain)
    assert office.round() == 1
    office.mine(3)
    office.round()
    chain.close()
    assert "failed in its block" in str(office.publisher.status(office.now).last_error)
    assert (office.waiting, office.entries()) == (1, 0)
    office.publisher = office.revocations()
    with pytest.raises(Reverted):
        office.round(after_s=600)
    assert office.waiting == 1


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    made: list[Node] = []
    yield made
    for node in made:
        node.close()


def started(nodes: list[Node], answer: Answer) -> Chain:
    nodes.append(Node(answer))
    return Chain([nodes[-1].url], CHAIN_ID)


# -- killed ----------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


class KilledWhileHandingOn(MemoryStore):
    """Dies once between handing a revocation on to its chains and striking it off."""

    dies = True

    def done(self, item_id: int) -> None:
        if self.dies:
            self.dies = False
            raise Killed
        super().done(item_id)


def test_a_revocation_handed_on_twice_is_published_once(office: Office) -> None:
    office.store = KilledWhileHandingOn()
    office.publisher = office.revocations()
    office.revoke()
    with pytest.raises(Killed):
        office.round()
    assert office.round() == 1
    office.mine(3)
    office.round()
    assert (office.waiting, office.nonce, office.entries()) == (0, office.began + 1, 1)


class LostBeforeWriting(MemoryStore):
    """A database that is gone just when a transaction would be written down."""

    def add_sent(self, sent: SentTransaction) -> None:
        raise Unavailable("the database does not answer")


def test_what_cannot_be_written_down_is_not_sent(office: Office) -> None:
    office.store = LostBeforeWriting()
    office.publisher = office.revocations()
    office.revoke()
    with pytest.raises(Unavailable):
        office.round()
    assert office.pool() == {}
    assert office.waiting == 1


@pytest.mark.parametrize(
    ("method", "forward"),
    [
        ("eth_estimateGas", False),
        ("eth_sendRawTransaction", False),
        ("eth_sendRawTransaction", True),
    ],
    ids=["before it was written down", "written down, not sent", "sent, answer not seen"],
)
def test_kill_9_at_any_point_leaves_one_transaction(
    office: Office, nodes: list[Node], tmp_path: Path, method: str, forward: bool
) -> None:
    database = f"sqlite:///{tmp_path}/kycgate.sqlite3"
    office.store = open_store(database)
    office.revoke()
    office.store.close()
    running: list[subprocess.Popen[bytes]] = []

    def killing(question: dict[str, Any]) -> bytes:
        if question["method"] != method:
            return forwarded(office.world.anvil, question)
        if forward:
            forwarded(office.world.anvil, question)
        os.kill(running[0].pid, signal.SIGKILL)
        return b""

    nodes.append(Node(killing))
    at = office.world.at
    code = [database, nodes[-1].url, at.eas.hex(), at.revoker.hex(), str(office.now)]
    running.append(
        subprocess.Popen([sys.executable, "-m", "tests.settlement.publishing", *code], cwd=REPO)
    )
    assert running[0].wait(timeout=30) == -signal.SIGKILL
    office.store = open_store(database)
    assert len(office.sent) == (method == "eth_sendRawTransaction")
    assert len(office.pool()) == forward
    office.publisher = office.revocations()
    office.round()
    assert len(office.pool()) == 1
    office.mine(3)
    office.round()
    assert (office.waiting, office.sent) == (0, [])
    assert (office.nonce, office.entries()) == (office.began + 1, 1)
    office.store.close()


# -- several chains, several nodes -----------------------------------------------------------------


@pytest.fixture
def second() -> Iterator[World]:
    """Another chain, whose blocks come by themselves."""
    anvil = Anvil(chain_id=31338)
    yield standing(anvil)
    anvil.close()


def publishers(office: Office, second: World, *, chain: Chain) -> Publishers:
    """Both chains' publishers over the office's store; `chain` leads to the second."""
    both = ((office.world, office.world.chain), (second, chain))
    return Publishers(
        [
            Revocations(
                connection,
                eas=world.at.eas,
                revoker=world.at.revoker,
                publisher=PUBLISHER,
                outbox=office.store,
                rules=SendingRules(confirmations=0),
                elsewhere=[CHAIN_ID + 1 if world is office.world else CHAIN_ID],
            )
            for world, connection in both
        ]
    )


def test_an_account_is_revoked_on_every_chain_and_a_dead_one_catches_up(
    office: Office, second: World
) -> None:
    nowhere = Chain(["http://127.0.0.1:1"], CHAIN_ID + 1, timeout_s=1)
    halved = publishers(office, second, chain=nowhere)
    office.revoke()
    for now in (office.now, office.now + 5):
        with pytest.raises(Unavailable, match="chain 31338"):
            halved.publish(now=now)
        office.mine()
    nowhere.close()
    assert [each.oldest_s for each in halved.status(office.now + 5)] == [0, 5]
    whole = publishers(office, second, chain=second.chain)
    for now in (office.now + 10, office.now + 15):
        whole.publish(now=now)
        second.anvil.settle()
    assert [each.waiting for each in whole.status(office.now + 15)] == [0, 0]
    assert office.entries() == 1
    assert Office(second).entries() == 1


def test_a_node_that_dies_in_the_middle_of_a_round_is_passed_over(
    office: Office, nodes: list[Node]
) -> None:
    dead: list[bool] = []

    def dying(question: dict[str, Any]) -> bytes:
        if question["method"] == "eth_estimateGas":
            dead.append(True)
        return b"" if dead else forwarded(office.world.anvil, question)

    nodes.append(Node(dying))
    chain = Chain([nodes[-1].url, office.world.anvil.url], CHAIN_ID)
    office.publisher = office.revocations(chain)
    office.revoke()
    assert office.round() == 1
    assert dead
    office.mine(3)
    office.round()
    chain.close()
    assert (office.waiting, office.nonce) == (0, office.began + 1)
