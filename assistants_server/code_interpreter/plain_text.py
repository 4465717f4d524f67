"""Turns what a program wrote for a terminal into plain text."""

from assistants_server.terminal_escapes import without_escapes


def plain(text: str) -> str:
    """Return `text` without escape sequences and control characters, except newline and tab.

    Of a line that was written over, as progress bars do, the last state stays: `"1%\\r2%"` becomes
    `"2%"`. Lone surrogates, which cannot be stored, become `"?"`.
    """
    text = without_escapes(text.encode(errors="replace").decode())
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
