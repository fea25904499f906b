"""Nodes that are silent, wrong, slow or busy: what becomes an answer and what does not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from kycgate.chain import Chain, Reverted
from kycgate.chain.rpc import _revert_data
from kycgate.core.claims import Address, checksum
from kycgate.errors import Unavailable
from tests.chain_world import CHAIN_ID, Anvil, extra, free_port, key

RECEIVER = key("receiver").address
Answer = Callable[[dict[str, Any]], bytes]


class Node:
    """A node that answers as the test says; it remembers what it was asked."""

    def __init__(self, answer: Answer, *, status: int = 200) -> None:
        asked: list[dict[str, Any]] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(question)
                body = answer(question)
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def methods(self) -> list[str]:
        return [question["method"] for question in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answering(**results: Any) -> Answer:
    """Results by method name; the chain id is right; other methods are unknown."""
    known = {"eth_chainId": hex(CHAIN_ID)} | results

    def answer(question: dict[str, Any]) -> bytes:
        method = question["method"]
        told = {"jsonrpc": "2.0", "id": question["id"]}
        if method not in known:
            return json.dumps(told | {"error": {"code": -32601, "message": "no"}}).encode()
        if isinstance(known[method], dict) and "code" in known[method]:
            return json.dumps(told | {"error": known[method]}).encode()
        return json.dumps(told | {"result": known[method]}).encode()

    return answer


@pytest.fixture
def node() -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(answer: Answer, **named: Any) -> Node:
        made.append(Node(answer, **named))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def chain_of() -> Iterator[Callable[..., Chain]]:
    made: list[Chain] = []

    def make(*urls: str, **named: Any) -> Chain:
        made.append(Chain(urls, CHAIN_ID, **{"timeout_s": 2.0} | named))
        return made[-1]

    yield make
    for one in made:
        one.close()


Nodes = Callable[..., Node]
Chains = Callable[..., Chain]
BALANCE = {"eth_getBalance": "0x2a"}


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_the_second_node_answers_for_a_silent_first(node: Nodes, chain_of: Chains) -> None:
    good = node(answering(**BALANCE))
    assert chain_of(nowhere(), good.url).balance(RECEIVER) == 42


def test_no_node_is_no_answer_and_the_text_hides_access_keys(chain_of: Chains) -> None:
    chain = chain_of(nowhere() + "/v3/secret-access-key", nowhere())
    with pytest.raises(Unavailable) as silent:
        chain.balance(RECEIVER)
    assert "secret" not in silent.value.message
    assert silent.value.message.count("127.0.0.1") == 2


def test_a_node_of_another_chain_is_not_believed(node: Nodes, chain_of: Chains) -> None:
    liar = node(answering(eth_chainId="0x1", eth_getBalance="0x63"))
    good = node(answering(**BALANCE))
    chain = chain_of(liar.url, good.url)
    assert chain.balance(RECEIVER) == 42
    assert "eth_getBalance" not in liar.methods
    with pytest.raises(Unavailable):
        chain_of(liar.url).balance(RECEIVER)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>gateway timeout</html>",
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0","id":999999,"result":"0x1"}',
        b'{"error":"limit"}',
        b"\xff\xfe",
    ],
    ids=["empty", "html", "list", "null", "another id", "odd error", "no text"],
)
def test_nonsense_is_no_answer(node: Nodes, chain_of: Chains, body: bytes) -> None:
    with pytest.raises(Unavailable):
        chain_of(node(lambda _: body).url).balance(RECEIVER)


@pytest.mark.parametrize("value", [None, 42, "42x", [], "0xzz"])
def test_a_result_of_the_wrong_kind_is_no_answer(node: Nodes, chain_of: Chains, value: Any) -> None:
    url = node(answering(eth_getBalance=value, eth_getCode=value)).url
    for question in (chain_of(url).balance, chain_of(url).code):
        with pytest.raises(Unavailable):
            question(RECEIVER)


def test_a_redirect_is_not_followed(node: Nodes, chain_of: Chains) -> None:
    with pytest.raises(Unavailable):
        chain_of(node(lambda _: b"", status=307).url).balance(RECEIVER)


def test_a_busy_node_is_passed_over(node: Nodes, chain_of: Chains) -> None:
    busy = node(answering(eth_getBalance={"code": -32005, "message": "limit exceeded"}))
    good = node(answering(**BALANCE))
    assert chain_of(busy.url, good.url).balance(RECEIVER) == 42


def test_an_answer_that_drips_is_no_answer_in_bounded_time(chain_of: Chains) -> None:
    class Drip(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b" " * 65536)
                    time.sleep(0.1)
            except OSError:
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        chain_of(f"http://127.0.0.1:{server.server_port}", timeout_s=0.5).balance(RECEIVER)
    assert time.monotonic() - began < 3
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refusal_by_the_contract_is_a_no_and_no_second_node_is_asked(
    node: Nodes, chain_of: Chains
) -> None:
    data = "0x82b42900"
    first = node(answering(eth_call={"code": 3, "message": "execution reverted", "data": data}))
    second = node(answering(eth_call="0x"))
    with pytest.raises(Reverted) as refused:
        chain_of(first.url, second.url).call(RECEIVER, b"")
    assert refused.value.data == bytes.fromhex("82b42900")
    assert second.asked == []


@pytest.mark.parametrize(
    "error,expected",
    [
        ({"code": 3, "message": "execution reverted", "data": "0x1234"}, b"\x12\x34"),
        ({"code": -32000, "message": "execution reverted"}, b""),
        (
            {"code": -32015, "message": "VM Exception: revert", "data": "Reverted 0x1234"},
            b"\x12\x34",
        ),
        ({"code": -32603, "message": "reverted", "data": {"data": "0x1234"}}, b"\x12\x34"),
        ({"code": -32005, "message": "too many requests"}, None),
        ({"code": -32000, "message": "header not found"}, None),
    ],
)
def test_nodes_spell_a_revert_in_their_own_ways(
    error: dict[str, Any], expected: bytes | None
) -> None:
    assert _revert_data(error) == expected


@given(
    st.dictionaries(
        st.sampled_from(["code", "message", "data"]),
        st.none() | st.integers() | st.text() | st.lists(st.integers()),
    )
)
def test_no_error_object_breaks_the_reader(error: dict[str, Any]) -> None:
    assert isinstance(_revert_data(error), bytes | None)


# -- writing ---------------------------------------------------------------------------------------


def test_coins_arrive_and_the_receipt_tells(anvil: Anvil) -> None:
    sender = key("sender")
    anvil.fund(sender.address)
    receipt = anvil.chain.send(sender, RECEIVER, b"", value=7)
    assert anvil.chain.balance(RECEIVER) == 7
    assert (receipt.succeeded, receipt.gas_used, receipt.contract) == (True, 21_000, None)
    assert receipt.block == anvil.chain.block().number


def test_a_call_that_would_fail_is_refused_before_it_costs_anything(anvil: Anvil) -> None:
    sender = key("sender")
    anvil.fund(sender.address)
    wallet = anvil.chain.deploy(sender, extra("Wallet").creation(RECEIVER))
    before = anvil.chain.balance(sender.address)
    with pytest.raises(Reverted):
        anvil.chain.send(sender, wallet, extra("Wallet").encode("execute", RECEIVER, 0, b""))
    assert anvil.chain.balance(sender.address) == before


def test_threads_of_one_process_send_each_their_own_transaction(anvil: Anvil) -> None:
    sender = key("sender")
    anvil.fund(sender.address)
    failures: list[Exception] = []

    def send() -> None:
        try:
            anvil.chain.send(sender, RECEIVER, b"", value=1)
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert anvil.chain.balance(RECEIVER) == 8


class Proxy:
    """Hands questions on to anvil; the answers to one method are lost on the way."""

    def __init__(self, anvil: Anvil, *, loses: str) -> None:
        self._url, self._loses = anvil.url, loses

    def __call__(self, question: dict[str, Any]) -> bytes:
        answer = requests.post(self._url, json=question, timeout=5).content
        return b"" if question["method"] == self._loses else answer


def test_a_node_that_takes_it_but_does_not_say_so_causes_no_second_transaction(
    anvil: Anvil, node: Nodes, chain_of: Chains
) -> None:
    """The second node sees the same bytes: it can only say that it knows them."""
    sender = key("sender")
    anvil.fund(sender.address)
    mute = node(Proxy(anvil, loses="eth_sendRawTransaction"))
    receipt = chain_of(mute.url, anvil.url).send(sender, RECEIVER, b"", value=5)
    assert receipt.succeeded
    assert anvil.chain.balance(RECEIVER) == 5


def test_nobody_says_that_it_arrived_so_it_may_have(
    anvil: Anvil, node: Nodes, chain_of: Chains
) -> None:
    sender = key("sender")
    anvil.fund(sender.address)
    mute = node(Proxy(anvil, loses="eth_sendRawTransaction"))
    with pytest.raises(Unavailable):
        chain_of(mute.url).send(sender, RECEIVER, b"", value=5)
    assert anvil.chain.balance(RECEIVER) == 5


def test_a_number_used_up_by_another_process_is_drawn_again(
    anvil: Anvil, node: Nodes, chain_of: Chains
) -> None:
    sender = key("sender")
    anvil.fund(sender.address)
    raced: list[bool] = []

    def racing(question: dict[str, Any]) -> bytes:
        answer = requests.post(anvil.url, json=question, timeout=5).content
        if question["method"] == "eth_getTransactionCount" and not raced:
            raced.append(True)
            anvil.chain.send(sender, RECEIVER, b"", value=1)
        return answer

    receipt = chain_of(node(racing).url).send(sender, RECEIVER, b"", value=2)
    assert receipt.succeeded
    assert anvil.chain.balance(RECEIVER) == 3


def test_a_transaction_in_no_block_is_no_answer_in_bounded_time(
    anvil: Anvil, chain_of: Chains
) -> None:
    sender = key("sender")
    anvil.fund(sender.address)
    anvil.chain.ask("evm_setAutomine", False)
    try:
        with pytest.raises(Unavailable) as unknown:
            chain_of(anvil.url, receipt_s=0.2).send(sender, RECEIVER, b"", value=5)
    finally:
        anvil.chain.ask("evm_setAutomine", True)
        anvil.chain.ask("anvil_dropAllTransactions")
    assert "in no block yet" in unknown.value.message


def test_a_transaction_that_fails_in_its_block_is_a_no(
    anvil: Anvil, node: Nodes, chain_of: Chains
) -> None:
    """Estimated as good, yet too late: the state moved in between."""
    sender = key("sender")
    anvil.fund(sender.address)
    wallet = anvil.chain.deploy(sender, extra("Wallet").creation(RECEIVER))

    def optimist(question: dict[str, Any]) -> bytes:
        if question["method"] == "eth_estimateGas":
            return answering(eth_estimateGas="0x186a0")(question)
        return requests.post(anvil.url, json=question, timeout=5).content

    data = extra("Wallet").encode("execute", RECEIVER, 0, b"")
    with pytest.raises(Reverted) as failed:
        chain_of(node(optimist).url).send(sender, wallet, data)
    assert "failed in its block" in failed.value.message


def test_addresses_go_out_in_checksummed_text(node: Nodes, chain_of: Chains) -> None:
    good = node(answering(**BALANCE))
    chain_of(good.url).balance(Address(RECEIVER))
    assert good.asked[-1]["params"] == [checksum(RECEIVER), "latest"]
