"""The conversation that the tutor answers."""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

BRIEF = re.compile(r"sentence or less|(?:one|a single|1) sentence|brief|concise|short", re.I)
ADDRESS = re.compile(r"address the user as ((?:[A-Z][\w'’-]{0,40}\s?){1,8}+)")
MOST_CHARACTERS = 20_000  # of a question
MOST_TURNS = 200  # that the tutor looks back


@dataclass(frozen=True)
class Message:
    """One message: who said it, and what."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class ToolCall:
    """A tool that the tutor called, or wants called; its output is None until then."""

    name: str
    arguments: str  # JSON, unless the user asked for something broken
    output: str | None = None


@dataclass(frozen=True)
class Tool:
    """A function that may be called. Its parameters are a JSON Schema, or None."""

    name: str
    parameters: object = None


@dataclass(frozen=True)
class JsonFormat:
    """An answer in JSON: any object, or one that fits the JSON Schema."""

    schema: object = None


@dataclass(frozen=True)
class Conversation:
    """A conversation that waits for the tutor, oldest turns first."""

    instructions: str
    turns: tuple[Message | ToolCall, ...]
    format: JsonFormat | None = None  # plain text
    tools: tuple[Tool, ...] = ()
    choice: Literal["none", "auto", "required"] = "auto"
    only_tool: str | None = None  # the name of the one that may be called, unless any may

    def recent(self) -> "Conversation":
        """Return the turns since the last answer, with at most `MOST_TURNS` before them."""
        return replace(self, turns=self.turns[max(0, self._start() - MOST_TURNS) :])

    def verbatim(self) -> str:
        """Return what the user has written since the last answer, unchanged."""
        return "\n".join(turn.text for turn in self._latest() if isinstance(turn, Message))

    def question(self) -> str:
        """Return the same with single spaces, single line breaks and ASCII digits."""
        text = re.sub(r"\s+", lambda run: "\n" if "\n" in run[0] else " ", self.verbatim())
        return re.sub(r"(?![0-9])\d", lambda digit: str(unicodedata.decimal(digit[0])), text)

    def is_too_long(self) -> bool:
        """Return whether the question is longer than the tutor reads."""
        return len(self.verbatim()) > MOST_CHARACTERS

    def calls(self) -> list[ToolCall]:
        """Return the calls that were made since that question."""
        return [turn for turn in self._latest() if isinstance(turn, ToolCall)]

    def earlier(self) -> "Conversation":
        """Return the conversation as it was before that question. It is always shorter."""
        end = self._start()
        while end and _is_answer(self.turns[end - 1]):
            end -= 1
        return replace(self, turns=self.turns[:end])

    def may_call(self, name: str) -> bool:
        """Return whether a function is offered and the tool_choice allows it."""
        return self.choice != "none" and any(tool.name == name for tool in self.callable_tools())

    def callable_tools(self) -> list[Tool]:
        return [tool for tool in self.tools if self.only_tool in (None, tool.name)]

    def wants_brevity(self) -> bool:
        return bool(BRIEF.search(self.instructions) or BRIEF.search(self.question()))

    def addressee(self) -> str | None:
        """Return the name by which the instructions want the user to be addressed."""
        match = ADDRESS.search(self.instructions)
        return match[1].strip() if match else None

    def _latest(self) -> tuple[Message | ToolCall, ...]:
        latest = self.turns[self._start() :]
        # Calls that come before the question belong to an earlier one. A run without a new message
        # has no question, and all its calls are its own.
        first = next((at for at, turn in enumerate(latest) if isinstance(turn, Message)), 0)
        return latest[first:]

    def _start(self) -> int:
        """Return the place of the first turn after the last answer."""
        start = len(self.turns)
        while start and not _is_answer(self.turns[start - 1]):
            start -= 1
        return start


def _is_answer(turn: Message | ToolCall) -> bool:
    return isinstance(turn, Message) and turn.role == "assistant"
