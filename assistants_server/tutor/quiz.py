"""Quizzes on the topics that the tutor knows, shown to the user with the function display_quiz."""

import json
import re
from collections.abc import Iterator

from assistants_server.tutor.conversation import Conversation, ToolCall
from assistants_server.tutor.topics import Topic, find, find_all, topics
from assistants_server.tutor.whole_numbers import NUMBER_WORDS, counted

TOOL = "display_quiz"
ASKED = re.compile(r"\bquiz(?:zes)?\b", re.I)
MOST = 50
CHOICES = 4

COUNT = rf"(\d+|{'|'.join(NUMBER_WORDS)}|an?)"
OPEN = re.compile(rf"\b{COUNT}\s+(?:is\s+)?(?:open[- ]ended|open|free[- ]response|free)\b", re.I)
MULTIPLE = re.compile(rf"\b{COUNT}\s+(?:is\s+)?multiple[- ]choice\b", re.I)
QUESTIONS = re.compile(rf"\b{COUNT}\s+questions?\b", re.I)


def calls(conversation: Conversation) -> tuple[ToolCall, ...]:
    """Return a call of display_quiz for each quiz that is asked for."""
    text = conversation.question()
    if not ASKED.search(text):
        return ()
    if re.search(r"\bbroken json\b", text, re.I):
        return (ToolCall(TOOL, '{"title": "Quiz", "questions": ['),)
    wanted = find_all(text)
    separate = bool(re.search(r"\bquizzes\b|\ba quiz (?:each|for each)\b", text, re.I))
    groups = [[topic] for topic in wanted] if separate and wanted else [wanted]
    return tuple(ToolCall(TOOL, json.dumps(_quiz(text, group))) for group in groups)


def _quiz(text: str, wanted: list[Topic]) -> dict:
    free, multiple = _counts(text)
    kinds = ["FREE_RESPONSE"] * free + ["MULTIPLE_CHOICE"] * multiple
    subjects = {kind: _subjects(wanted) for kind in kinds}
    questions = [_question(kind, *next(subjects[kind])) for kind in kinds]
    for key, pattern in (("choices", "choices"), ("question_type", "(?:question )?types?")):
        if re.search(rf"\bwithout (?:any )?{pattern}\b", text, re.I):
            for question in questions:
                question.pop(key, None)
    name = wanted[0].name if wanted else "mathematics"
    return {"title": f"A quiz on {name}", "questions": questions}


def _counts(text: str) -> tuple[int, int]:
    """Return how many questions of each kind are asked for: free response, multiple choice."""
    free, multiple, total = (_count(pattern, text) for pattern in (OPEN, MULTIPLE, QUESTIONS))
    if total is None:
        total = 2 if free is multiple is None else (free or 0) + (multiple or 0)
    if free is None:
        free = total // 2 if multiple is None else max(total - multiple, 0)
    return free, max(total - free, 0) if multiple is None else multiple


def _count(pattern: re.Pattern, text: str) -> int | None:
    match = pattern.search(text)
    return counted(match[1], MOST) if match else None


def _subjects(wanted: list[Topic]) -> Iterator[tuple[Topic, int]]:
    """Yield topics to ask about, the wanted ones first, then those nearest to them in the list."""
    start = wanted[0].place if wanted else 0
    near = sorted(set(topics().values()), key=lambda topic: (abs(topic.place - start), topic.place))
    order = wanted + [topic for topic in near if topic not in wanted]
    for variant in range(MOST):
        for topic in order:
            yield topic, variant


def _question(kind: str, topic: Topic, variant: int) -> dict:
    if kind == "FREE_RESPONSE":
        text = f"In your own words: what is meant by '{topic.name}'?"
        return {"question_text": text, "question_type": kind}
    if variant % 2 == 0:
        text, what = f"What is this an example of? {topic.example}", "name"
    else:
        text, what = f"Which of these says what '{topic.name}' is about?", "gist"
    return {"question_text": text, "question_type": kind, "choices": _choices(topic, what)}


def _choices(topic: Topic, what: str) -> list[str]:
    """Return the right choice among those of other topics, at a place that depends on the topic."""
    everything = sorted(set(topics().values()), key=lambda topic: topic.place)
    others = [
        getattr(everything[(topic.place + 11 * step) % len(everything)], what)
        for step in range(1, CHOICES)
    ]
    place = topic.place % CHOICES
    return [*others[:place], getattr(topic, what), *others[place:]]


def topic_of(question_text: str) -> Topic | None:
    """Return the topic that a question of such a quiz is about."""
    for topic in topics().values():
        if topic.example in question_text:
            return topic
    return find(question_text)
