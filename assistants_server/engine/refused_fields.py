"""Which fields of a request an upstream does not take, and can be left out."""

import re
from collections.abc import Iterator

import openai

# They make answers better or cheaper, but no request depends on them.
DISPENSABLE = ("include", "parallel_tool_calls", "prompt_cache_key")
# How a server says that a field is not known to it at all: OpenAI, and pydantic.
UNKNOWN = ("unknown_parameter", "extra_forbidden")
# All that `transformers serve` says: a set of names of fields.
UNUSED = re.compile(r"(?:Unsupported fields|Unexpected keys) in the request: (\{[\w', ]+\})")


def dispensable(error: openai.APIStatusError) -> set[str]:
    """Return the fields that an error refuses and that can be left out.

    What counts is where the error says that the trouble is: its `param`, or the place in the `loc`
    of a 422. Its words may quote anything.

    ``store: false`` is left out only where the upstream says that it knows no such field. Then there
    is nothing that the field could turn off. An upstream that knows it but does not take this value
    would store the conversation if it were left out.
    """
    return {
        name
        for name, is_unknown in _complaints(error)
        if name in DISPENSABLE or (name == "store" and is_unknown)
    }


def _complaints(error: openai.APIStatusError) -> Iterator[tuple[str, bool]]:
    """Yield the names of the fields that an error is about, and whether they are not known."""
    if isinstance(error.param, str):  # for example "include" or "include[0]"
        yield re.split(r"[.\[]", error.param)[0], error.code in UNKNOWN
    details = error.body.get("detail") if isinstance(error.body, dict) else None
    if isinstance(
        details, list
    ):  # for example [{"type": "extra_forbidden", "loc": ["body", "store"]}]
        for detail in filter(lambda each: isinstance(each, dict), details):
            loc = detail.get("loc")
            place = [each for each in loc if each != "body"] if isinstance(loc, list) else []
            if place:
                yield str(place[0]), detail.get("type") in UNKNOWN
    elif isinstance(details, str) and (unused := UNUSED.fullmatch(details)):
        for name in re.findall(r"'(\w+)'", unused[1]):
            yield name, True
