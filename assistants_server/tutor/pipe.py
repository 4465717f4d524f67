"""Messages between the server and the tutor's process: JSON, with its length before it.

Not pickle, because the server must not trust a process that works on anybody's questions.
"""

import json
from dataclasses import asdict, dataclass
from typing import IO, Any

from assistants_server.tutor.conversation import Conversation, JsonFormat, Message, Tool, ToolCall
from assistants_server.tutor.reply import Reply

LENGTH_BYTES = 4


@dataclass(frozen=True)
class Question:
    """A conversation, and how many function calls its reply may take."""

    conversation: Conversation
    most_calls: int


@dataclass(frozen=True)
class Answer:
    """The reply; None if it takes more function calls than were allowed."""

    reply: Reply | None


def send_question(stream: IO[bytes], question: Question) -> None:
    """Write a question; `RecursionError` if its tools or its format are nested too deep."""
    # Not asdict, which would copy every schema.
    asked = question.conversation.recent()
    lists = {"turns": list(map(vars, asked.turns)), "tools": list(map(vars, asked.tools))}
    format = asked.format and vars(asked.format)
    conversation = {**vars(asked), **lists, "format": format}
    _send(stream, {"conversation": conversation, "most_calls": question.most_calls})


def receive_question(stream: IO[bytes]) -> Question | None:
    """Return the next question, or None if there will be no more."""
    received = _receive(stream)
    if received is None:
        return None
    fields = received["conversation"]
    turns = (Message(**turn) if "role" in turn else ToolCall(**turn) for turn in fields["turns"])
    fields["turns"] = tuple(turns)
    fields["tools"] = tuple(Tool(**tool) for tool in fields["tools"])
    fields["format"] = fields["format"] and JsonFormat(**fields["format"])
    return Question(Conversation(**fields), received["most_calls"])


def send_answer(stream: IO[bytes], answer: Answer) -> None:
    _send(stream, asdict(answer))


def receive_answer(stream: IO[bytes]) -> Answer | None:
    """Return the next answer, or None if there will be no more."""
    received = _receive(stream)
    if received is None:
        return None
    reply = received["reply"]
    if reply is None:
        return Answer(None)
    return Answer(Reply(**{**reply, "calls": tuple(ToolCall(**call) for call in reply["calls"])}))


def _send(stream: IO[bytes], message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(LENGTH_BYTES, "big"))
    stream.write(body)
    stream.flush()


def _receive(stream: IO[bytes]) -> dict[str, Any] | None:
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    size = int.from_bytes(length, "big")
    body = stream.read(size)
    return json.loads(body) if len(body) == size else None
