"""The JSON-RPC nodes of one chain: asked in order until one answers, every wait bounded.

Believes no node that answers for another chain, and none that lags while another is ahead. What
the answers mean is the asker's business.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from kycgate.chain.answers import Block, Reverted, read_block, revert_data
from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, Unavailable

_ANSWER_MOST = 16 * 1024 * 1024
"""Bytes of one node's answer, at most."""

LAG_BLOCKS = 3
"""A node further behind the foremost one is asked last."""

Question = tuple[str, tuple[Any, ...]]
_T = TypeVar("_T")


class NoAnswer(Exception):
    """This node told us nothing."""


class Declined(Exception):
    """This node understood and declined, for a reason that is not the contract's."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """How a node was found. `problem` is why it is not believed; None: it is."""

    host: str
    head: Block | None
    problem: str | None

    @property
    def height(self) -> int:
        return -1 if self.head is None else self.head.number


def host(url: str) -> str:
    """The part of a node's URL that may be shown: the rest may hold an access key."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


class Nodes:
    """The nodes of one chain by their URLs. Threads may share one."""

    def __init__(self, urls: Sequence[str], chain_id: int, *, timeout_s: float) -> None:
        if not urls:
            raise ValueError("a chain needs at least one node")
        self.chain_id = chain_id
        self._configured = tuple(urls)
        self.urls = self._configured
        self._timeout_s = timeout_s
        self._http = requests.Session()
        self._ids = itertools.count(1)
        self._on_chain: set[str] = set()

    def close(self) -> None:
        self._http.close()

    # -- the first that answers ------------------------------------------------------------------
    def ask(self, method: str, params: tuple[Any, ...]) -> Any:
        """Raises Reverted when the contract says no, Unavailable when no node answers."""
        return self.first(method, lambda url: self.ask_node(url, method, params))

    def ask_together(self, questions: Sequence[Question]) -> list[Any]:
        """Several questions, all answered by one and the same node; none of them by null.

        A node that lags says "no entries" of a block it has never seen: asked for the block as
        well, it gives itself away.
        """

        def of(url: str) -> list[Any]:
            answers = [self.ask_node(url, method, params) for method, params in questions]
            if any(answer is None for answer in answers):
                raise NoAnswer("has not come that far")
            return answers

        return self.first(questions[-1][0], of)

    def first(self, what: str, ask: Callable[[str], _T]) -> _T:
        """What the first node gives that gives anything; Unavailable names each node's failure."""
        failures = []
        for url in self.urls:
            try:
                return ask(url)
            except (NoAnswer, Declined) as e:
                failures.append(f"{host(url)}: {e}")
        raise Unavailable(f"chain {self.chain_id} did not answer {what} ({'; '.join(failures)})")

    # -- how they are ----------------------------------------------------------------------------
    def look(self) -> tuple[NodeState, ...]:
        """Ask every node for its chain and head, and put those that lag or fail last.

        Called once a round by what runs in the background: a node that died, changed its chain or
        fell behind since it was first asked is found here.
        """
        states = [self._state(url) for url in self._configured]
        foremost = max(state.height for state in states)
        behind = [
            state.problem is not None or state.height < foremost - LAG_BLOCKS for state in states
        ]
        order = sorted(range(len(states)), key=lambda n: behind[n])
        self.urls = tuple(self._configured[n] for n in order)
        return tuple(_lagging(state, foremost) for state in states)

    def _state(self, url: str) -> NodeState:
        self._on_chain.discard(url)
        try:
            found = self.ask_node(url, "eth_getBlockByNumber", ("latest", False))
            return NodeState(host(url), read_block(found), None)
        except (NoAnswer, Declined, Reverted) as e:
            return NodeState(host(url), None, str(e))
        except Unavailable as e:
            return NodeState(host(url), None, e.message)

    # -- one node --------------------------------------------------------------------------------
    def ask_node(self, url: str, method: str, params: Sequence[Any]) -> Any:
        """Raises Reverted, NoAnswer or Declined."""
        if url not in self._on_chain:
            answered = self._post(url, "eth_chainId", ())
            if answered != hex(self.chain_id):
                raise NoAnswer(f"stands on chain {answered}")
            self._on_chain.add(url)
        return self._post(url, method, params)

    def _post(self, url: str, method: str, params: Sequence[Any]) -> Any:
        number = next(self._ids)
        question = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        try:
            said = self._exchange(url, json.dumps(question))
            require_shallow(said, field="answer")
            answer = json.loads(said)
        except (requests.RequestException, ValueError, Malformed) as e:
            # The text of the exception may hold the URL, and the URL an access key.
            raise NoAnswer(type(e).__name__) from e
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise NoAnswer("answered another question")
        error = answer.get("error")
        if error is None:
            return answer.get("result")
        if not isinstance(error, dict):
            raise NoAnswer("answered nonsense")
        data = revert_data(error)
        if data is not None:
            raise Reverted(f"the contract refused: {error.get('message')}", data=data)
        raise Declined(str(error.get("message"))[:200])

    def _exchange(self, url: str, body: str) -> bytes:
        """POST within the time limit as a whole: a node that drips is a node that is silent."""
        give_up = time.monotonic() + self._timeout_s
        headers = {"Content-Type": "application/json"}
        with self._http.post(
            url,
            data=body,
            headers=headers,
            timeout=self._timeout_s,
            allow_redirects=False,
            stream=True,
        ) as answer:
            # Some nodes put JSON-RPC errors under a 4xx or 5xx: the body decides.
            collected = bytearray()
            for chunk in answer.iter_content(65536):
                collected += chunk
                if len(collected) > _ANSWER_MOST or time.monotonic() > give_up:
                    raise requests.Timeout("too long")
            return bytes(collected)


def _lagging(state: NodeState, foremost: int) -> NodeState:
    behind = foremost - state.height
    if state.problem is not None or behind <= LAG_BLOCKS:
        return state
    return NodeState(state.host, state.head, f"lags {behind} blocks behind")
