"""What the bodies of Responses and Chat Completions share: input items, and refused parameters."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from assistants_server.tutor import Conversation, Message, ToolCall
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import FunctionName, Metadata, Temperature, TopP


class Question(BaseModel):
    """What the tutor reads of any request. It ignores OpenAI's other parameters."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: Annotated[str, Field(min_length=1)]
    stream: bool | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    metadata: Metadata | None = None

    def refuse(self, known: set[str], unsupported: set[str]) -> None:
        """Refuse, with a 400, a parameter that OpenAI does not have or the tutor cannot honour."""
        for name, value in (self.model_extra or {}).items():
            if value is not None and name not in known:
                message, code = f"Unknown parameter: '{name}'.", "unknown_parameter"
                raise ApiError(400, message, param=name, code=code)
            if value is not None and name in unsupported:
                message = f"The offline tutor does not support '{name}'."
                raise ApiError(400, message, param=name, code="unsupported_parameter")


class TextPart(BaseModel):
    type: Literal["input_text", "output_text", "text"]
    text: str


class RefusalPart(BaseModel):
    type: Literal["refusal"]
    text: Annotated[str, Field(alias="refusal")]


class ImagePart(BaseModel):
    """A picture, which the tutor ignores: it cannot see."""

    type: Literal["input_image", "image_url"]
    text: Literal[""] = ""


Part = Annotated[TextPart | RefusalPart | ImagePart, Field(discriminator="type")]


class MessageItem(BaseModel):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if part.text)


CallId = Annotated[str, Field(min_length=1, max_length=64)]


class FunctionCall(BaseModel):
    type: Literal["function_call"]
    call_id: CallId
    name: FunctionName
    arguments: str

    def text(self) -> str:
        return f"{self.name}{self.arguments}"


class FunctionCallOutput(BaseModel):
    type: Literal["function_call_output"]
    call_id: CallId
    output: str

    def text(self) -> str:
        return self.output


def _kind(item: Any) -> str:
    return item.get("type", "message") if isinstance(item, dict) else "message"


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")],
    Discriminator(_kind),
]


def check_calls(items: Sequence[Item]) -> None:
    """Refuse, with a 400, calls that share an id or do not have one output each, after them."""
    called: set[str] = set()
    waiting: set[str] = set()
    for item in items:
        if isinstance(item, FunctionCall):
            if item.call_id in called:
                raise _wrong_call(f"two function calls have the call_id '{item.call_id}'")
            called.add(item.call_id)
            waiting.add(item.call_id)
        elif isinstance(item, FunctionCallOutput):
            if item.call_id not in called:
                raise _wrong_call(f"there is no function call with the call_id '{item.call_id}'")
            if item.call_id not in waiting:
                raise _wrong_call(f"two outputs have the call_id '{item.call_id}'")
            waiting.remove(item.call_id)
    if waiting:
        raise _wrong_call(f"there is no output for the function call '{min(waiting)}'")


def _wrong_call(reason: str) -> ApiError:
    return ApiError(400, f"Invalid 'input': {reason}.", param="input", code="invalid_value")


def conversation(items: Sequence[Item], instructions: str | None = None) -> Conversation:
    """Return the items as the tutor reads them; system messages are added to the instructions."""
    rules = [instructions or ""]
    turns: list[Message | ToolCall] = []
    outputs = {item.call_id: item.output for item in items if isinstance(item, FunctionCallOutput)}
    for item in items:
        if isinstance(item, FunctionCall):
            turns.append(ToolCall(item.name, item.arguments, outputs.get(item.call_id)))
        elif isinstance(item, MessageItem):
            if item.role == "system" or item.role == "developer":
                rules.append(item.text())
            else:
                turns.append(Message(item.role, item.text()))
    joined = "\n".join(rule for rule in rules if rule)
    return Conversation(joined, tuple(turns))
