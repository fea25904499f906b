"""Who is asking, for the views of a FastAPI or Starlette application behind `KycgateASGI`.

    app = FastAPI()
    app.add_middleware(KycgateASGI, gate=gate)

    @app.post("/deploy")
    def deploy(who: Annotated[Identity, Depends(renter)]): ...

Decides nothing: the middleware has asked the gate before any view runs.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from kycgate.gateway.asgi import STATE
from kycgate.gateway.view import Identity

__all__ = ["Identity", "identity", "renter"]


def identity(connection: HTTPConnection) -> Identity | None:
    """Whose request is being handled; None on an anonymous catalogue read."""
    found = getattr(connection.state, STATE, None)
    return found if isinstance(found, Identity) else None


def renter(connection: HTTPConnection) -> Identity:
    """The same for views that somebody must stand behind: 403 where nobody does.

    Also where the middleware was forgotten, so that such a view never runs unguarded.
    """
    found = identity(connection)
    if found is None:
        raise HTTPException(403, "This needs a request that came through the gate.")
    return found
