"""What request bodies of any of our APIs share, with the limits of OpenAI's description."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistants_server.web.json_schema import JsonSchemaObject


class Body(BaseModel):
    """A request body: an unknown parameter is refused, and ``"5"`` is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """Return what the caller sent, and nothing that was filled in for them."""
        return self.model_dump(exclude_unset=True, by_alias=True)


Metadata = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=16),
]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


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
