"""Field types shared by the request bodies, with the limits of OpenAI's API reference.

See https://platform.openai.com/docs/api-reference/assistants
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistants_server.web.json_schema import JsonSchemaObject


class Body(BaseModel):
    """A request body. Unknown parameters are rejected, and ``"5"`` is not accepted as a number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """Return the parameters that the caller sent, without defaults."""
        return self.model_dump(exclude_unset=True, by_alias=True)


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
