"""The tutor's words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistants_server.tutor.conversation import ToolCall


@dataclass(frozen=True)
class Reply:
    """What the tutor says.

    Attributes:
        text: its words; empty if it only calls tools.
        pause: seconds that it waits after each word.
        calls: the tools that it wants called.
    """

    text: str
    pause: float = 0.0
    calls: tuple[ToolCall, ...] = ()

    @staticmethod
    def pieces(text: str) -> Iterator[str]:
        """Yield the words of `text`, each with the white space around it, as a stream sends them."""
        return iter(re.findall(r"\s*\S+\s*$|\s*\S+|^\s+$", text))
