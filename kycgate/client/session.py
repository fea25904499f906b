"""A `requests` session for renting through the gate: proves the account, repeats safely, keeps
the permit.

Decides nothing and opens no escrow; it never sends a proof to any place but the marketplace it
was given.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import requests
from requests import PreparedRequest, Response

from kycgate.client.control import TIMEOUT_S, ControlPlane, GateRefused, as_given
from kycgate.client.origin import gate_origin, origin_of
from kycgate.client.signing import RequestSigner, unsign
from kycgate.core.permit import SignedPermit
from kycgate.core.proof import Profile
from kycgate.errors import Malformed
from kycgate.keys import Signer

PERMIT_HEADER: Final = "Kycgate-Permit"
JOB_HEADER: Final = "Kycgate-Job"
_KEY_HEADER: Final = "x-api-key"
_IDEMPOTENCY: Final = "Idempotency-Key"


class RenterSession(requests.Session):
    """Rents at `marketplace` through the gate whose control plane is `gate`.

    With a `signer` each request to the marketplace is signed by the wallet (ERC-8128). With a `key`
    the gate API key is sent instead, and the wallet, if given too, signs once when the gate asks
    for more (401). Every POST carries an Idempotency-Key, so that a repeat never starts a second
    job. URLs may be paths: they are taken from the marketplace.
    """

    def __init__(
        self,
        gate: str,
        *,
        marketplace: str,
        signer: Signer | None = None,
        key: str | None = None,
        key_header: str = _KEY_HEADER,
        chain_id: int = 1,
        profile: Profile = Profile.EIP155,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        if signer is None and key is None:
            raise Malformed("no proof to give", field="signer", remedy="give a signer or a key")
        self.marketplace = gate_origin(marketplace)
        self._key = key
        self._key_header = key_header
        self._signing = (
            None
            if signer is None
            else RequestSigner(signer, chain_id=chain_id, profile=profile, clock=clock)
        )
        self.control = ControlPlane(gate, signing=self._signing)
        self.auth = as_given
        self.headers["Accept"] = "application/json, application/problem+json"

    def close(self) -> None:
        self.control.close()
        super().close()

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> Response:
        """As `requests`, with paths taken from the marketplace and a timeout when none is given."""
        text = url.decode("ascii") if isinstance(url, bytes) else url
        if text.startswith("/"):
            text = self.marketplace + text
        kwargs.setdefault("timeout", TIMEOUT_S)
        return super().request(method, text, *args, **kwargs)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send with proof; once more with a fresh wallet signature where the gate demands one.

        A 401 comes before any effect, so the repeat can't start a second job. Redirects pass here
        one by one, so a proof never leaves for another origin.
        """
        ours = origin_of(request.url or "") == self.marketplace
        self._prove(request, ours=ours)
        response = super().send(request, **kwargs)
        if not ours or self._signing is None or not _proof_demanded(response):
            return response
        response.content  # noqa: B018  (drains the connection so that it can be used again)
        response.close()
        request.headers.pop(self._key_header, None)
        self._signing.sign(request)
        return super().send(request, **kwargs)

    def permit_for(self, response: Response) -> SignedPermit | None:
        """The permit of the job this answer started: from the answer, else from the control plane.

        None when the answer was a refusal, and where the gate issues no permits (no settlement).
        """
        if not response.ok:
            return None
        carried = response.headers.get(PERMIT_HEADER)
        if carried is not None:
            return read_permit_header(carried)
        job = response.headers.get(JOB_HEADER)
        if job is None:
            return None
        try:
            return self.control.permit_of(read_job(job))
        except GateRefused as refused:
            if refused.status == 404:
                return None
            raise

    def _prove(self, request: PreparedRequest, *, ours: bool) -> None:
        unsign(request)
        request.headers.pop(self._key_header, None)
        if not ours:
            return
        if request.method == "POST":
            request.headers.setdefault(_IDEMPOTENCY, secrets.token_urlsafe(24))
        if self._key is not None:
            request.headers[self._key_header] = self._key
        elif self._signing is not None:
            self._signing.sign(request)


def read_permit_header(value: str) -> SignedPermit:
    """A permit as answers carry it: base64url of its JSON. Raises Malformed."""
    try:
        data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64url", field=PERMIT_HEADER) from error
    return SignedPermit.from_wire(data)


def read_job(text: str) -> bytes:
    """The 32 bytes of a job id. Raises Malformed."""
    try:
        job = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Malformed("not hex", field="job", remedy="0x and 64 hex digits") from error
    if len(job) != 32:
        raise Malformed("not a job id", field="job", remedy="0x and 64 hex digits")
    return job


def _proof_demanded(response: Response) -> bool:
    """A redirected answer is somebody else's word: it moves us to sign nothing."""
    return response.status_code == 401 and not response.history
