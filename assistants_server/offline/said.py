"""What Responses and Chat Completions have in common: messages, and parameters we do not read."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from assistants_server.api.errors import ApiError
from assistants_server.tutor import Conversation, ToolCall, Turn


class Part(BaseModel):
    type: str
    text: str | None = None


class Said(BaseModel):
    """One message of a conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if part.text is not None)


class Called(BaseModel):
    """A function call that the tutor made."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str

    def text(self) -> str:
        return f"{self.name}{self.arguments}"


class CalledOutput(BaseModel):
    """What came of a function call."""

    type: Literal["function_call_output"]
    call_id: str
    output: str

    def text(self) -> str:
        return self.output


Item = Said | Called | CalledOutput


def conversation(
    items: list[Item],
    instructions: str | None = None,
    format: dict | None = None,
    tools: Iterable[dict] = (),
    choice: str | dict = "auto",
) -> Conversation:
    """Return what was said as the tutor reads it; system messages join the instructions."""
    rules = [instructions or ""]
    turns: list[Turn | ToolCall] = []
    outputs = {item.call_id: item.output for item in items if isinstance(item, CalledOutput)}
    for item in items:
        if isinstance(item, Called):
            turns.append(ToolCall(item.name, item.arguments, outputs.get(item.call_id)))
        elif isinstance(item, Said) and item.role in ("system", "developer"):
            rules.append(item.text())
        elif isinstance(item, Said):
            turns.append(Turn(item.role, item.text()))
    joined = "\n".join(rule for rule in rules if rule)
    return Conversation(joined, tuple(turns), format, tuple(tools), choice)


def refuse(given: Iterable[str], known: set[str], unsupported: Iterable[str]) -> None:
    """Refuse a parameter that OpenAI does not have, or that the tutor cannot honour.

    Raises:
        ApiError: 400, naming the parameter.
    """
    for name in given:
        if name not in known:
            message, code = f"Unknown parameter: '{name}'.", "unknown_parameter"
        elif name in unsupported:
            message = f"The offline tutor does not support '{name}'."
            code = "unsupported_parameter"
        else:
            continue
        raise ApiError(400, message, param=name, code=code)
