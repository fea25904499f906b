"""Takes a local tool's request, proves it, sends it to the marketplace once, hands the answer back.

Decides nothing and never tries again. Framing is written anew on both sides: no length, chunk or
connection field of one side reaches the other.

Two rules that hold here:
- what has left is not taken back: a tool that hangs up does not end a request that changes things;
- an answer that breaks off there breaks off here too, and never ends as if it were whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

import h11

from kycgate.client.control import GateRefused
from kycgate.client.session import JOB_HEADER, PERMIT_HEADER, read_job
from kycgate.client.sidecar.local import Doorkeeper, NotHeard
from kycgate.client.sidecar.proof import Fields, Outgoing, Proof, travelling
from kycgate.client.sidecar.repeats import KEY_FIELD, KEYED, Repeats, final
from kycgate.client.sidecar.standing import ROUND_S, Standing
from kycgate.client.sidecar.wire import SAFE, Answer, Broken, Gone, Head, Tool, Upstream
from kycgate.errors import Malformed, Unavailable

PREFIX: Final = "/.kycgate/"
_CONNECTIONS: Final = 64
_GRACE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the marketplace is, and what the tool may send."""

    upstream: str
    """An origin: https, or http on this machine."""
    body_limit: int = 4 * 2**20
    """A body is read whole before it is signed."""
    keep_credentials: bool = False


