"""What the embedded Prefect server's process serves: Prefect's application behind two checks that Prefect has not.

A page of somebody's in the user's browser can reach 127.0.0.1 under a name of its own and write there in the user's name; so a
request has to be addressed to this machine, and one that says where it comes from has to come from here. Run by uvicorn as a
factory; nothing else imports it, because it imports Prefect.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from prefect.server.api.server import create_app
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lakehouse_sdk.servers.ports import LOOPBACK

_OWN_NAMES = (LOOPBACK, "localhost")


class OwnOrigin:
    """Refuses what a browser sends from any other page than the server's own.

    Args:
        app: Gets the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        headers = dict(scope.get("headers", ()))
        origin, host = headers.get(b"origin", b"").decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host:
            await PlainTextResponse("Requests of other pages are not taken.", status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def make_app() -> ASGIApp:
    """The application; settings come from the environment."""
    return TrustedHostMiddleware(OwnOrigin(create_app(final=True)), allowed_hosts=_OWN_NAMES)
