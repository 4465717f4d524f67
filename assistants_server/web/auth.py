"""Checks the token of a request before its body is read."""

import secrets

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from assistants_server.web.errors import ApiError


class RequireToken:
    """ASGI middleware that answers 401 unless ``Authorization: Bearer <token>`` matches.

    Azure's clients send the token in the header ``api-key`` instead.

    A web page can make a browser send requests to this server, for example by DNS rebinding. But it
    does not know the token, and there is no cookie that the browser would add. `open_path` needs no
    token. Scopes other than HTTP and lifespan, such as WebSockets, are dropped.
    """

    def __init__(self, app: ASGIApp, token: str, open_path: str) -> None:
        self.app = app
        self._open_path = open_path
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "lifespan"):
            return
        if scope["type"] == "http" and scope["path"] != self._open_path:
            headers = Headers(scope=scope)
            scheme, _, given = headers.get("authorization", "").partition(" ")
            tried = [given if scheme.lower() == "bearer" else "", headers.get("api-key", "")]
            fits = [secrets.compare_digest(each.strip().encode(), self._token) for each in tried]
            if not any(fits):
                refusal = ApiError(401, _reason("".join(tried)), code="invalid_api_key")
                await refusal.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _reason(given: str) -> str:
    if not given:
        return (
            "You sent no token. Send the one that this server printed when it started, in the "
            "header Authorization: Bearer TOKEN (with an OpenAI client: OPENAI_API_KEY), or api-key."
        )
    return (
        "Incorrect token. This server makes a new one at every start; use the one that it "
        "printed this time."
    )
