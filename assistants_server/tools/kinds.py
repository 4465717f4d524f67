"""Which tools there are. Requests, stored objects, runs and streams follow from this list."""

from functools import reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from assistants_server.tools.tool import Tool

# Each has a module of its name in this room, with its class as `TOOL`.
TYPES = ("code_interpreter", "file_search", "function")
KINDS: dict[str, type[Tool]] = {each: import_module(f"{__package__}.{each}").TOOL for each in TYPES}


class As:
    """Validates a field by a type known at run time: ``Annotated[str, As(Literal[TYPES])]``."""

    def __init__(self, type: Any) -> None:
        self._type = type

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return handler.generate_schema(self._type)


def one_of(model: str) -> As:
    """Return what validates a field by one of the tools' models, for example `record_model`."""
    models = reduce(or_, (getattr(each, model) for each in KINDS.values()))
    return As(Annotated[models, Field(discriminator="type")])
