"""Cuts a text into passages that overlap, so that a sentence across a cut is found too."""

from collections.abc import Iterator

from assistants_server.tokens import BYTES_PER_TOKEN

DEFAULT_TOKENS, DEFAULT_OVERLAP = 800, 400  # as OpenAI's


def cut(text: str, tokens: int = DEFAULT_TOKENS, overlap: int = DEFAULT_OVERLAP) -> Iterator[str]:
    """Yield passages of about `tokens` tokens, each starting `overlap` tokens before the last one ends.

    A passage ends at a line's end or a space where there is one in its last quarter.
    """
    size, again = tokens * BYTES_PER_TOKEN, overlap * BYTES_PER_TOKEN
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = _good_end(text, start + size * 3 // 4, end)
        passage = text[start:end].strip()
        if passage:
            yield passage
        if end >= len(text):
            return
        start = max(end - again, start + 1)
        space = text.find(" ", start, start + 80)
        start = space + 1 if 0 <= space < end else start


def _good_end(text: str, earliest: int, latest: int) -> int:
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, earliest, latest)
        if at >= 0:
            return at + len(mark)
    return latest
