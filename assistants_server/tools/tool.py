"""What a tool is: what a model is offered, how its calls are carried out, what is kept of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from openai.types.beta import AssistantToolChoice
from openai.types.beta.threads import MessageContent
from openai.types.beta.threads.runs import ToolCall
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.file_search import Library
from assistants_server.store import Store
from assistants_server.tools.annotator import Places

Model = type[BaseModel]


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

    `resources` returns the ids, each once, that the assistant and the thread have in their tool
    resources now, given the tool's type and the name of the list.
    """

    store: Store
    interpreter: CodeInterpreter
    library: Library
    thread_id: str
    resources: Callable[[str, str], list[str]]


class Tool:
    """A tool of one conversation, offered to the model as a function.

    Its class methods are about recorded calls, which outlast the conversation's settings.
    """

    type: ClassVar[str]  # in the Assistants API; a recorded call has its details under this name
    description: ClassVar[str]  # what the model reads about it
    properties: ClassVar[dict[str, dict[str, Any]]]  # JSON schemas of its arguments, all required
    request_model: ClassVar[Model]  # what a request may say about it
    settings_model: ClassVar[Model]  # the same, as it is stored and answered
    record_model: ClassVar[Model]  # a call in a run step
    delta_model: ClassVar[Model]  # a piece of a call in a stream
    streams: ClassVar[str | None] = None  # the detail that grows while the arguments are written

    def __init__(self, settings: Any, context: Context) -> None:
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

    async def carry_out(self, call: Call) -> Any:
        """Carry out a call; return its `record`, or None if the client carries it out.

        Raises `ToolError` if the run cannot go on.
        """
        raise NotImplementedError

    @classmethod
    def details(cls, call: Call) -> dict[str, Any]:
        """Return the details of a call that has not been carried out."""
        raise NotImplementedError

    @classmethod
    def record(cls, call: Call, **outcome: object) -> Any:
        """Return a call as a run step shows it, with the details that its outcome sets."""
        details = cls.details(call) | outcome
        return cls.record_model.model_validate({"id": call.id, "type": cls.type, cls.type: details})

    @classmethod
    def output(cls, record: Any, number: int, arguments: str) -> str:
        """Return what the model reads about the outcome of a call.

        Args:
            number: which of the run's calls it is, from 0.
            arguments: what the model called with.
        """
        return getattr(record, cls.type).output or ""

    @classmethod
    def outcome(cls, record: Any) -> dict[str, Any]:
        """Return the details that a stream adds to a call when it has been carried out."""
        return {"output": getattr(record, cls.type).output}

    @classmethod
    def streamer(cls) -> Callable[[str], str]:
        """Return a function that takes a call's arguments piece by piece.

        It returns what each piece adds to the detail that `streams`; by default all of it.
        """
        return str

    @classmethod
    def delta(cls, index: int, details: dict[str, Any], id: str | None = None) -> Any:
        """Return a piece of the call at this index of its step, for a stream."""
        piece = {"index": index, "id": id, "type": cls.type, cls.type: details}
        return cls.delta_model.model_validate(piece)

    @classmethod
    def content(cls, record: Any) -> list[MessageContent]:
        """Return what a call puts in front of the run's next message."""
        return []

    @classmethod
    def places(cls, context: Context, records: Sequence[ToolCall]) -> Places | None:
        """Return what to annotate in a message, given all calls of its run in order; None: nothing."""
        return None

    @classmethod
    def note(cls, files: list[str]) -> str:
        """Return what the model reads in a message about the files attached to it for this tool."""
        return ""

    @classmethod
    def public(cls, record: Any) -> Any:
        """Return a call without what a client gets only if it asks for it."""
        return record


def sound(text: str) -> str:
    """Return a text with a ``?`` for each half of a character: JSON can say one, UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()
