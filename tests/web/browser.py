"""Callers of the control plane: a browser with cookies and an Origin, and a tool with a token."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from kycgate.core.claims import checksum
from kycgate.core.proof import HttpRequest, Profile, sign_request
from kycgate.core.typed import keccak, personal_digest
from kycgate.keys import LocalSigner
from kycgate.web.app import create_app
from tests.web.world import GATE, World

ALICE = LocalSigner(keccak(b"alice"))
MALLORY = LocalSigner(keccak(b"mallory"))


def key_of(signer: LocalSigner) -> str:
    return "0x" + signer.address.hex()


class Browser:
    """A client with its own cookie jar. `origin` is what its pages send with changes."""

    def __init__(
        self, world: World, *, origin: str | None = GATE, token: str | None = None
    ) -> None:
        self.world = world
        self.client = create_app(world.parts).test_client()
        self.headers: dict[str, str] = {} if origin is None else {"Origin": origin}
        if token is not None:
            self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=self.headers | headers, base_url=GATE)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers | headers, base_url=GATE)

    def put(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.put(path, json=body, headers=self.headers | headers, base_url=GATE)

    def raw(self, path: str, body: bytes, media: str = "application/json") -> TestResponse:
        headers = self.headers | {"Content-Type": media}
        return self.client.post(path, data=body, headers=headers, base_url=GATE)

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers | headers, base_url=GATE)

    def challenge(self, signer: LocalSigner = ALICE, **more: Any) -> str:
        asked = {"account": checksum(signer.address), "chain_id": 1} | more
        response = self.post("/v1/challenge", asked)
        assert response.status_code == 200, response.text
        return str(response.get_json()["message"])

    def answer(self, message: str, signer: LocalSigner = ALICE) -> TestResponse:
        signed = {"message": message, "signature": "0x" + signature(message, signer).hex()}
        return self.post("/v1/session", signed)

    def sign_in(self, signer: LocalSigner = ALICE, **more: Any) -> str:
        response = self.answer(self.challenge(signer, **more), signer)
        assert response.status_code == 201, response.text
        return str(response.get_json()["token"])


def signature(message: str, signer: LocalSigner) -> bytes:
    return signer.sign_digest(personal_digest(message.encode()))


def signed_in(world: World, signer: LocalSigner = ALICE) -> Browser:
    """A browser after sign-in."""
    browser = Browser(world)
    browser.sign_in(signer)
    return browser


def tool(world: World, signer: LocalSigner = ALICE, *, scope: str = "sign-in") -> Browser:
    """A program with a session token and no cookies."""
    return Browser(world, token=Browser(world).sign_in(signer, scope=scope))


def signed_headers(
    world: World,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    signer: LocalSigner = ALICE,
    nonce: str = "nonce-0001",
    authority: str = "gate.test",
    profile: Profile = Profile.EIP155,
) -> dict[str, str]:
    """ERC-8128 headers for a request to the control plane."""
    where, _, query = path.partition("?")
    request = HttpRequest(method, "http", authority, where, query or None, (), body)
    return dict(
        sign_request(
            request,
            signer_address=signer.address,
            chain_id=1,
            sign=signer.sign_digest,
            nonce=nonce,
            created=world.clock(),
            expires=world.clock() + 60,
            profile=profile,
        )
    )


def link(browser: Browser, drawn: TestResponse, signer: LocalSigner = MALLORY) -> TestResponse:
    """The second account signs the message drawn for it."""
    message = str(drawn.get_json()["message"])
    signed = {"message": message, "signature": "0x" + signature(message, signer).hex()}
    return browser.post("/v1/accounts", signed)
