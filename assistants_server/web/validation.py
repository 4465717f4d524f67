"""Turns pydantic's validation errors into the messages of OpenAI's API."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

HAVE = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
HAVE |= {int: "an integer", float: "a decimal"}

WANT = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


LIMITS = {
    "string_too_long": (
        "string too long. Expected at most {max_length} characters, but got {length}",
        "string_above_max_length",
    ),
    "too_long": (
        "too many items. Expected at most {max_length}, but got {length}",
        "array_above_max_length",
    ),
    "too_long_object": (
        "too many properties. Expected at most {max_length}, but got {length}",
        "object_above_max_properties",
    ),
    "less_than_equal": ("expected a value <= {le:g}, but got {value}", "value_above_max"),
    "greater_than_equal": ("expected a value >= {ge:g}, but got {value}", "value_below_min"),
}


def explain(errors: Sequence[ErrorDetails], body: Any) -> tuple[str, str | None, str | None]:
    """Return the message, param and code of one error that a caller can act on.

    For a value of a union type pydantic reports one error for each branch. The error with the
    longest path is used, because its branch matched the body best.
    """
    error = max(errors, key=lambda error: len(_path(error, body)))
    path = _path(error, body)
    if not path or error["type"] == "json_invalid":
        message = "The body of the request is not a JSON object. Send one, with the header "
        return f"{message}Content-Type: application/json.", None, None
    kind, context = error["type"], error.get("ctx", {})
    param = dotted(path)
    if kind == "union_tag_not_found":
        kind, param = "missing", f"{param}.{context['discriminator'].strip(chr(39))}"
    message, code = _message_and_code(kind, context, param, error.get("input"))
    return message, param, code


def _message_and_code(
    kind: str, context: dict[str, Any], param: str, value: Any
) -> tuple[str, str]:
    if kind == "extra_forbidden":
        return f"Unknown parameter: '{param}'.", "unknown_parameter"
    if kind == "missing":
        return f"Missing required parameter: '{param}'.", "missing_required_parameter"
    if kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context.get("expected_tags")
        got = context.get("tag", value)
        message = f"Invalid value: {got!r} for '{param}'. Supported values are: {expected}."
        return message, "invalid_value"
    if kind in WANT:
        have = HAVE.get(type(value), "something else")
        message = f"Invalid type for '{param}': expected {WANT[kind]}, but got {have} instead."
        return message, "invalid_type"
    if kind == "too_long" and isinstance(value, dict):
        kind = "too_long_object"
    if kind in LIMITS:
        text, code = LIMITS[kind]
        length = len(value) if hasattr(value, "__len__") else None
        return f"Invalid '{param}': {text.format(**context, value=value, length=length)}.", code
    reason = str(context.get("error") or kind.replace("_", " "))
    return f"Invalid '{param}': {reason}.", "invalid_value"


def _path(error: ErrorDetails, body: Any) -> list[str | int]:
    """Return the error's path in the request, without the names of union branches.

    For example, ``("body", "tools", 0, "function", "type")`` becomes ``["tools", 0, "type"]``, if
    ``function`` is the name of a branch and not a key of the tool.
    """
    place, *rest = error["loc"]
    if place != "body":  # a query parameter
        return list(rest)
    path: list[str | int] = []
    here = body
    for index, step in enumerate(rest):
        last = index == len(rest) - 1
        is_key = isinstance(here, dict) and step in here
        is_index = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if is_key or is_index:
            here = here[step]
        elif not (last and error["type"] == "missing"):
            continue
        path.append(step)
    return path


def dotted(path: list[str | int]) -> str:
    """Return a path in OpenAI's notation, for example ``tools[0].function.name``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
