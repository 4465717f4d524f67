"""The tutor's words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assistants_server.tutor.conversation import ToolCall


@dataclass(frozen=True)
class Reply:
    """What the tutor says, and the tools that it wants called."""

    text: str
    pause: float = 0.0  # seconds after each word
    calls: tuple[ToolCall, ...] = ()

    def writable(self) -> "Reply":
        """Return it without lone surrogates, which JSON can hold and UTF-8 cannot."""
        calls = tuple(replace(call, arguments=_utf8(call.arguments)) for call in self.calls)
        return replace(self, text=_utf8(self.text), calls=calls)

    @staticmethod
    def pieces(text: str) -> Iterator[str]:
        """Yield the words of `text`, each with the white space around it, as a stream sends them."""
        return iter(re.findall(r"\s*\S+\s*$|\s*\S+|^\s+$", text))


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
