"""Requests to our API: each operation of the schema, valid or spoilt in some place."""

from dataclasses import dataclass, field
from typing import Any, get_type_hints

from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from tests.fuzz import odd
from tests.fuzz.schema import Schemas, refs

# The schema leaves these bodies open; the SDK knows their fields.
OPEN = {
    "/v1/responses": sorted(get_type_hints(ResponseCreateParamsBase)),
    "/v1/chat/completions": sorted(get_type_hints(CompletionCreateParamsBase)),
}
LAST_PARAMETER = {
    "assistant_id": "assistant",
    "thread_id": "thread",
    "message_id": "message",
    "run_id": "run",
    "step_id": "step",
    "file_id": "file",
    "vector_store_id": "vector_store",
    "batch_id": "batch",
}
WEIGHTS = {"post": 5, "get": 3, "delete": 1}


@dataclass(frozen=True)
class Request:
    """One request. The ids in it are filled in when it is sent.

    Attributes:
        path: with ``{thread_id}`` and the like.
        kind: of the object whose ids fill the path.
        number: which object of that kind.
        odd_id: takes the place of the last id, if not None.
        end: put behind the path.
        body: JSON, with `Ref` and `Literally` in it; or bytes, as they are.
        misspelt: how its text is spoilt, if not None.
    """

    method: str
    path: str
    kind: str | None = None
    number: int = 0
    odd_id: str | None = None
    end: str = ""
    query: dict[str, Any] | str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    misspelt: int | None = None


def requests(openapi: dict[str, Any]) -> st.SearchStrategy[Request]:
    """Return a strategy for requests to all operations of an OpenAPI description."""
    schemas = Schemas(openapi)
    found = []
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            weight = WEIGHTS.get(method, 1)
            found += [_operation(schemas, method, path, operation)] * weight
    return st.one_of(*found)


def one_in(number: int) -> st.SearchStrategy[bool]:
    """Draw true once in so many times."""
    return st.integers(1, number).map(lambda drawn: drawn == number)


def _operation(
    schemas: Schemas, method: str, path: str, operation: dict[str, Any]
) -> st.SearchStrategy[Request]:
    names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
    kind = LAST_PARAMETER[names[-1]] if names else None
    if names == ["vector_store_id", "file_id"]:
        kind = "store_file"
    query = st.fixed_dictionaries(
        {},
        optional={
            each["name"]: refs("any")
            if each["name"] in ("after", "before")
            else schemas.strategy(each["schema"], each["name"])
            for each in operation.get("parameters", ())
            if each["in"] == "query"
        },
    )
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    body = schemas.strategy(schema) if schema else st.none()
    if path in OPEN:
        body = st.builds(_with_more, body, st.sampled_from(OPEN[path]), odd.values, one_in(3))

    @st.composite
    def draw_one(draw: st.DrawFn) -> Request:
        given: dict[str, Any] = {"query": draw(query)}
        if path == "/v1/files" and method == "post":
            given["headers"], given["body"] = draw(odd.uploads())
        elif schema:
            given["body"] = draw(body)
            match draw(st.integers(0, 9)):
                case 0 | 1 | 2:
                    given["body"] = _spoilt(
                        given["body"], draw(st.integers(0, 10_000)), draw(odd.values)
                    )
                case 3:
                    given["misspelt"] = draw(st.integers(0, 8))
                case 4:
                    if draw(one_in(3)):
                        given["body"] = draw(st.sampled_from(odd.WHOLE))
        match draw(st.integers(0, 29)):
            case 0 | 1:
                given["odd_id"] = draw(st.sampled_from(odd.IDS))
            case 2 | 3:
                given["query"] = draw(st.sampled_from(odd.QUERIES))
            case 4:
                given["end"] = draw(st.sampled_from(odd.PATH_ENDS))
            case 5 | 6:
                given["headers"] = {
                    **given.get("headers", {}),
                    **draw(st.sampled_from(odd.HEADERS)),
                }
            case 7 if schema:
                given["headers"] = {"Content-Type": draw(st.sampled_from(odd.CONTENT_TYPES))}
        sent = method
        if draw(one_in(60)):
            sent = draw(st.sampled_from(("put", "patch", "head", "options", "trace", "x")))
        return Request(sent.upper(), path, kind, draw(st.integers(0, 10_000)), **given)

    return draw_one()


def _with_more(body: Any, name: str, value: Any, more: bool) -> Any:
    return {**body, name: value} if more else body


def _spoilt(body: Any, where: int, value: Any) -> Any:
    """Return a body in which one value is replaced, or left out, or one more is there."""
    places: list[tuple[Any, Any]] = []

    def look(node: Any) -> Any:
        node = dict(node) if isinstance(node, dict) else node
        node = list(node) if isinstance(node, list) else node
        if isinstance(node, dict | list):
            for key in node if isinstance(node, dict) else range(len(node)):
                places.append((node, key))
                node[key] = look(node[key])
        return node

    body = look(body)
    if not places:
        return value
    node, key = places[where % len(places)]
    if where % 10 == 8:
        del node[key]
    elif where % 10 == 9 and isinstance(node, dict):
        node["unknown"] = value
    else:
        node[key] = value
    return body
