"""Greetings, thanks, and a dislike of mathematics."""

import re

from assistants_server.tutor.lesson import Lesson

THANKS = re.compile(
    r"^\W*(?:ok(?:ay)?\W+|great\W+|many\s+)*(?:thanks|thank you|thx|cheers)\b", re.I
)
GREETING = re.compile(r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings)\b", re.I)
DISLIKE = re.compile(
    r"\b(?:don[’']?t|do not|never)\s+(?:really\s+)?(?:like|enjoy|understand|get)\s+math"
    r"|\b(?:hate|dislike|am afraid of|[’']m afraid of|am bad at|[’']m bad at)\s+math"
    r"|\bmath(?:s|ematics)?\s+is\s+(?:\w+\s+)?(?:hard|difficult|boring)",
    re.I,
)
GOODBYE = re.compile(r"^\W*(?:bye|goodbye|see you)\b", re.I)
ANSWERS = (
    (
        DISLIKE,
        Lesson(
            "Start with something small that you care about, such as a price or a game, and let "
            "me take you through it one step at a time",
            more="Many people who say so were hurried. Nothing here hurries you: ask the same "
            "thing twice, ask for every step, and try a second problem of the same kind.",
        ),
    ),
    (GREETING, Lesson("Hello! Give me an equation to solve or a topic to explain")),
    (GOODBYE, Lesson("Goodbye, and good luck with the next problem")),
)


def thanks(text: str) -> Lesson | None:
    """Answer thanks that ask nothing more."""
    if THANKS.search(text) and "?" not in text:
        return Lesson("You're welcome! Come back whenever a problem is on your mind")
    return None


def answer(text: str) -> Lesson | None:
    """Answer a greeting, a goodbye, or a dislike of mathematics."""
    return next((lesson for pattern, lesson in ANSWERS if pattern.search(text)), None)
