"""Grades the responses to a quiz: right, wrong, or "I don't know", with a remark on each."""

import json
import re
import string

from assistants_server.tutor.conversation import ToolCall
from assistants_server.tutor.quiz import topic_of
from assistants_server.tutor.topics import Topic
from assistants_server.tutor.whole_numbers import whole

UNKNOWN = re.compile(r"(?:i )?(?:do(?:n[’']?t| not) know|no idea|idk|skip|pass)?")
SPOKEN = re.compile(r"[\w’']+")
WORD = re.compile(r"[a-z]{4,}")
COMMON = frozenset(
    """
    that which with from this them they their says about between same each other into what when
    where have than then only most many some meant
    """.split()  # noqa: SIM905, as a list it would fill the page
)
ENOUGH_WORDS = 2
MOST_CHARACTERS = 200_000  # of all questions, and of all responses


def feedback(call: ToolCall) -> str:
    """Return what is said about the responses to a quiz that display_quiz has shown."""
    came_back = f"What came back was: {(call.output or '')[:300]}"
    if max(len(call.arguments), len(call.output or "")) > MOST_CHARACTERS:
        return f"The quiz is too long to be graded. {came_back}"
    try:
        questions = json.loads(call.arguments)["questions"]
        responses = json.loads(call.output or "")
    except (ValueError, KeyError, TypeError):
        return f"The quiz could not be graded. {came_back}"
    if not isinstance(responses, list):
        responses = [responses]
    if not questions:
        return "The quiz had no questions, so there is nothing to grade."
    if not isinstance(questions, list) or not all(isinstance(each, dict) for each in questions):
        return f"The quiz could not be graded. {came_back}"
    lines, right = [], 0
    for number, question in enumerate(questions, 1):
        response = responses[number - 1] if number <= len(responses) else ""
        verdict, words = _grade(question, str(response if response is not None else ""))
        right += verdict == "Right"
        lines.append(f"{number}. {verdict}. {words}")
    return "\n".join([f"You got {right} of {len(questions)} right.", *lines])


def _grade(question: dict, response: str) -> tuple[str, str]:
    text = str(question.get("question_text", ""))
    topic = topic_of(text)
    choices = question.get("choices")
    choices = [str(choice) for choice in choices] if isinstance(choices, list) else []
    if UNKNOWN.fullmatch(" ".join(SPOKEN.findall(response.lower()))):
        return "Not answered", f"That is all right. {_solution(topic)}"
    if topic is not None and (topic.gist in choices or topic.name in choices):
        wanted = topic.gist if topic.gist in choices else topic.name
        if _chosen(response, choices) == wanted:
            return "Right", f"{topic.gist}."
        return "Wrong", f"{wanted}." if wanted == topic.gist else f"It is {wanted}. {topic.gist}."
    if topic is None:
        return "Not graded", "I do not know enough about this question to judge the answer."
    hits = _words(response) & _words(f"{topic.gist} {topic.more} {topic.example}")
    if len(hits - _words(topic.name)) >= ENOUGH_WORDS:
        return "Right", f"To compare: {topic.gist}."
    return "Wrong", _solution(topic)


def _solution(topic: Topic | None) -> str:
    if topic is None:
        return "I do not know the answer either."
    return f"{topic.name.capitalize()}: {topic.gist}."


def _chosen(response: str, choices: list[str]) -> str | None:
    """Return the choice that a response means: its letter, its number from 1, or its words."""
    response = response.strip().rstrip(".)").strip()
    if len(response) == 1 and response.lower() in string.ascii_lowercase:
        place = string.ascii_lowercase.index(response.lower())
    elif response.isdecimal():
        place = whole(response, len(choices) + 1) - 1
    else:
        return next((choice for choice in choices if choice.lower() == response.lower()), None)
    return choices[place] if 0 <= place < len(choices) else None


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in WORD.findall(text.lower())} - COMMON
