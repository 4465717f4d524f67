"""What Responses and Chat Completions share: input items, tools, formats, refused parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from assistants_server.marks import FILES_NOTE
from assistants_server.tutor import Conversation, JsonFormat, Message, Tool, ToolCall
from assistants_server.web import fields
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


def text_of(content: str | Sequence[Part]) -> str:
    """Return the text of a content, without its pictures and the note of attached files.

    The tutor's programs look for the files themselves.
    """
    if isinstance(content, str):
        return content
    texts = (part.text for part in content if part.text)
    return "\n".join(text for text in texts if not FILES_NOTE.fullmatch(text))


class MessageItem(BaseModel):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]

    def text(self) -> str:
        return text_of(self.content)


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


def check_calls(items: Sequence[Item], param: str) -> None:
    """Refuse calls that share an id, or that do not have one output each, after them.

    Args:
        param: the parameter that the items came in.

    Raises:
        ApiError: 400, naming the call.
    """

    def wrong(reason: str) -> ApiError:
        return ApiError(400, f"Invalid '{param}': {reason}.", param=param, code="invalid_value")

    called: set[str] = set()
    waiting: set[str] = set()
    for item in items:
        if isinstance(item, FunctionCall):
            if item.call_id in called:
                raise wrong(f"two function calls have the call_id '{item.call_id}'")
            called.add(item.call_id)
            waiting.add(item.call_id)
        elif isinstance(item, FunctionCallOutput):
            if item.call_id not in called:
                raise wrong(f"there is no function call with the call_id '{item.call_id}'")
            if item.call_id not in waiting:
                raise wrong(f"two outputs have the call_id '{item.call_id}'")
            waiting.remove(item.call_id)
    if waiting:
        raise wrong(f"there is no output for the function call '{min(waiting)}'")


Choice = Literal["none", "auto", "required"]


@dataclass(frozen=True)
class ToolSettings:
    """The functions that may be called.

    Attributes:
        choice: whether to call one.
        only: the name of the one that may be called; None if any may.
    """

    functions: Sequence[fields.FunctionDefinition]
    choice: Choice
    only: str | None

    def check(self) -> None:
        """Check that a function fits the choice.

        Raises:
            ApiError: 400, it does not.
        """
        offered = [function.name for function in self.functions]
        if self.only is None:
            fits, wanted = bool(offered) or self.choice != "required", "tool"
        else:
            fits, wanted = self.only in offered, f"tool with the name '{self.only}'"
        if not fits:
            raise ApiError(
                400,
                f"Invalid 'tool_choice': there is no {wanted} in 'tools'.",
                param="tool_choice",
                code="invalid_value",
            )


def json_format(
    wanted: fields.TextFormat | fields.JsonObjectFormat | fields.JsonSchema | None,
) -> JsonFormat | None:
    """Return what a request's format asks of the tutor; None for plain text."""
    if isinstance(wanted, fields.JsonSchema):
        return JsonFormat(wanted.schema_ or {})
    return JsonFormat() if isinstance(wanted, fields.JsonObjectFormat) else None


def conversation(
    items: Sequence[Item],
    tools: ToolSettings,
    format: JsonFormat | None,
    instructions: str | None = None,
) -> Conversation:
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
    return Conversation(
        joined,
        tuple(turns),
        format=format,
        tools=tuple(Tool(each.name, each.parameters) for each in tools.functions),
        choice=tools.choice,
        only_tool=tools.only,
    )
