"""Counts, slowly if asked: an answer that can be streamed and cancelled."""

import re

from assistants_server.tutor.lesson import Lesson
from assistants_server.tutor.whole_numbers import whole

COUNT = re.compile(
    r"\bcount\b.{0,40}?\b(?:from\s+(-?\d+)\s+)?(?:up\s+|down\s+)?to\s+(-?\d+)\b", re.I | re.S
)
SLOWLY = re.compile(r"\bslow(?:ly)?\b", re.I)
MOST = 2_000
MOST_TO_COUNT_TO = 10**30
SECONDS_BETWEEN_NUMBERS = 0.1


def answer(text: str) -> Lesson | None:
    """Count from one number to another."""
    match = COUNT.search(text)
    if match is None:
        return None
    first, last = (whole(written, MOST_TO_COUNT_TO) for written in (match[1] or "1", match[2]))
    if abs(last - first) >= MOST:
        return Lesson(f"I count at most {MOST} numbers in one go")
    step = 1 if last >= first else -1
    numbers = [str(number) for number in range(first, last + step, step)]
    pause = SECONDS_BETWEEN_NUMBERS if SLOWLY.search(text) else 0.0
    return Lesson(", ".join(numbers), value=numbers, pause=pause)
