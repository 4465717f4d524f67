"""Strategies from JSON Schema, as far as our own description of the API uses it."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.fuzz import odd

MOST_ITEMS = 3
QUESTIONS = (
    "Solve 3x + 11 = 14",
    "What is 2 + 2?",
    "Expand (a + b)^7",
    "9^99^9",
    "Solve x" + " " * 3000 + "= 1",
    "Plot sin(x) from -3 to 3",
    "The first 10 primes, with code",
    "Run this code:\n```python\nprint(6 * 7)\n```",
    "What does the file say about numbers?",
    "Make a quiz about fractions with one multiple choice question.",
    "Differentiate x^x, integrate e^(x^2), limit of sin(x)/x",
    "Hello",
)


@dataclass(frozen=True)
class Ref:
    """The id of an object that is there when the request is sent: the number-th of its kind."""

    kind: str
    number: int


# Which properties name objects, and of which kind.
IDS = {
    "assistant_id": "assistant",
    "file_id": "file",
    "file_ids": "file",
    "vector_store_ids": "vector_store",
    "tool_call_id": "call",
    "call_id": "call",
    "after": "any",
    "before": "any",
    "run_id": "run",
}
TEXTS = {"content", "text", "input", "query", "arguments", "output"}

anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
json_schemas = st.sampled_from(
    (
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"steps": {"type": "array", "items": {"type": "number"}}}},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {}}},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"enum": [1]}]}}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "array", "items": True},
        {},
    )
)


def refs(kind: str) -> st.SearchStrategy[Any]:
    """Draw an id of that kind, mostly of an object that exists."""
    found = st.builds(Ref, st.just(kind), st.integers(0, 10_000))
    return st.one_of(found, found, found, st.sampled_from(("x", "", "file-" + "a" * 24)))


class Schemas:
    """Strategies for the schemas of an OpenAPI description."""

    def __init__(self, openapi: dict[str, Any]) -> None:
        self._components = openapi["components"]["schemas"]
        self._known: dict[str, st.SearchStrategy] = {}

    def strategy(self, schema: dict[str, Any], name: str = "") -> st.SearchStrategy[Any]:
        """Return a strategy for values that fit `schema`.

        Args:
            name: the property that the value is for.
        """
        if "$ref" in schema:
            return self._referenced(schema["$ref"].rpartition("/")[2])
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return st.one_of(*(self.strategy(each, name) for each in schema[choice]))
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "string":
                return self._text(schema, name)
            case "integer":
                low, high = int(schema.get("minimum", -5)), int(schema.get("maximum", 5000))
                return st.integers(low, high)
            case "number":
                low, high = schema.get("minimum", -5), schema.get("maximum", 5000)
                return st.floats(low, high, allow_nan=False)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case "array":
                most = min(schema.get("maxItems", MOST_ITEMS), MOST_ITEMS)
                items = self.strategy(schema.get("items", {}), name)
                return st.lists(items, min_size=schema.get("minItems", 0), max_size=most)
            case "object":
                return self._object(schema, name)
        return anything

    def _referenced(self, name: str) -> st.SearchStrategy[Any]:
        if name not in self._known:
            self._known[name] = st.deferred(lambda: self.strategy(self._components[name]))
        return self._known[name]

    def _text(self, schema: dict[str, Any], name: str) -> st.SearchStrategy[Any]:
        if name in IDS:
            return refs(IDS[name])
        if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True, alphabet="abz_-09")
        if name == "model":
            return st.just("gpt-6-luna")
        if name == "url":
            return st.sampled_from(("https://example.org/a.png", "data:image/png;base64,AAAA", "x"))
        low, high = schema.get("minLength", 0), min(schema.get("maxLength", 60), 60)
        plain = st.text(st.characters(codec="utf-8"), min_size=low, max_size=high)
        return st.one_of(st.sampled_from(QUESTIONS), plain) if name in TEXTS else plain

    def _object(self, schema: dict[str, Any], name: str) -> st.SearchStrategy[Any]:
        properties = schema.get("properties")
        if properties is None:
            if schema.get("additionalProperties") is True:
                return self._open_object(name)
            inner = self.strategy(schema.get("additionalProperties") or {}, name)
            return st.dictionaries(st.text(max_size=20), inner, max_size=4)
        required = schema.get("required", ())
        known = {key: self.strategy(each, key) for key, each in properties.items()}
        return st.fixed_dictionaries(
            {key: each for key, each in known.items() if key in required},
            optional={key: each for key, each in known.items() if key not in required},
        )

    def _open_object(self, name: str) -> st.SearchStrategy[Any]:
        """Objects that the schema leaves open: functions' parameters, tools, formats."""
        function = st.fixed_dictionaries(
            {"type": st.just("function")},
            optional={"name": st.just("f"), "parameters": st.one_of(json_schemas, odd.values)},
        )
        match name:
            case "parameters" | "schema":
                return st.one_of(json_schemas, st.dictionaries(st.text(max_size=9), anything))
            case "tools":
                return function
            case "tool_choice":
                return st.fixed_dictionaries(
                    {"type": st.just("function")}, optional={"name": st.just("f")}
                )
            case "text":
                schema = st.one_of(json_schemas, odd.values)
                format = st.fixed_dictionaries(
                    {"type": st.sampled_from(("json_schema", "text", "json_object"))},
                    optional={"name": st.just("f"), "schema": schema},
                )
                return st.fixed_dictionaries({"format": st.one_of(format, format, odd.values)})
        return st.dictionaries(st.text(max_size=9), anything, max_size=4)
