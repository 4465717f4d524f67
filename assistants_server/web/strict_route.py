"""How every endpoint of ours reads a request: what it does not understand it refuses."""

from collections import Counter
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from assistants_server.web.errors import ApiError
from assistants_server.web.json_body import not_an_object, parse


class StrictRoute(APIRoute):
    """A route whose JSON body goes through `parse`, and whose query may hold nothing odd."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            self._check_query(request)
            if self.body_field is not None and _has_body(request):
                if not _is_json(request):  # nor is it read: an upload may be large
                    raise not_an_object("its Content-Type is another")
                request = _JsonRequest(request.scope, request.receive)
                await request.json()  # FastAPI, which asks next, would hide what is wrong
            return await handle(request)

        return strictly

    def _check_query(self, request: Request) -> None:
        if not request.url.query:
            return
        given = Counter(name for name, _ in request.query_params.multi_items())
        for name, times in given.items():
            if not self.dependant.query_params:  # where there are some, their model refuses others
                raise ApiError(
                    400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
                )
            if times > 1 and not name.endswith("[]"):
                raise ApiError(
                    400, f"Duplicate parameter: '{name}'.", param=name, code="duplicate_parameter"
                )


class _JsonRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            content = await self.body()
            self._json = parse(content) if content else None
        return self._json


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or (
        "transfer-encoding" in request.headers
    )


def _is_json(request: Request) -> bool:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    kind = header.get_content_type()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
