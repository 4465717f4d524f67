"""Reads JSON as strictly as is needed to give it back later: what could not be is refused."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from assistants_server.web.errors import ApiError
from assistants_server.web.validation import dotted

# OpenAI's structured outputs nest 10 objects, 2 levels of a schema each; pydantic stops at 255.
MOST_LEVELS = 64
MOST_VALUES = 50_000  # a megabyte of brackets would become 25 MB of objects
INTEGERS = range(-(2**63), 2**64)
TOO_DEEP = f"nested too deep; at most {MOST_LEVELS} levels are allowed"
TOO_LONG_AN_INTEGER = "an integer must fit into 64 bits"
NAMED_LEVELS = 5

# A string, even one without an end, or what begins a value or separates two.
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)


class _Unusable(Exception):
    """A value that cannot be kept. `path` grows on the way out."""

    def __init__(self, reason: str, path: Sequence[str | int] = ()) -> None:
        super().__init__(reason)
        self.path = list(path)


def parse(content: bytes) -> Any:
    """Return the value that a JSON text stands for.

    Refused, with a 400 that names the place, are what is not JSON in UTF-8, a name given twice, NaN,
    Infinity, half a surrogate pair, an integer of more than 64 bits, and too many values or levels.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_an_object("it is not UTF-8") from None
    if _values(content) > MOST_VALUES:
        raise _invalid(f"it has more than {MOST_VALUES:,} values")
    try:
        value = json.loads(text, object_pairs_hook=_object)
        _check(value, 1)
    except _Unusable as error:
        param = dotted(error.path[:NAMED_LEVELS]) or None
        raise _invalid(str(error), param) from None
    except RecursionError:
        raise _invalid(TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise not_an_object(f"{error.msg}, at character {error.pos}") from None
    except ValueError:  # int() refuses some thousands of digits
        raise _invalid(TOO_LONG_AN_INTEGER) from None
    return value


def not_an_object(reason: str) -> ApiError:
    """Return the error for a body that nothing can be made of."""
    return ApiError(
        400,
        f"The body of the request is not a JSON object ({reason}). Send one, with the header "
        "Content-Type: application/json.",
    )


def _invalid(reason: str, param: str | None = None) -> ApiError:
    place = f"'{param}'" if param else "body of the request"
    return ApiError(400, f"Invalid {place}: {reason}.", param=param, code="invalid_value")


def _values(content: bytes) -> int:
    """Return how many values there may be, counted no further than needed."""
    most = content.count(b",") + content.count(b"[") + content.count(b"{")
    if most <= MOST_VALUES:
        return most
    count = 0
    for token in TOKEN.finditer(content):
        count += not token[0].startswith(b'"')
        if count > MOST_VALUES:
            break
    return count


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise _Unusable("it is given twice", [_shown(twice)])
    return found


def _shown(name: str) -> str:
    return name.encode(errors="replace").decode()


def _check(value: Any, level: int) -> None:
    """Raise `_Unusable` for a value that is JSON to Python, but not to others."""
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is int:
        if value not in INTEGERS:
            raise _Unusable(TOO_LONG_AN_INTEGER)
    elif kind is float:
        if not math.isfinite(value):
            raise _Unusable("NaN and Infinity are not JSON, and no number is that large")
    elif kind is dict or kind is list:
        if level > MOST_LEVELS:
            raise _Unusable(TOO_DEEP)
        members = value.items() if kind is dict else enumerate(value)
        for key, each in members:
            try:
                if isinstance(key, str):
                    _check_text(key)
                _check(each, level + 1)
            except _Unusable as error:
                error.path.insert(0, _shown(key) if isinstance(key, str) else key)
                raise


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Unusable("it holds half of a surrogate pair, which is no character") from None
