"""The gate's control plane as a renter's program sees it: sign in, verify, keys, permits, status.

Trusts the gate with nothing but what it must know: it never signs a message made for another place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import requests

from kycgate.client.origin import gate_origin
from kycgate.client.signing import RequestSigner
from kycgate.core.claims import checksum
from kycgate.core.permit import SignedPermit
from kycgate.core.proof import SiweMessage
from kycgate.core.proof.siwe import moment
from kycgate.core.typed import personal_digest
from kycgate.core.wire import require_shallow
from kycgate.errors import KycgateError, Malformed, TooLarge, Unavailable
from kycgate.keys import Signer

TIMEOUT_S: Final = 30
_CHALLENGE_LIFE_MOST_S: Final = 3600


class GateRefused(KycgateError):
    """The gate said no. `code` as it came; `reasons` are (code, sentence) pairs, outward ones."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        self.outward_code = str(document.get("code", "unknown"))
        self.request_id = document.get("request_id")
        self.reasons = tuple(
            (str(reason.get("code")), str(reason.get("text")))
            for reason in document.get("reasons") or ()
            if isinstance(reason, dict)
        )
        sentences = [text for _, text in self.reasons] or [str(document.get("detail") or "refused")]
        remedy = document.get("remedy")
        super().__init__(" ".join(sentences) + (f" ({remedy})" if remedy else ""))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session at the gate. `token` is a secret; `expires_at` Unix seconds UTC."""

    token: str
    account: str
    scope: str
    expires_at: int

    def __repr__(self) -> str:
        return f"SignedIn(account={self.account!r}, scope={self.scope!r})"


class ControlPlane:
    """Calls the gate's API with a session token, or signs each request. Raises GateRefused,
    Malformed (the gate named a field), Unavailable (no answer, or the gate could not tell)."""

    def __init__(
        self,
        gate: str,
        *,
        token: str | None = None,
        signing: RequestSigner | None = None,
        http: requests.Session | None = None,
    ) -> None:
        self.gate = gate_origin(gate)
        self._token = token
        self._signing = signing
        self._http = http or requests.Session()

    def close(self) -> None:
        self._http.close()

    # -- sign-in ---------------------------------------------------------------------------------

    def sign_in(
        self, signer: Signer, *, chain_id: int, clock: Callable[[], float], scope: str = "sign-in"
    ) -> SignedIn:
        """Get a challenge, check that it is made for this gate and this account, sign it, hand it
        in.
        """
        account = checksum(signer.address)
        asked = {"account": account, "chain_id": chain_id, "scope": scope}
        drawn = self._call("POST", "/v1/challenge", asked, bare=True)
        message = str(drawn.get("message", ""))
        check_challenge(message, gate=self.gate, signer=signer, chain_id=chain_id, now=int(clock()))
        signature = signer.sign_digest(personal_digest(message.encode("utf-8")))
        signed = {"message": message, "signature": "0x" + signature.hex()}
        got = self._call("POST", "/v1/session", signed, bare=True)
        session = SignedIn(
            str(got["token"]), str(got["account"]), str(got["scope"]), int(got["expires_at"])
        )
        self._token = session.token
        self._http.cookies.clear()  # a cookie beside the token would be a second proof
        return session

    def sign_out(self) -> None:
        self._call("DELETE", "/v1/session")

    # -- questions -------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        return self._call("GET", "/v1/status")

    def ways(self) -> list[dict[str, Any]]:
        """The ways this operator offers to prove identity, the strongest first."""
        found: list[dict[str, Any]] = self._call("GET", "/v1/ways")["ways"]
        return found

    def open_case(
        self, kind: str, details: dict[str, Any], *, refusal_id: str | None = None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"kind": kind, "details": details}
        return self._call("POST", "/v1/cases", body | _given(refusal_id=refusal_id))

    def make_key(self, *, label: str, days: int, scope: list[str] | None = None) -> dict[str, Any]:
        """A new gate API key; its `secret` is in this answer and nowhere else."""
        return self._call("POST", "/v1/keys", {"label": label, "days": days} | _given(scope=scope))

    def keys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/keys")["keys"]
        return found

    def revoke_key(self, key_id: str) -> None:
        self._call("DELETE", f"/v1/keys/{quote(key_id, safe='')}")

    def draw_user_code(self) -> dict[str, Any]:
        """A code to be applied as a run's name by the scheduler's user that is to be linked."""
        return self._call("POST", "/v1/users", {})

    def users(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/users")["users"]
        return found

    def end_user(self, link_id: str) -> None:
        self._call("DELETE", f"/v1/users/{quote(link_id, safe='')}")

    def explain(self, job: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", "/v1/explain", job)

    def attestation(self) -> dict[str, Any]:
        return self._call("GET", "/v1/attestation")

    def permit_of(self, job: bytes) -> SignedPermit:
        """The permit of an accepted job, by its 32-byte id."""
        return self._permit("GET", f"/v1/permits?job=0x{job.hex()}", None)

    def ask_permit(self, wanted: dict[str, Any]) -> SignedPermit:
        """Have the gate decide without forwarding: job fields, provider, token and max_value."""
        return self._permit("POST", "/v1/permits", wanted)

    # -- the wire --------------------------------------------------------------------------------

    def _permit(self, method: str, path: str, body: dict[str, Any] | None) -> SignedPermit:
        return SignedPermit.from_wire(self._send(method, path, body, bare=False).content)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, bare: bool = False
    ) -> dict[str, Any]:
        response = self._send(method, path, body, bare=bare)
        return {} if response.status_code == 204 else _document(response)

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, *, bare: bool
    ) -> requests.Response:
        """`bare` leaves the credential out: the sign-in calls are made before there is one."""
        asked = requests.Request(
            method, self.gate + path, json=body, headers=self._headers(bare), auth=as_given
        )
        request = self._http.prepare_request(asked)
        if self._signing is not None and self._token is None and not bare:
            self._signing.sign(request)
        try:
            response = self._http.send(request, timeout=TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as error:
            raise Unavailable(f"{self.gate} did not answer") from error
        if response.status_code >= 300:
            raise as_error(response)
        return response

    def _headers(self, bare: bool) -> dict[str, str]:
        headers = {"Accept": "application/json, application/problem+json"}
        if self._token is not None and not bare:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def as_given(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that adds nothing: without one, requests puts what a netrc file says of the host in
    the place of the proof we send."""
    return request


