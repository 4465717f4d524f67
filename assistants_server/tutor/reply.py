"""The tutor's words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """What the tutor says, and how many seconds it pauses after each word."""

    text: str
    pause: float = 0.0

    @staticmethod
    def pieces(text: str) -> Iterator[str]:
        """Yield the words of `text`, each with the white space around it, as a stream sends them."""
        return iter(re.findall(r"\s*\S+\s*$|\s*\S+|^\s+$", text))
