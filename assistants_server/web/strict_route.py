"""How every endpoint of ours reads a request: what it does not understand it refuses."""

from collections import Counter
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from assistants_server.web.errors import ApiError
from assistants_server.web.json_body import not_an_object, parse
from assistants_server.web.shown import shown


class StrictRoute(APIRoute):
    """A route whose JSON body goes through `parse`, and whose query may hold nothing odd.

    FastAPI reads the endpoint's signature and describes it in ``/v1/openapi.json``. Requests are
    read here: FastAPI's own way of it takes longer than most endpoints do.

    An endpoint may take the path's parameters, a `Request`, one model for the body, one for the
    query, and what coroutine functions of the request return (`Depends`). It returns a model or a
    `Response`.
    """

    def __init__(self, path: str, endpoint: Any, **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        takes = self.dependant
        self.app = self._answer
        self._in_path = [field.name for field in takes.path_params]
        self._query = takes.query_params[0] if takes.query_params else None
        self._provided = [(each.name, each.call) for each in takes.dependencies if each.call]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not scope.get("root_path") and not self.path_regex.match(scope["path"]):
            return Match.NONE, {}  # as FastAPI finds, but most routes are asked in vain
        return super().matches(scope)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self._check_query(request)
        body = await self._body(request)
        values = {name: request.path_params[name] for name in self._in_path}
        for name, provide in self._provided:
            value = await provide(request)
            if name is not None:  # else it is for the whole router, and returns nothing
                values[name] = value
        if self.dependant.request_param_name:
            values[self.dependant.request_param_name] = request
        errors: list[Any] = []
        if self._query is not None:
            model: Any = self._query.field_info.annotation
            try:
                values[self._query.name] = model.model_validate(_given(request))
            except ValidationError as error:
                found = error.errors(include_url=False)
                errors += [{**each, "loc": ("query", *each["loc"])} for each in found]
        if self.body_field is not None:
            values[self.body_field.name], wrong = _validate(self.body_field, body)
            errors += wrong
        if errors:
            raise RequestValidationError(errors, body=body)
        answer = await self.endpoint(**values)
        await _response(answer)(scope, receive, send)

    async def _body(self, request: Request) -> Any:
        """Return the JSON body, or `PydanticUndefined` if there is none."""
        if self.body_field is None or not _has_body(request):
            return PydanticUndefined
        if not _is_json(request):  # nor is it read: an upload may be large
            raise not_an_object("its Content-Type is another")
        content = await request.body()
        return parse(content) if content else PydanticUndefined

    def _check_query(self, request: Request) -> None:
        if not request.scope["query_string"]:
            return
        given = Counter(name for name, _ in request.query_params.multi_items())
        for name, times in given.items():
            if self._query is None:  # where there is a model, it refuses what it does not know
                raise ApiError(
                    400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
                )
            if times > 1 and not name.endswith("[]"):
                raise ApiError(
                    400, f"Duplicate parameter: '{name}'.", param=name, code="duplicate_parameter"
                )


def _validate(field: Any, body: Any) -> tuple[Any, list[Any]]:
    """Return the body as the endpoint's model, and what is wrong with it."""
    if body is not PydanticUndefined:
        return field.validate(body, {}, loc=("body",))
    if not field.field_info.is_required():
        return field.get_default(), []
    return None, [{"type": "missing", "loc": ("body",), "msg": "", "input": None}]


def _given(request: Request) -> dict[str, Any]:
    """Return the query's parameters; one whose name ends with ``[]`` is a list."""
    given: dict[str, Any] = {}
    if request.scope["query_string"]:
        for name, value in request.query_params.multi_items():
            if name.endswith("[]"):
                given.setdefault(name, []).append(value)
            else:
                given[name] = value
    return given


def _response(answer: BaseModel | Response) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(shown(answer), media_type="application/json")


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or (
        "transfer-encoding" in request.headers
    )


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    if kind == "application/json":
        return True
    header = Message()
    header["content-type"] = kind
    kind = header.get_content_type()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
