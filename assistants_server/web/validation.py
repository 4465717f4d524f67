"""Says what is wrong with a request in OpenAI's words, naming the parameter."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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


class Explanation(NamedTuple):
    message: str
    param: str | None
    code: str | None


def explain(errors: Sequence[dict[str, Any]], body: Any) -> Explanation:
    """Turn pydantic's errors into one that a caller can act on.

    A value that may be of several types gives one error for each of them; the one that got
    furthest into the body is the one that was meant.
    """
    error = max(errors, key=lambda error: len(_path(error, body)))
    path = _path(error, body)
    param = dotted(path)
    kind, context = error["type"], error.get("ctx", {})
    value = error.get("input")

    if not path or kind == "json_invalid":
        return Explanation(
            "The body of the request is not a JSON object. Send one, with the header "
            "Content-Type: application/json.",
            None,
            None,
        )
    if kind == "extra_forbidden":
        return Explanation(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
    if kind == "missing":
        return Explanation(
            f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
        )
    if kind == "union_tag_not_found":
        param = f"{param}.{context['discriminator'].strip(chr(39))}"
        return Explanation(
            f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
        )
    if kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context.get("expected_tags")
        got = context.get("tag", value)
        return Explanation(
            f"Invalid value: {got!r} for '{param}'. Supported values are: {expected}.",
            param,
            "invalid_value",
        )
    if kind in WANT:
        return Explanation(
            f"Invalid type for '{param}': expected {WANT[kind]}, "
            f"but got {HAVE.get(type(value), 'something else')} instead.",
            param,
            "invalid_type",
        )
    return Explanation(*_limit(kind, context, param, value))


def _limit(kind: str, context: dict, param: str, value: Any) -> tuple[str, str, str]:
    if kind == "string_too_long":
        limit = context["max_length"]
        return (
            f"Invalid '{param}': string too long. Expected at most {limit} characters, "
            f"but got {len(value)}.",
            param,
            "string_above_max_length",
        )
    if kind == "too_long":
        limit = context["max_length"]
        what = "properties" if context.get("field_type") == "Dictionary" else "items"
        code = "object_above_max_properties" if what == "properties" else "array_above_max_length"
        return (
            f"Invalid '{param}': too many {what}. Expected at most {limit}, but got {len(value)}.",
            param,
            code,
        )
    if kind in ("greater_than_equal", "less_than_equal"):
        sign, limit = ("<=", context.get("le")) if "le" in context else (">=", context.get("ge"))
        direction = "above_max" if sign == "<=" else "below_min"
        return (
            f"Invalid '{param}': expected a value {sign} {limit:g}, but got {value}.",
            param,
            f"value_{direction}",
        )
    reason = str(context.get("error") or kind.replace("_", " "))
    return f"Invalid '{param}': {reason}.", param, "invalid_value"


def _path(error: dict[str, Any], body: Any) -> list[str | int]:
    """Return where in the request the error is, without the names of the union's branches."""
    place, *rest = error["loc"]
    if place != "body":  # a query parameter
        return list(rest)
    path, here = [], body
    for index, step in enumerate(rest):
        last = index == len(rest) - 1
        if (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        ):
            here = here[step]
        elif not (last and error["type"] == "missing"):
            continue
        path.append(step)
    return path


def dotted(path: list[str | int]) -> str:
    """Return a place in a body as OpenAI writes it, for example ``tools[0].function.name``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
