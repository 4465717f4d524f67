"""What the tutor is asked, and how it is to answer."""

import re
from dataclasses import dataclass, replace
from typing import Literal

BRIEF = re.compile(r"sentence or less|(?:one|a single|1) sentence|brief|concise|short", re.I)
ADDRESS = re.compile(r"address the user as ((?:[A-Z][\w'’-]*\s?)+)")


@dataclass(frozen=True)
class Turn:
    """One message: who said it, and what."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class ToolCall:
    """A tool that the tutor called, or wants called.

    Attributes:
        name: the tool's name.
        arguments: JSON, unless the user asked for something broken.
        output: what came of it; None if it has not been carried out.
    """

    name: str
    arguments: str
    output: str | None = None


@dataclass(frozen=True)
class Conversation:
    """A conversation that waits for the tutor.

    Attributes:
        instructions: how to answer.
        turns: the messages, and the tool calls between them, oldest first.
        format: the ``text.format`` of a Responses request, or None for plain text.
        tools: the functions that may be called, as the Responses API describes them.
        choice: the ``tool_choice``.
    """

    instructions: str
    turns: tuple[Turn | ToolCall, ...]
    format: dict | None = None
    tools: tuple[dict, ...] = ()
    choice: str | dict = "auto"

    def question(self) -> str:
        """Return what the user has said since the last answer."""
        return "\n".join(turn.text for turn in self._latest() if isinstance(turn, Turn))

    def calls(self) -> list[ToolCall]:
        """Return the calls that were made since that question."""
        return [turn for turn in self._latest() if isinstance(turn, ToolCall)]

    def earlier(self) -> "Conversation":
        """Return the conversation as it was before that question."""
        kept = self.turns[: len(self.turns) - len(self._latest())]
        while kept and isinstance(kept[-1], Turn) and kept[-1].role == "assistant":
            kept = kept[:-1]
        return replace(self, turns=kept)

    def may_call(self, name: str) -> bool:
        """Return whether a function is offered, and the choice does not rule it out."""
        if self.choice == "none":
            return False
        if isinstance(self.choice, dict):
            return self.choice.get("name") == name
        return any(tool.get("name") == name for tool in self.tools)

    def wants_brevity(self) -> bool:
        return bool(BRIEF.search(self.instructions) or BRIEF.search(self.question()))

    def addressee(self) -> str | None:
        """Return the name that the instructions want the user to be called by."""
        match = ADDRESS.search(self.instructions)
        return match[1].strip() if match else None

    def _latest(self) -> tuple[Turn | ToolCall, ...]:
        start = len(self.turns)
        while start and not (
            isinstance(self.turns[start - 1], Turn) and self.turns[start - 1].role == "assistant"
        ):
            start -= 1
        # Calls that come before the question belong to an earlier one.
        while start < len(self.turns) and isinstance(self.turns[start], ToolCall):
            start += 1
        return self.turns[start:]