class Relay:
    """One sidecar: `start` listens, `stop` ends it. Runs on one event loop."""

    def __init__(
        self, settings: Settings, proof: Proof, standing: Standing, *, token: str | None
    ) -> None:
        self._settings = settings
        self._upstream = Upstream(settings.upstream)
        self._proof = proof
        self._standing = standing
        self._token = token
        self._repeats = Repeats()
        self._seats = asyncio.Semaphore(_CONNECTIONS)
        self._door = Doorkeeper(0, token)
        self._server: asyncio.Server | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._talking: set[asyncio.Task[Any]] = set()
        self._busy: set[asyncio.Task[Any]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen, and renew in the background. Gives the port. Raises OSError if it is taken."""
        self._server = await asyncio.start_server(self._talk, host, port)
        bound = int(self._server.sockets[0].getsockname()[1])
        self._door = Doorkeeper(bound, self._token)
        self._renewing = asyncio.create_task(self._renew())
        return bound

    async def stop(self) -> None:
        """Hear nobody new; what has left already may still come back for a while."""
        if self._server is not None:
            self._server.close()
        if self._renewing is not None:
            self._renewing.cancel()
        for task in self._talking - self._busy:
            task.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=_GRACE_S)
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.to_thread(self._standing.round)
            await asyncio.sleep(ROUND_S)

    # -- a tool's connection ---------------------------------------------------------------------

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        try:
            async with self._seats:
                await self._serve(Tool(reader, writer))
        except (Gone, ConnectionError, TimeoutError):
            pass
        finally:
            self._talking.discard(task)
            with contextlib.suppress(ConnectionError):
                writer.transport.abort()

    async def _serve(self, tool: Tool) -> None:
        try:
            while (head := await tool.next_head()) is not None:
                self._door.admit(head.fields)
                _require_plain(head)
                body = await tool.body(self._settings.body_limit)
                await self._answer(Outgoing(head.method, head.target, head.fields, body), tool)
                if not tool.again():
                    return
        except NotHeard as error:
            await tool.say(error.status, {"error": error.text}, last=True)
        except h11.RemoteProtocolError as error:
            await tool.say(error.error_status_hint, {"error": f"Not HTTP: {error}"}, last=True)

    async def _answer(self, asked: Outgoing, tool: Tool) -> None:
        if asked.target.startswith(PREFIX):
            status, document = await self._own(asked)
            await tool.say(status, document)
            return
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await self._send(asked, await self._proven(asked), tool)
        except Unavailable as error:
            told = f"Not sent, for nothing could be signed: {error.message}"
            await tool.say(502, {"error": told})
        finally:
            self._busy.discard(task)

    async def _proven(self, asked: Outgoing) -> Outgoing:
        outgoing = self._outgoing(asked)
        added = await asyncio.to_thread(self._proof.fields, outgoing)
        names = {name.lower() for name, _ in added}
        kept = tuple(field for field in outgoing.fields if field[0].lower() not in names)
        return replace(outgoing, fields=(*kept, *added))

    def _outgoing(self, asked: Outgoing) -> Outgoing:
        fields = travelling(
            asked.fields, keep_credentials=self._settings.keep_credentials, token=self._token
        )
        if asked.method in KEYED and not any(n.lower() == KEY_FIELD.lower() for n, _ in fields):
            now = asyncio.get_running_loop().time()
            key = self._repeats.key(asked.method, asked.target, asked.body, now=now)
            fields = (*fields, (KEY_FIELD, key))
        return replace(asked, fields=fields)

    async def _send(self, asked: Outgoing, proven: Outgoing, tool: Tool) -> None:
        try:
            async with self._upstream.ask(proven) as answer:
                self._note(answer.fields)
                whole = await _hand_back(answer, tool, to_the_end=asked.method not in SAFE)
        except Broken as error:
            await tool.say(502, {"error": _unsure(asked, error)})
            return
        if whole and final(answer.status):
            self._repeats.over(asked.method, asked.target, asked.body)

    def _note(self, fields: Fields) -> None:
        said = {name.lower(): value for name, value in fields}
        permit, job = said.get(PERMIT_HEADER.lower()), said.get(JOB_HEADER.lower())
        if permit is not None and job is not None:
            with contextlib.suppress(Malformed):
                self._standing.note(read_job(job), permit)

    # -- the sidecar's own pages -----------------------------------------------------------------

    async def _own(self, asked: Outgoing) -> tuple[int, dict[str, Any]]:
        name, _, argument = asked.target.removeprefix(PREFIX).partition("/")
        if asked.method != "GET":
            return 405, {"error": "The sidecar's own pages are read with GET."}
        if name == "status" and not argument:
            told = await asyncio.to_thread(self._standing.document)
            return 200, {
                "upstream": self._settings.upstream, "proof": self._proof.name, **told,
            }  # fmt: skip
        if name == "permit" and argument:
            return await self._permit(argument)
        return 404, {"error": f"There are {PREFIX}status and {PREFIX}permit/0x…"}

    async def _permit(self, job: str) -> tuple[int, dict[str, Any]]:
        try:
            permit = await asyncio.to_thread(self._standing.permit, read_job(job))
        except Malformed as error:
            return 400, {"error": f"{error.message} ({error.remedy})"}
        except GateRefused as error:
            return error.status, {"error": error.message}
        except Unavailable as error:
            return 503, {"error": error.message}
        document: dict[str, Any] = json.loads(permit.to_wire())
        return 200, document


async def _hand_back(answer: Answer, tool: Tool, *, to_the_end: bool) -> bool:
    """Whether the tool had all of it. `to_the_end`: read on though nobody listens any more."""
    heard = await _heard(tool.begin(answer.status, answer.fields))
    while heard or to_the_end:
        try:
            chunk = await answer.chunk()
        except Broken:
            raise Gone from None  # without an end: the tool sees the break
        if chunk is None:
            return heard and await _heard(tool.end())
        heard = heard and await _heard(tool.send(chunk))
    raise Gone


async def _heard(writing: Coroutine[Any, Any, None]) -> bool:
    try:
        await writing
    except (Gone, ConnectionError):
        return False
    return True


def _require_plain(head: Head) -> None:
    """Raises NotHeard for what two readers could take differently, and for other places."""
    if not head.target.startswith("/") or head.method in ("CONNECT", "TRACE"):
        raise NotHeard(400, "Send a plain path: the sidecar is no proxy to other places.")
    names = [name.lower() for name, _ in head.fields]
    if "transfer-encoding" in names and "content-length" in names:
        raise NotHeard(400, "A length and chunks at once can be read in two ways.")


def _unsure(asked: Outgoing, error: Broken) -> str:
    if not error.sent:
        return "The marketplace could not be reached: nothing was sent."
    if asked.method in SAFE:
        return "The marketplace gave no whole answer."
    return (
        "The marketplace gave no whole answer, so nobody here knows what was done. Look first; the"
        " same request sent again within ten minutes starts nothing a second time."
    )
