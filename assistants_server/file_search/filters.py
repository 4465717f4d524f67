"""Filters on the attributes of a vector store's files."""

import operator
from typing import Any

COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, several: value in several,
    "nin": lambda value, several: value not in several,
}


def fits(attributes: dict[str, Any] | None, filter: dict[str, Any] | None) -> bool:
    """Return whether a file's attributes fit a filter: a comparison, or several with and, or."""
    if not filter:
        return True
    if filter["type"] in ("and", "or"):
        results = (fits(attributes, each) for each in filter["filters"])
        return all(results) if filter["type"] == "and" else any(results)
    value = (attributes or {}).get(filter["key"])
    if value is None:
        return filter["type"] in ("ne", "nin")
    try:
        return bool(COMPARE[filter["type"]](value, filter["value"]))
    except TypeError:  # a text and a number have no order
        return False
