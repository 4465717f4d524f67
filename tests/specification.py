"""What the SDK offers and what the server takes, written out so that they can be compared.

Each thing that may be sent is a line, for example ``reasoning_effort = 'low'``, ``metadata{}: str``
or ``tools[]<function>.function.name is required``. A query parameter begins with a question mark.
"""

import inspect
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from fastapi.responses import Response
from fastapi.routing import APIRoute, iter_route_contexts
from openai import OpenAI
from openai._legacy_response import HttpxBinaryResponseContent
from openai._types import Omit
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from typing_extensions import is_typeddict

from assistants_server.api.files import Upload
from assistants_server.app import create_app
from assistants_server.engine import Upstream
from assistants_server.store import Store
from assistants_server.web.strict_route import StrictRoute

# Parameters of the SDK's methods that stay on the client's side.
CLIENT_SIDE = {"extra_headers", "extra_query", "extra_body", "timeout"}
# Methods that are made of others, and send nothing of their own.
COMPOSED = ("poll", "stream", "upload", "wait_for_processing")
RESOURCES = ("assistants", "threads", "files", "vector_stores")
FORMS = {"POST /v1/files": Upload}  # the form is read by hand, so the route does not name it


@dataclass(frozen=True)
class Operation:
    """One endpoint: what may be sent, as lines, and what is answered."""

    route: str
    lines: frozenset[str]
    answer: str


class _Member(NamedTuple):
    name: str
    kind: Any
    required: bool


class _Noted(Exception):
    """Ends a call of the SDK where it would send a request."""


class _Recorder(OpenAI):
    """A client that sends nothing, and notes what it would have sent."""

    def __init__(self) -> None:
        super().__init__(api_key="none")
        self.options: Any = None
        self.answer = ""

    def request(self, cast_to: Any, options: Any, **_: Any) -> Any:
        self.options, self.answer = options, _name(cast_to)
        raise _Noted

    def _request_api_list(self, model: Any, page: Any, options: Any) -> Any:
        self.options, self.answer = options, f"list of {_name(model)}"
        raise _Noted


def offered() -> list[Operation]:
    """Return the SDK's operations on the resources that the server has."""
    client = _Recorder()
    beta, stores = client.beta, client.vector_stores
    return [
        _offered(client, method)
        for resource in (
            *(beta.assistants, beta.threads, beta.threads.messages, beta.threads.runs),
            *(beta.threads.runs.steps, client.files),
            *(stores, stores.files, stores.file_batches),
        )
        for name, method in inspect.getmembers(resource, inspect.ismethod)
        if not name.startswith("_") and not name.endswith(COMPOSED)
    ]


def _offered(client: _Recorder, method: Any) -> Operation:
    hints = get_type_hints(method, include_extras=True)
    parameters = inspect.signature(method).parameters
    names = [name for name in parameters if name not in CLIENT_SIDE]
    try:  # each parameter gets its own name, to be found again in the request
        method(**{name: b"" if name == "file" else name for name in names})
    except _Noted:
        path, query = client.options.url, client.options.params
    else:
        raise AssertionError(f"{method.__qualname__} sends nothing. Does it belong to COMPOSED?")
    written = set[str]()
    for name in names:
        if name in path.split("/"):
            path = path.replace(f"/{name}", f"/{{{name}}}")
        else:
            place = f"?{name}" if name in query else name
            required = parameters[name].default is inspect.Parameter.empty
            written |= _field(place, hints[name], required)
    route = f"{client.options.method.upper()} /v1{path}"
    return Operation(route, _folded(written), client.answer)


def served() -> dict[str, Operation]:
    """Return the server's operations on these resources, by method and path."""
    nowhere = Upstream("http://127.0.0.1", "")
    with TemporaryDirectory() as folder, closing(Store(Path(folder) / "a.db")) as store:
        app = create_app(store, "", nowhere, offline=True)
    found = [
        _served(context.path, context.original_route)
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, StrictRoute)
        and context.path.split("/")[2] in RESOURCES
    ]
    return {operation.route: operation for operation in found}


