"""The gate's own questions to services behind it: bounded, never redirected, by no proxy.

Knows no service: what is asked, and with which key, its callers say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from kycgate.errors import Unavailable
from kycgate.gateway.view import Headers

_TIMEOUT_S = 10
_ANSWER_MOST = 8 * 2**20


class Asking:
    """Asks one service, by its origin. `who` names it where it fails."""

    def __init__(self, origin: str, who: str) -> None:
        self._origin = origin
        self._who = who
        self._session = requests.Session()
        # Neither a proxy nor a netrc of the environment: the keys we send are the service's alone.
        self._session.trust_env = False

    def __call__(
        self, method: str, target: str, headers: Headers, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer. Raises Unavailable without a whole one."""
        try:
            with self._session.request(
                method,
                self._origin + target,
                headers=dict(headers),
                data=body,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                said = answer.raw.read(_ANSWER_MOST + 1, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            # The body is read from urllib3 itself, whose errors are no RequestException.
            raise Unavailable(f"{self._who} did not answer the gate's own question") from error
        if len(said) > _ANSWER_MOST:
            raise Unavailable(f"{self._who}'s answer exceeds {_ANSWER_MOST} bytes")
        return answer.status_code, said


def posting(
    origin: str, who: str, token: str
) -> Callable[[str, dict[str, Any]], tuple[int, bytes]]:
    """Posts JSON to a path of one service, as the bearer of a token."""
    ask = Asking(origin, who)
    headers = (("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"))

    def post(path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        return ask("POST", path, headers, json.dumps(body).encode())

    return post
