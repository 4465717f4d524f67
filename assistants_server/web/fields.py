"""Field types shared by the request bodies, with the limits of OpenAI's API reference.

See https://platform.openai.com/docs/api-reference/assistants
"""

from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from assistants_server.web.json_schema import JsonSchemaObject


class Body(BaseModel):
    """A request body. Unknown parameters are rejected, and ``"5"`` is not accepted as a number.

    A parameter that may be left out, and cannot be null, may be given as null all the same: it then
    counts as left out, for example ``{"tools": null}``.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict) or None not in body.values():
            return body
        optional = _never_null(cls)
        return {
            name: each for name, each in body.items() if each is not None or name not in optional
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(core_schema))
        for name in _never_null(cls):
            known = described["properties"][name]
            described["properties"][name] = {"anyOf": [known, {"type": "null"}]}
        return described

    def given(self) -> dict[str, Any]:
        """Return the parameters that the caller sent, without defaults."""
        return self.model_dump(exclude_unset=True, by_alias=True)


@cache
def _never_null(model: type[Body]) -> set[str]:
    """Return the names of the optional parameters that cannot be null."""
    return {
        field.alias or name
        for name, field in model.model_fields.items()
        if not field.is_required() and type(None) not in get_args(field.annotation)
    }


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class WithMetadata(Body):
    metadata: Metadata | None = None


class FunctionDefinition(Body):
    name: FunctionName
    description: str | None = None
    parameters: JsonSchemaObject | None = None
    strict: bool | None = None


class TextFormat(Body):
    type: Literal["text"]


class JsonObjectFormat(Body):
    type: Literal["json_object"]


class JsonSchema(Body):
    name: FunctionName
    description: str | None = None
    schema_: Annotated[JsonSchemaObject | None, Field(alias="schema")] = None
    strict: bool | None = None


class JsonSchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: JsonSchema
