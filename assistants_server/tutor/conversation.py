"""What the tutor is asked, and how it is to answer."""

import re
from dataclasses import dataclass
from typing import Literal

BRIEF = re.compile(r"sentence or less|(?:one|a single|1) sentence|brief|concise|short", re.I)
ADDRESS = re.compile(r"address the user as ((?:[A-Z][\w'’-]*\s?)+)")


@dataclass(frozen=True)
class Turn:
    """One message: who said it, and what."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Conversation:
    """A conversation that waits for the tutor.

    Attributes:
        instructions: how to answer.
        turns: the messages, oldest first.
        format: the ``text.format`` of a Responses request, or None for plain text.
    """

    instructions: str
    turns: tuple[Turn, ...]
    format: dict | None = None

    def question(self) -> str:
        """Return what the user has said since the last answer."""
        return "\n".join(self._latest())

    def earlier(self) -> "Conversation":
        """Return the conversation as it was before that question."""
        kept = self.turns[: len(self.turns) - len(self._latest())]
        while kept and kept[-1].role == "assistant":
            kept = kept[:-1]
        return Conversation(self.instructions, kept, self.format)

    def wants_brevity(self) -> bool:
        return bool(BRIEF.search(self.instructions) or BRIEF.search(self.question()))

    def addressee(self) -> str | None:
        """Return the name that the instructions want the user to be called by."""
        match = ADDRESS.search(self.instructions)
        return match[1].strip() if match else None

    def _latest(self) -> list[str]:
        latest = []
        for turn in reversed(self.turns):
            if turn.role != "user":
                break
            latest.insert(0, turn.text)
        return latest
