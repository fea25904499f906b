"""Nodes that die, lie about their chain or fall behind are found out and asked last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kycgate.chain import Chain, Taken
from kycgate.chain.answers import read_block, read_bytes, read_logs, read_number, read_receipt
from kycgate.chain.nodes import LAG_BLOCKS
from kycgate.errors import Unavailable
from tests.chain.node import Answer, Node, answering
from tests.chain_world import CHAIN_ID, free_port, key

ANYBODY = key("anybody").address


def head(number: int) -> dict[str, Any]:
    return {
        "number": hex(number),
        "timestamp": "0x1",
        "baseFeePerGas": "0x1",
        "hash": "0x" + number.to_bytes(32, "big").hex(),
    }


def at(number: int, *, balance: int = 0, **more: Any) -> Answer:
    """A node whose head is this block."""
    return answering(eth_getBlockByNumber=head(number), eth_getBalance=hex(balance), **more)


@pytest.fixture
def chain_of() -> Iterator[Callable[..., Chain]]:
    made: list[Any] = []

    def make(*answers: Answer | str) -> Chain:
        nodes = [each if isinstance(each, str) else Node(each) for each in answers]
        chain = Chain([n if isinstance(n, str) else n.url for n in nodes], CHAIN_ID, timeout_s=2)
        made.extend(n for n in (chain, *nodes) if not isinstance(n, str))
        return chain

    yield make
    for one in made:
        one.close()


Chains = Callable[..., Chain]


def test_each_nodes_head_and_trouble_is_told(chain_of: Chains) -> None:
    dead = f"http://127.0.0.1:{free_port()}/v3/secret-access-key"
    chain = chain_of(at(100), at(100, eth_chainId="0x1"), at(100 - LAG_BLOCKS - 1), dead)
    good, liar, lagging, silent = chain.look()
    assert (good.head and good.head.number, good.problem) == (100, None)
    assert liar.problem == "stands on chain 0x1"
    assert lagging.problem == f"lags {LAG_BLOCKS + 1} blocks behind"
    assert silent.head is None
    assert silent.problem == "ConnectionError"
    assert "secret" not in repr(silent)


def test_a_node_that_fell_behind_is_asked_last(chain_of: Chains) -> None:
    chain = chain_of(at(90, balance=1), at(100, balance=2))
    assert chain.balance(ANYBODY) == 1
    chain.look()
    assert chain.balance(ANYBODY) == 2


def test_a_block_or_two_behind_keeps_the_operators_order(chain_of: Chains) -> None:
    chain = chain_of(at(100 - LAG_BLOCKS, balance=1), at(100, balance=2))
    chain.look()
    assert chain.balance(ANYBODY) == 1


def test_a_node_that_caught_up_is_first_again(chain_of: Chains) -> None:
    heads = [head(90), head(200)]
    chain = chain_of(
        lambda question: answering(
            eth_getBlockByNumber=heads[0] if len(heads) == 2 else heads[-1], eth_getBalance="0x1"
        )(question),
        at(200, balance=2),
    )
    chain.look()
    assert chain.balance(ANYBODY) == 2
    heads.pop(0)
    chain.look()
    assert chain.balance(ANYBODY) == 1


def test_a_node_that_changed_its_chain_is_believed_no_more(chain_of: Chains) -> None:
    told = ["0x7a69"]

    def turncoat(question: dict[str, Any]) -> bytes:
        return at(100, balance=1, eth_chainId=told[0])(question)

    chain = chain_of(turncoat, at(100, balance=2))
    assert chain.balance(ANYBODY) == 1
    told[0] = "0x1"
    assert chain.look()[0].problem == "stands on chain 0x1"
    assert chain.balance(ANYBODY) == 2


def test_with_no_node_left_the_chain_is_silent(chain_of: Chains) -> None:
    chain = chain_of(f"http://127.0.0.1:{free_port()}", at(5, eth_chainId="0x1"))
    assert [state.problem is None for state in chain.look()] == [False, False]
    with pytest.raises(Unavailable):
        chain.balance(ANYBODY)
    with pytest.raises(Unavailable, match="stands on chain 0x1"):
        chain.wake()


def test_a_head_that_cannot_be_read_is_a_problem(chain_of: Chains) -> None:
    for odd in (None, {}, {"number": "0x1"}, "0x1", head(1) | {"number": "-0x1"}):
        [state] = chain_of(answering(eth_getBlockByNumber=odd)).look()
        assert state.head is None
        assert state.problem


def test_a_block_that_the_first_node_lacks_comes_from_the_second(chain_of: Chains) -> None:
    chain = chain_of(answering(eth_getBlockByNumber=None), at(7))
    assert chain.block(7).number == 7


def test_a_range_is_answered_by_one_node_that_has_it(chain_of: Chains) -> None:
    behind = answering(eth_getBlockByNumber=None, eth_getLogs=[])
    entry = {"address": "0x" + "11" * 20, "topics": [], "data": "0x", "blockNumber": "0x7"}
    chain = chain_of(behind, at(7, eth_getLogs=[entry]))
    logs, block = chain.logs_until(ANYBODY, from_block=1, to_block=7)
    assert ([log.block for log in logs], block.number) == ([7], 7)
    with pytest.raises(Unavailable, match="has not come that far"):
        chain_of(behind).logs_until(ANYBODY, from_block=1, to_block=7)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("nonce too low: next nonce 7, tx nonce 6", Taken.SPENT),
        ("OldNonce", Taken.SPENT),
        ("already known", Taken.YES),
        ("transaction already imported", Taken.YES),
        ("AlreadyKnown", Taken.YES),
        ("replacement transaction underpriced", Taken.UNDERPRICED),
        ("ReplacementNotAllowed", Taken.UNDERPRICED),
    ],
)
def test_nodes_refuse_a_transaction_in_their_own_words(
    chain_of: Chains, words: str, meaning: Taken
) -> None:
    refusal = {"code": -32000, "message": words}
    assert chain_of(answering(eth_sendRawTransaction=refusal)).broadcast(b"\x02") is meaning


def test_a_refusal_that_we_do_not_know_is_no_answer(chain_of: Chains) -> None:
    refusal = {"code": -32000, "message": "insufficient funds for gas * price + value"}
    chain = chain_of(answering(eth_sendRawTransaction=refusal))
    with pytest.raises(Unavailable, match="insufficient funds"):
        chain.broadcast(b"\x02")


FIELDS = [
    "address",
    "topics",
    "data",
    "blockNumber",
    "transactionHash",
    "status",
    "gasUsed",
    "logs",
    "contractAddress",
    "number",
    "timestamp",
    "hash",
    "baseFeePerGas",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("0x12"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_whatever_a_node_answers_it_is_read_or_no_answer(found: Any) -> None:
    for read in (read_block, read_logs, read_receipt, read_bytes, read_number):
        try:
            read(found)
        except Unavailable:
            continue
        assert found is not None
