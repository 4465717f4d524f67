"""What a tool is: what a model is offered, how its calls are carried out, what is kept of them."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from openai.types.beta import AssistantToolChoice, assistant, thread
from openai.types.beta.threads import Annotation, MessageContent
from openai.types.beta.threads.runs import ToolCall, ToolCallDelta
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.file_search import Library
from assistants_server.store import Store

Model = type[BaseModel]
Settings = TypeVar("Settings", bound=BaseModel)
Record = TypeVar("Record", bound=BaseModel)


class ToolError(Exception):
    """A tool cannot carry out a call, and the run fails. The message says what to do."""


@dataclass(frozen=True)
class Call:
    """A function that the model wants called. `arguments` is what it wrote, JSON or not."""

    id: str
    name: str
    arguments: str

    def argument(self, name: str) -> Any:
        """Return an argument.

        Raises:
            ValueError: the arguments are not a JSON object, or it is not among them.
        """
        try:
            return json.loads(self.arguments)[name]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError(f"There is no argument '{name}'.") from None


@dataclass(frozen=True)
class Context:
    """What the tools of one conversation work with.

    Attributes:
        resources: returns the tool resources of its assistant and its thread, as they are now.
    """

    store: Store
    interpreter: CodeInterpreter
    library: Library
    thread_id: str
    resources: Callable[[], Iterable[assistant.ToolResources | thread.ToolResources]]


class Tool(Generic[Settings, Record]):
    """A tool of one conversation, offered to the model as a function.

    Its class methods are about recorded calls, which outlast the conversation's settings.

    Attributes:
        type: its type in the Assistants API; a recorded call has its details under this name.
        description: what the model reads about it.
        properties: JSON schemas of its arguments by name; all of them are required.
        request_model: what a request may say about it.
        settings_model: the same, as it is stored and answered.
        record_model: a call in a run step.
        delta_model: a piece of a call in a stream.
    """

    type: ClassVar[str]
    description: ClassVar[str]
    properties: ClassVar[dict[str, dict[str, Any]]]
    request_model: ClassVar[Model]
    settings_model: ClassVar[Model]
    record_model: ClassVar[Model]
    delta_model: ClassVar[Model]

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.type

    def is_chosen(self, choice: AssistantToolChoice) -> bool:
        """Return whether a run's tool_choice names this tool."""
        return choice.type == self.type

    async def offer(self) -> FunctionToolParam:
        """Return the tool as the Responses API takes it."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": {
                "type": "object",
                "properties": self.properties,
                "required": list(self.properties),
                "additionalProperties": False,
            },
            "strict": True,
        }

    async def carry_out(self, call: Call) -> Record | None:
        """Carry out a call; return it with its outcome, or None if the client carries it out.

        Raises:
            ToolError: the run cannot go on.
        """
        raise NotImplementedError

    @classmethod
    def record(cls, call: Call) -> Record:
        """Return a call as a run step shows it before it is carried out."""
        raise NotImplementedError

    @classmethod
    def output(cls, record: Record, number: int) -> str:
        """Return what the model reads about the outcome of a call.

        Args:
            number: which of the run's calls it is, from 0.
        """
        raise NotImplementedError

    @classmethod
    def outcome(cls, record: Record) -> object:
        """Return the details that a stream adds to a call when it has been carried out."""
        raise NotImplementedError

    @classmethod
    def streamer(cls) -> Callable[[str], str]:
        """Return a function that takes a call's arguments piece by piece.

        It returns the text that a stream shows of each piece; by default it shows nothing.
        """
        return lambda piece: ""

    @classmethod
    def partial(cls, text: str) -> object:
        """Return the details that hold a text from the `streamer`."""
        return {}

    @classmethod
    def content(cls, record: Record) -> list[MessageContent]:
        """Return what a call puts in front of the run's next message."""
        return []

    @classmethod
    def annotations(
        cls, context: Context, text: str, records: Sequence[ToolCall]
    ) -> Iterable[Annotation]:
        """Return the annotations of a message's text, given all calls of its run in order."""
        return ()

    @classmethod
    def public(cls, record: Record) -> Record:
        """Return a call without what a client gets only if it asks for it."""
        return record

    @classmethod
    def begin(cls, index: int, call: Call) -> ToolCallDelta:
        """Return the first piece of a call whose arguments are yet to come."""
        begun = cls.record(Call(call.id, call.name, "")).model_dump(exclude_none=True)
        return cls.delta(index, begun[cls.type], call.id)

    @classmethod
    def delta(cls, index: int, details: object, id: str | None = None) -> Any:
        """Return a piece of the call at this index of its step."""
        piece = {"index": index, "id": id, "type": cls.type, cls.type: details}
        return cls.delta_model.model_validate(piece)


def sound(text: str) -> str:
    """Return a text with a ``?`` for each half of a character: JSON can say one, UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()
