"""The gate in one line for a Flask application: `Kycgate(app, gate=gate)`.

Nothing of the decision is here: it runs before Flask, in the WSGI middleware.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, request

from kycgate.gateway.middleware import IDENTITY, KycgateWSGI
from kycgate.gateway.view import GatePort, Identity


def _now() -> int:
    return int(time.time())


class Kycgate:
    """Puts `gate` in front of a Flask application, or of several through `init_app`."""

    def __init__(
        self, app: Flask | None = None, *, gate: GatePort, clock: Callable[[], int] = _now
    ) -> None:
        self._gate = gate
        self._clock = clock
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Every request of `app` goes through the gate from now on."""
        inner = app.wsgi_app
        app.wsgi_app = KycgateWSGI(inner, self._gate, clock=self._clock)  # type: ignore[method-assign]
        app.extensions["kycgate"] = self


def identity() -> Identity | None:
    """Whose request is being handled; None on an anonymous catalogue read."""
    found = request.environ.get(IDENTITY)
    return found if isinstance(found, Identity) else None
