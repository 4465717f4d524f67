"""What goes between the server and a tutor's process: JSON, with its length before it.

JSON can be read without trusting who wrote it; the process has worked on what anybody may ask.
"""

import json
from dataclasses import asdict, dataclass
from typing import BinaryIO

from assistants_server.tutor.conversation import Conversation, Message, ToolCall
from assistants_server.tutor.reply import Reply

LENGTH_BYTES = 4


@dataclass(frozen=True)
class Question:
    """A conversation that waits for a reply, which may take so many function calls."""

    conversation: Conversation
    most_calls: int


@dataclass(frozen=True)
class Answer:
    """The reply; None if it takes more function calls than were allowed."""

    reply: Reply | None


def send_question(stream: BinaryIO, question: Question) -> None:
    """Write a question.

    Raises:
        OSError: nobody reads any more.
        RecursionError: its tools or its format are nested too deep.
    """
    asked = question.conversation.recent()
    turns = [
        {"role": turn.role, "text": turn.text} if isinstance(turn, Message) else asdict(turn)
        for turn in asked.turns
    ]
    _send(
        stream,
        {
            "instructions": asked.instructions,
            "turns": turns,
            "format": asked.format,
            "tools": asked.tools,
            "choice": asked.choice,
            "most_calls": question.most_calls,
        },
    )


def receive_question(stream: BinaryIO) -> Question | None:
    """Return the next question, or None if there will be no more."""
    told = _receive(stream)
    if told is None:
        return None
    turns = (Message(**turn) if "role" in turn else ToolCall(**turn) for turn in told["turns"])
    conversation = Conversation(
        told["instructions"], tuple(turns), told["format"], tuple(told["tools"]), told["choice"]
    )
    return Question(conversation, told["most_calls"])


def send_answer(stream: BinaryIO, answer: Answer) -> None:
    """Write an answer."""
    _send(stream, {"reply": asdict(answer.reply) if answer.reply else None})


def receive_answer(stream: BinaryIO) -> Answer | None:
    """Return the next answer, or None if there will be no more."""
    told = _receive(stream)
    if told is None:
        return None
    reply = told["reply"]
    if reply is None:
        return Answer(None)
    calls = tuple(ToolCall(**call) for call in reply["calls"])
    return Answer(Reply(reply["text"], reply["pause"], calls))


def _send(stream: BinaryIO, message: dict) -> None:
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(LENGTH_BYTES, "big"))
    stream.write(body)
    stream.flush()


def _receive(stream: BinaryIO) -> dict | None:
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    size = int.from_bytes(length, "big")
    body = stream.read(size)
    return json.loads(body) if len(body) == size else None