def _served(path: str, route: APIRoute) -> Operation:
    (method,) = route.methods
    name = f"{method} {path}"
    written = set[str]()
    for parameter in route.dependant.query_params:
        written |= _fields("?", parameter.field_info.annotation)
    for parameter in route.dependant.body_params:
        written |= _fields("", parameter.field_info.annotation)
    if name in FORMS:
        written |= _fields("", FORMS[name])
    return Operation(name, _folded(written), _name(route.response_model or Response))


def _fields(prefix: str, model: Any) -> set[str]:
    """Return the lines of an object's fields: of a TypedDict, a model, or a model that may be null."""
    objects = [each for each in _alternatives(model) if _is_object(each)]
    return {
        line
        for each in objects
        for name, kind, required in _members(each)
        for line in _field(f"{prefix}{name}", kind, required)
    }


def _field(place: str, kind: Any, required: bool, within: tuple[Any, ...] = ()) -> set[str]:
    return _lines(place, kind, within) | ({f"{place} is required"} if required else set())


def _lines(place: str, kind: Any, within: tuple[Any, ...] = ()) -> set[str]:
    alternatives = _alternatives(kind)
    if {bytes, UploadFile} & set(alternatives):
        return {f"{place}: file"}
    written = set[str]()
    for each in alternatives:
        origin, arguments = get_origin(each), get_args(each)
        if each in within:
            written.add(f"{place} as above")
        elif _is_object(each):
            for tag in _tags(each):
                written.add(place + tag)
                for name, inner, required in _members(each):
                    if not (tag and name == "type"):
                        written |= _field(f"{place}{tag}.{name}", inner, required, (*within, each))
        elif origin is Literal:
            written |= {f"{place} = {value!r}" for value in arguments}
        elif each is NoneType:
            written.add(f"{place} = None")
        elif each is bool:
            written |= {f"{place} = True", f"{place} = False"}
        elif each in (object, Any):
            written.add(f"{place}: anything")
        elif origin and issubclass(origin, Mapping):
            written |= _lines(f"{place}{{}}", arguments[1], within)
        elif origin:  # a list, or whatever the SDK makes one of
            written |= _lines(f"{place}[]", arguments[0], within)
        else:
            written.add(f"{place}: {each.__name__}")
    return written


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a type may be, without what is only said about it."""
    origin = get_origin(kind)
    if origin in (Annotated, Required, NotRequired):
        return _alternatives(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [found for each in get_args(kind) for found in _alternatives(each)]
    return [] if kind is Omit else [kind]


def _tags(kind: Any) -> list[str]:
    """Return what its field `type` may say, since that tells it from others in its place."""
    kinds = [
        each for name, hint, _ in _members(kind) if name == "type" for each in _alternatives(hint)
    ]
    return [f"<{text}>" for each in kinds for text in get_args(each)] or [""]


def _is_object(kind: Any) -> bool:
    return is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel))


def _members(kind: Any) -> list[_Member]:
    """Return the fields of a TypedDict or a model, with their names on the wire."""
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        return [_Member(name, hint, get_origin(hint) is Required) for name, hint in hints.items()]
    return [
        _Member((field.alias or name).removesuffix("[]"), field.annotation, field.is_required())
        for name, field in kind.model_fields.items()
    ]


def _folded(written: set[str]) -> frozenset[str]:
    """Return the lines without those that others include: any text includes each of some texts."""
    texts = {line.removesuffix(": str") for line in written if line.endswith(": str")}
    return frozenset(
        line for line in written if not ("= '" in line and line.split(" = ")[0] in texts)
    )


def _name(answer: Any) -> str:
    """Return the class that is answered; a list is one of whatever its items are."""
    if answer in (str, Response, HttpxBinaryResponseContent):
        return "a content"
    if "data" in answer.model_fields:
        (item,) = get_args(answer.model_fields["data"].annotation)
        return f"list of {_name(item)}"
    return f"{answer.__module__}.{answer.__name__}"
