"""How answers show what is stored: the hosted API filled in some defaults, and left some keys out."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, SerializationInfo
from pydantic_core import PydanticUseDefault

SHOWN = object()

# For a field whose key is left out of the JSON while it is None.
LeftOut = Field(exclude_if=lambda value: value is None)


def shown(answer: BaseModel, *, exclude_none: bool = False) -> str:
    """Return the JSON that a client gets. What is stored lacks what `instead` fills in."""
    return answer.model_dump_json(
        by_alias=True, warnings=False, exclude_none=exclude_none, context=SHOWN
    )


def instead(unset: Any, default: Any) -> PlainSerializer:
    """Annotate a field that shows a default where nothing is set, and keeps that nothing is."""

    def serialize(value: Any, info: SerializationInfo) -> Any:
        return default if info.context is SHOWN and value == unset else value

    return PlainSerializer(serialize)


def _use_default(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


# For a field that takes null, or an old row's lack of a value, for its default.
OrDefault = BeforeValidator(_use_default)
