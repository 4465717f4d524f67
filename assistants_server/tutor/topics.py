"""Short explanations, kept in ``topics.toml``."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from assistants_server.tutor.lesson import Lesson

ASKED = re.compile(
    r"\b(?:explain|describe|define|teach|understand|learn|help|about|how (?:do|does|can)|why"
    r"|what(?:'s|’s| is| are| was| does)|meaning|means?)\b",
    re.I,
)
WORDS_OF_A_BARE_TOPIC = 4


@dataclass(frozen=True)
class Topic:
    name: str
    gist: str
    more: str
    example: str
    place: int


@cache
def topics() -> dict[str, Topic]:
    """Return every topic under each of its names, longest names first."""
    text = resources.files("assistants_server.tutor").joinpath("topics.toml").read_text("utf-8")
    named = {}
    for place, (name, entry) in enumerate(tomllib.loads(text).items()):
        topic = Topic(name, entry["gist"], entry["more"], entry["example"], place)
        for each in (name, *entry.get("also", ())):
            named[each] = topic
    return dict(sorted(named.items(), key=lambda item: -len(item[0])))


def find(text: str) -> Topic | None:
    """Return the topic that `text` names, the one with the longest name if there are several."""
    return next(_found(text), (None, 0))[0]


def find_all(text: str) -> list[Topic]:
    """Return the topics that `text` names, in the order of the text."""
    found: dict[Topic, int] = {}
    for topic, place in _found(text):
        found.setdefault(topic, place)
    return sorted(found, key=found.__getitem__)


def _found(text: str) -> Iterator[tuple[Topic, int]]:
    """Yield the topics in `text` and where they stand, those with long names first."""
    text = text.lower().replace("’", "'")
    for name, topic in topics().items():
        match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
        if match:
            yield topic, match.start()
            text = f"{text[: match.start()]}{' ' * len(match[0])}{text[match.end() :]}"


def answer(text: str) -> Lesson | None:
    """Explain the topic that `text` asks about."""
    topic = find(text)
    if topic is None:
        return None
    if not ASKED.search(text) and len(text.split()) > WORDS_OF_A_BARE_TOPIC:
        return None
    return Lesson(topic.gist, more=f"{topic.more}\nFor example: {topic.example}", value=topic.name)
