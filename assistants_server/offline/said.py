"""What Responses and Chat Completions have in common: messages, and parameters we do not read."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from assistants_server.api.errors import ApiError
from assistants_server.tutor import Conversation, Turn


class Part(BaseModel):
    type: str
    text: str | None = None


class Said(BaseModel):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if part.text is not None)


def conversation(said: list[Said], instructions: str | None, format: dict | None) -> Conversation:
    """Return what was said as the tutor reads it; system messages join the instructions."""
    rules = [instructions or ""]
    rules += [message.text() for message in said if message.role in ("system", "developer")]
    turns = [
        Turn(message.role, message.text())
        for message in said
        if message.role in ("user", "assistant")
    ]
    return Conversation("\n".join(rule for rule in rules if rule), tuple(turns), format)


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
