"""The gate inside an ASGI application: streams stay streams, records run to their end."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from kycgate.gateway.asgi import STATE, KycgateASGI
from kycgate.gateway.starlette import Identity, renter
from tests.gateway.world import CAAS, HOST, Renter, World, deploy

RENT = json.dumps(deploy()).encode()


def scope(method: str, path: str, *fields: tuple[str, str], **extra: Any) -> dict[str, Any]:
    headers = [(n.lower().encode(), v.encode()) for n, v in (("Host", HOST), *fields)]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "https", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("192.0.2.7", 1), "server": (HOST, 443),
    } | extra  # fmt: skip


def rental(alice: Renter) -> dict[str, Any]:
    kind, size = ("Content-Type", "application/json"), ("Content-Length", str(len(RENT)))
    return scope("POST", f"{CAAS}/deploy", ("x-api-key", alice.secret), kind, size)


def call(app: Any, asked: dict[str, Any], body: bytes = b"") -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    asyncio.run(app(asked, receive, send))
    return said


def test_fastapi_views_learn_who_asks_and_strangers_never_reach_them(world: World) -> None:
    app = FastAPI()

    @app.post(f"{CAAS}/deploy")
    def rent(who: Annotated[Identity, Depends(renter)]) -> dict[str, str]:
        return {"deployment_id": "dep-7", "renter": who.account}

    alice = world.renter()
    guarded = KycgateASGI(app, world.gate, clock=lambda: world.now)
    start, end = call(guarded, rental(alice), RENT)
    assert start["status"] == 200
    assert json.loads(end["body"])["renter"] == alice.account
    assert world.store.deployment_owner("dep-7") == alice.account
    assert call(guarded, scope("POST", f"{CAAS}/deploy"), RENT)[0]["status"] == 403
    assert call(app, rental(alice), RENT)[0]["status"] == 403  # the middleware was forgotten


def test_identity_can_not_be_set_from_outside(world: World) -> None:
    seen: list[Any] = []

    async def app(asked: Any, receive: Any, send: Any) -> None:
        seen.append(asked["state"])

    guarded = KycgateASGI(app, world.gate, clock=lambda: world.now)
    call(guarded, scope("GET", f"{CAAS}/hardware", state={STATE: "forged", "kept": 1}))
    assert seen == [{STATE: None, "kept": 1}]


def test_an_application_that_breaks_leaves_an_unknown_asgi_outcome(world: World) -> None:
    async def broken(asked: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("boom")

    alice = world.renter()
    guarded = KycgateASGI(broken, world.gate, clock=lambda: world.now)
    start, end = call(guarded, rental(alice), RENT)
    assert start["status"] == 403
    assert b"boom" not in end["body"]
    assert world.store.jobs_of(alice.account)[0].state == "unknown"


def test_a_path_the_asgi_server_read_differently_is_refused(world: World) -> None:
    guarded = KycgateASGI(None, world.gate, clock=lambda: world.now)  # type: ignore[arg-type]
    asked = scope("GET", f"{CAAS}/hardware", raw_path=b"/public/../hardware")
    assert call(guarded, asked)[0]["status"] == 400


def test_a_websocket_is_closed_before_the_application_hears_of_it(world: World) -> None:
    guarded = KycgateASGI(None, world.gate, clock=lambda: world.now)  # type: ignore[arg-type]
    assert call(guarded, {"type": "websocket"}) == [{"type": "websocket.close", "code": 1008}]


def test_an_asgi_rent_is_recorded_though_its_server_gave_up(world: World) -> None:
    async def story() -> None:
        go = asyncio.Event()

        async def app(asked: Any, receive: Any, send: Any) -> None:
            await go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b'{"deployment_id":"dep-8"}'})

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": RENT, "more_body": False}

        async def send(message: Any) -> None:
            raise AssertionError("nobody listens")

        guarded = KycgateASGI(app, world.gate, clock=lambda: world.now)
        task = asyncio.ensure_future(guarded(rental(alice), receive, send))
        while not guarded._recorded:
            await asyncio.sleep(0.01)
        task.cancel()
        go.set()
        while guarded._recorded:
            await asyncio.sleep(0.01)

    alice = world.renter()
    asyncio.run(story())
    assert world.store.deployment_owner("dep-8") == alice.account


def test_asgi_reads_stream_part_by_part(world: World) -> None:
    async def app(asked: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, True, False):
            await send({"type": "http.response.body", "body": b"x", "more_body": more})

    guarded = KycgateASGI(app, world.gate, clock=lambda: world.now)
    asked = scope("GET", f"{CAAS}/hardware", ("x-api-key", world.renter().secret))
    assert [message.get("more_body") for message in call(guarded, asked)] == [
        None, True, True, False,
    ]  # fmt: skip
