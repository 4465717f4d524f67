"""The messages of Chat Completions, as the items of a conversation."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from assistants_server.offline.input_items import (
    CallId,
    FunctionCall,
    FunctionCallOutput,
    Item,
    MessageItem,
    Part,
    TextPart,
    text_of,
)
from assistants_server.web.fields import FunctionName


class SaidMessage(MessageItem):
    """A message of the user, or rules."""

    role: Literal["user", "system", "developer"]

    def items(self) -> Iterator[Item]:
        yield self


class CalledFunction(BaseModel):
    name: FunctionName
    arguments: str


class ChatToolCall(BaseModel):
    id: CallId
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(BaseModel):
    """What the tutor has said, or the functions that it has called."""

    role: Literal["assistant"]
    content: str | list[Part] | None = None
    tool_calls: list[ChatToolCall] | None = None

    def items(self) -> Iterator[Item]:
        calls = self.tool_calls or []
        if self.content or not calls:
            yield MessageItem(role="assistant", content=self.content or "")
        for call in calls:
            function = call.function
            yield FunctionCall(
                type="function_call",
                call_id=call.id,
                name=function.name,
                arguments=function.arguments,
            )


class ToolMessage(BaseModel):
    """The output of a function call."""

    role: Literal["tool"]
    tool_call_id: CallId
    content: str | list[TextPart]

    def items(self) -> Iterator[Item]:
        output = text_of(self.content)
        yield FunctionCallOutput(
            type="function_call_output", call_id=self.tool_call_id, output=output
        )


ChatMessage = Annotated[SaidMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]
