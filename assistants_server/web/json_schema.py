"""Checks JSON schemas in requests, for example the parameters of a function tool."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

Kind = Literal["string", "number", "integer", "boolean", "object", "array", "null"]


class _Schema(BaseModel):
    """The keywords that are checked. All other keywords may have any value."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Kind | list[Kind] = "object"
    properties: dict[str, "_SubSchema"] = {}
    items: "_SubSchema | None" = None
    required: list[str] = []
    enum: Annotated[list[Any], Field(min_length=1)] = [None]
    any_of: Annotated["_Choices", Field(alias="anyOf")] = []
    one_of: Annotated["_Choices", Field(alias="oneOf")] = []
    all_of: Annotated["_Choices", Field(alias="allOf")] = []
    defs: Annotated[dict[str, "_SubSchema"], Field(alias="$defs")] = {}
    definitions: dict[str, "_SubSchema"] = {}
    ref: Annotated[str, Field(alias="$ref")] = "#"

    def references(self) -> list[str]:
        inner = [*self.properties.values(), *self.defs.values(), *self.definitions.values()]
        inner += [*self.any_of, *self.one_of, *self.all_of, *([self.items] if self.items else [])]
        return [self.ref, *(reference for each in inner for reference in each.references())]


# JSON Schema allows ``true`` in place of a schema. It accepts every value.
_SubSchema = Annotated[_Schema, BeforeValidator(lambda given: {} if given is True else given)]
_Choices = list[_SubSchema]
_Schema.model_rebuild()


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    try:
        references = _Schema.model_validate(schema).references()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ValueError(f"this is not a JSON schema, at '{place}': {first['msg']}") from None
    for reference in references:
        here: Any = schema
        for part in reference.removeprefix("#").strip("/").split("/"):
            here = (here.get(part) if isinstance(here, dict) else None) if part else here
        if not reference.startswith("#") or not isinstance(here, dict):
            raise ValueError(f"the schema has nothing at its '$ref' {reference!r}")
    return schema


JsonSchemaObject = Annotated[dict[str, Any], AfterValidator(_checked)]
