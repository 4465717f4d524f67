"""What is printed during a trace, if it is to be kept."""

import builtins
import io
import sys
from typing import Any

MOST_CHARACTERS = 8 * 1024 * 1024

_open: "list[Prints]" = []  # of the traces that are open; what is printed belongs to the last
_plain_print = builtins.print


class Prints:
    """Notes what is printed from now on, until `end`."""

    def __init__(self) -> None:
        global _plain_print
        self._text = io.StringIO()
        if not _open:
            _plain_print, builtins.print = builtins.print, _noting_print
        _open.append(self)

    def end(self) -> str:
        """Note nothing more; return what was printed."""
        _open.remove(self)
        if not _open and builtins.print is _noting_print:
            builtins.print = _plain_print
        return self._text.getvalue()

    def note(self, *values: object, **options: Any) -> None:
        """Note what is printed to the screen, not what is printed to a file."""
        seen = options.get("file") in (None, sys.stdout, sys.stderr)
        if seen and self._text.tell() < MOST_CHARACTERS:
            _plain_print(*values, **{**options, "file": self._text, "flush": False})


def _noting_print(*values: object, **options: Any) -> None:
    _plain_print(*values, **options)
    if _open:
        _open[-1].note(*values, **options)
