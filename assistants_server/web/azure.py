"""Lets clients for Azure OpenAI in: their addresses are turned into OpenAI's before routing.

For example ``/openai/deployments/my-gpt/chat/completions?api-version=2024-05-01-preview`` becomes
``/v1/chat/completions``. Their header ``api-key`` is `RequireToken`'s matter. See
https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = re.compile(rb"/openai(?:/v1)?(?:/deployments/[^/]+)?(?=/)")


class AzureAddresses:
    """ASGI middleware that changes the path, and drops ``api-version`` from the query, of any path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if prefix := PREFIX.match(scope["raw_path"]):
                raw = b"/v1" + scope["raw_path"][prefix.end() :]
                scope = {**scope, "raw_path": raw, "path": unquote(raw.decode("ascii"))}
            if scope["query_string"]:
                kept = [part for part in scope["query_string"].split(b"&") if not _is_version(part)]
                scope = {**scope, "query_string": b"&".join(kept)}
        await self.app(scope, receive, send)


def _is_version(part: bytes) -> bool:
    return unquote_to_bytes(part.partition(b"=")[0]).lower() == b"api-version"
