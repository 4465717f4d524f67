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
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from openai import OpenAI
from openai._legacy_response import HttpxBinaryResponseContent
from openai._types import Omit

from assistants_server.api.files import Upload
from assistants_server.app import create_app
from assistants_server.engine import Upstream
from assistants_server.store import Store

# Parameters of the SDK's methods that stay on the client's side.
CLIENT_SIDE = {"extra_headers", "extra_query", "extra_body", "timeout"}
# Methods that are made of others, and send nothing of their own.
COMPOSED = ("poll", "stream", "upload", "wait_for_processing")
RESOURCES = ("assistants", "threads", "files", "vector_stores")
FORMS = {"POST /v1/files": Upload}  # read by hand, so the server's description lacks it

Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One endpoint: what may be sent, as lines, and the name of the class that is answered."""

    route: str
    lines: frozenset[str]
    answer: str


# The SDK's side


class _Noted(Exception):
    """Ends a call of the SDK where it would send a request."""


class _Recorder(OpenAI):
    """A client that sends nothing, and notes what it would have sent."""

    def __init__(self) -> None:
        super().__init__(api_key="none")
        self.options: Any = None
        self.answer = ""

    def request(self, cast_to: Any, options: Any, **_: Any) -> Any:
        content = cast_to in (str, HttpxBinaryResponseContent)
        self.options, self.answer = options, "a content" if content else cast_to.__name__
        raise _Noted

    def _request_api_list(self, model: Any, page: Any, options: Any) -> Any:
        self.options, self.answer = options, f"list of {model.__name__}"
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
    lines = set[str]()
    for name in names:
        if name in path.split("/"):
            path = path.replace(f"/{name}", f"/{{{name}}}")
        else:
            place = f"?{name}" if name in query else name
            required = parameters[name].default is inspect.Parameter.empty
            lines |= _field(place, hints[name], required)
    route = f"{client.options.method.upper()} /v1{path}"
    return Operation(route, _folded(lines), client.answer)


def _field(place: str, kind: Any, required: bool) -> set[str]:
    return _of_type(place, kind) | ({f"{place} is required"} if required else set())


def _of_type(place: str, kind: Any) -> set[str]:
    alternatives = _alternatives(kind)
    if bytes in alternatives:
        return {f"{place}: file"}
    lines = set[str]()
    for each in alternatives:
        origin, arguments = get_origin(each), get_args(each)
        if each is NoneType:
            lines.add(f"{place} = None")
        elif each is bool:
            lines |= {f"{place} = True", f"{place} = False"}
        elif each is object:
            lines.add(f"{place}: anything")
        elif origin is Literal:
            lines |= {f"{place} = {value!r}" for value in arguments}
        elif origin and issubclass(origin, Mapping):
            lines |= _of_type(f"{place}{{}}", arguments[1])
        elif origin:  # a list, or something else to iterate over
            lines |= _of_type(f"{place}[]", arguments[0])
        elif isinstance(each, type) and issubclass(each, dict):
            lines |= _of_typed_dict(place, each)
        else:
            lines.add(f"{place}: {each.__name__}")
    return lines


def _of_typed_dict(place: str, kind: Any) -> set[str]:
    hints = get_type_hints(kind, include_extras=True)
    texts = [text for each in _alternatives(hints.get("type")) for text in get_args(each)]
    lines = set[str]()
    for here in _tagged(place, texts):
        lines.add(here)
        for name, hint in hints.items():
            if not (texts and name == "type"):
                lines |= _field(f"{here}.{name}", hint, get_origin(hint) is Required)
    return lines


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a type may be, without what is only said about it."""
    origin = get_origin(kind)
    if origin in (Annotated, Required, NotRequired):
        return _alternatives(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [found for each in get_args(kind) for found in _alternatives(each)]
    return [] if kind is Omit else [kind]


# The server's side


def served() -> dict[str, Operation]:
    """Return the server's operations on these resources, by method and path."""
    nowhere = Upstream("http://127.0.0.1", "")
    with TemporaryDirectory() as folder, closing(Store(Path(folder) / "a.db")) as store:
        description = create_app(store, "", nowhere, offline=True).openapi()
    schemas = description["components"]["schemas"]
    found = [
        _served(f"{method.upper()} {path}", operation, schemas)
        for path, operations in description["paths"].items()
        if path.split("/")[2] in RESOURCES
        for method, operation in operations.items()
    ]
    return {operation.route: operation for operation in found}


def _served(route: str, operation: Schema, schemas: dict[str, Schema]) -> Operation:
    lines = set[str]()
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            place = f"?{parameter['name'].removesuffix('[]')}"
            lines |= _of_schema(place, parameter["schema"], schemas)
            if parameter["required"]:
                lines.add(f"{place} is required")
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        lines |= _of_schema("", body, schemas)
    if route in FORMS:
        form = FORMS[route].model_json_schema()
        lines |= _of_schema("", form, form["$defs"])
    lines = {line.removeprefix(".") for line in lines if line.strip(" =None")}
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return Operation(route, _folded(lines), _class_of(answer, schemas))


def _of_schema(
    place: str, schema: Schema, schemas: dict[str, Schema], within: tuple[str, ...] = ()
) -> set[str]:
    if reference := schema.get("$ref", ""):
        name = reference.rpartition("/")[2]
        if name in within:
            return {f"{place} as above"}
        return _of_schema(place, schemas[name], schemas, (*within, name))
    for alternatives in (schema.get("anyOf"), schema.get("oneOf")):
        if alternatives:
            return set().union(*(_of_schema(place, each, schemas, within) for each in alternatives))
    if values := _values(schema):
        return {f"{place} = {value!r}" for value in values}
    match schema.get("type"):
        case "null":
            return {f"{place} = None"}
        case "boolean":
            return {f"{place} = True", f"{place} = False"}
        case "string":
            return {f"{place}: file" if "contentMediaType" in schema else f"{place}: str"}
        case "integer":
            return {f"{place}: int"}
        case "number":
            return {f"{place}: float"}
        case "array":
            return _of_schema(f"{place}[]", schema["items"], schemas, within)
        case "object" if "properties" not in schema:
            inner = schema["additionalProperties"]
            inner = {} if inner is True else inner
            return _of_schema(f"{place}{{}}", inner, schemas, within)
        case "object":
            return _of_object(place, schema, schemas, within)
    return {f"{place}: anything"}


def _of_object(
    place: str, schema: Schema, schemas: dict[str, Schema], within: tuple[str, ...]
) -> set[str]:
    texts = _values(schema["properties"].get("type", {}))
    lines = set[str]()
    for here in _tagged(place, texts):
        lines.add(here)
        for name, inner in schema["properties"].items():
            if not (texts and name == "type"):
                lines |= _of_schema(f"{here}.{name}", inner, schemas, within)
                if name in schema.get("required", ()):
                    lines.add(f"{here}.{name} is required")
    return lines


def _values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else schema.get("enum", [])


def _class_of(answer: Schema, schemas: dict[str, Schema]) -> str:
    if not answer:
        return "a content"
    name = answer["$ref"].rpartition("/")[2]
    if "data" in schemas[name]["properties"]:
        return f"list of {_class_of(schemas[name]['properties']['data']['items'], schemas)}"
    return name


# Both sides


def _tagged(place: str, texts: list[str]) -> list[str]:
    """Return a place once for each text that its `type` may have, as in ``tools[]<function>``."""
    return [f"{place}<{text}>" for text in texts] or [place]


def _folded(lines: set[str]) -> frozenset[str]:
    """Return the lines without texts where any text is allowed."""
    free = {line.removesuffix(": str") for line in lines if line.endswith(": str")}
    return frozenset(line for line in lines if not ("= '" in line and line.split(" = ")[0] in free))
