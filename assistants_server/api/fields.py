"""The parts that several request bodies share, with the limits of OpenAI's description."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from assistants_server.tools import TYPES, As, one_of
from assistants_server.web.fields import (
    Body,
    JsonObjectFormat,
    JsonSchemaFormat,
    TextFormat,
    WithMetadata,
)

FileIds = Annotated[list[str], Field(max_length=500)]
Name = Annotated[str, Field(max_length=256)]
Description = Annotated[str, Field(max_length=512)]
Instructions = Annotated[str, Field(max_length=256_000)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


Tools = Annotated[list[Annotated[Body, one_of("request_model")]], Field(max_length=128)]


class CodeInterpreterResources(Body):
    file_ids: Annotated[list[str], Field(max_length=20)] = []


class Static(Body):
    max_chunk_size_tokens: Annotated[int, Field(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _overlap(self) -> "Static":
        if self.chunk_overlap_tokens > self.max_chunk_size_tokens / 2:
            raise ValueError("chunk_overlap_tokens must not exceed half of max_chunk_size_tokens")
        return self


class AutoStrategy(Body):
    type: Literal["auto"]


class StaticStrategy(Body):
    type: Literal["static"]
    static: Static


Strategy = Annotated[AutoStrategy | StaticStrategy, Field(discriminator="type")]


class NewVectorStore(WithMetadata):
    file_ids: FileIds = []
    chunking_strategy: Strategy | None = None


class FileSearchResources(Body):
    vector_store_ids: Annotated[list[str], Field(max_length=1)] = []
    vector_stores: Annotated[list[NewVectorStore], Field(max_length=1)] = []


class ToolResources(Body):
    code_interpreter: CodeInterpreterResources = CodeInterpreterResources()
    file_search: FileSearchResources = FileSearchResources()


class Modification(WithMetadata):
    tool_resources: ToolResources = ToolResources()


ResponseFormat = (
    Literal["auto"]
    | Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
)


class NamedFunction(Body):
    name: str


class NamedToolChoice(Body):
    type: Annotated[str, As(Literal[TYPES])]
    function: NamedFunction | None = None

    @model_validator(mode="after")
    def _complete(self) -> "NamedToolChoice":
        if self.type == "function" and self.function is None:
            raise ValueError("type 'function' needs the name of the function in function.name")
        return self


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class TruncationStrategy(Body):
    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "TruncationStrategy":
        if self.type == "last_messages" and self.last_messages is None:
            raise ValueError("type 'last_messages' needs the number of messages in last_messages")
        return self