def check_challenge(message: str, *, gate: str, signer: Signer, chain_id: int, now: int) -> None:
    """Refuse to sign what another place would take: a dishonest gate could relay its sign-in
    text.
    """
    siwe = SiweMessage.parse(message)
    wrong = [
        name
        for name, holds in (
            ("domain", siwe.domain == gate.split("://", 1)[1]),
            ("uri", siwe.uri == gate),
            ("address", siwe.address == signer.address),
            ("chain_id", siwe.chain_id == chain_id),
            ("expiration_time", _soon(siwe.expiration_time, now)),
        )
        if not holds
    ]
    if wrong:
        raise Malformed(
            f"the gate's sign-in text is not for this sign-in: {', '.join(wrong)}",
            field="message",
            remedy="check the address of the gate; nothing was signed",
        )


def as_error(response: requests.Response) -> KycgateError:
    """Our error for an answer that is not a success."""
    if response.status_code >= 500 or response.status_code < 400:
        return Unavailable(f"the gate could not tell (HTTP {response.status_code}); try again")
    document = _document(response)
    if response.status_code in (400, 413):
        kind = TooLarge if response.status_code == 413 else Malformed
        return kind(
            str(document.get("detail")),
            field=str(document.get("field") or "request"),
            remedy=str(document.get("remedy") or ""),
        )
    return GateRefused(response.status_code, document)


def _document(response: requests.Response) -> dict[str, Any]:
    try:
        require_shallow(response.content, field="answer")
        document = response.json()
    except (ValueError, Malformed) as error:
        raise Unavailable("the answer is not JSON: is this address a gate?") from error
    if not isinstance(document, dict):
        raise Unavailable("the answer is not a JSON object: is this address a gate?")
    return document


def _soon(expiration_time: str | None, now: int) -> bool:
    if expiration_time is None:
        return False
    return moment(expiration_time, field="expiration_time") <= now + _CHALLENGE_LIFE_MOST_S


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
