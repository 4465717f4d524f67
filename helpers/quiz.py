"""The function tool of this series: show a quiz to the user, and return the responses."""

from collections.abc import Callable
from string import ascii_lowercase

DISPLAY_QUIZ_TOOL = {
    "type": "function",
    "function": {
        "name": "display_quiz",
        "description": "Display a quiz to the student, and return the student's responses. "
        "A single quiz can have multiple questions.",
        "parameters": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "questions": {
                    "type": "array",
                    "description": "An array of questions, each with a title and potentially "
                    "options (if multiple choice).",
                    "items": {
                        "type": "object",
                        "properties": {
                            "question_text": {"type": "string"},
                            "question_type": {
                                "type": "string",
                                "enum": ["MULTIPLE_CHOICE", "FREE_RESPONSE"],
                            },
                            "choices": {"type": "array", "items": {"type": "string"}},
                        },
                        "required": ["question_text"],
                    },
                },
            },
            "required": ["title", "questions"],
        },
    },
}


def get_mock_response_from_user_multiple_choice() -> str:
    """Return what a user might pick: the first choice."""
    return "a"


def get_mock_response_from_user_free_response() -> str:
    """Return what a user might write."""
    return "I don't know."


def mock_answer(question: dict) -> str:
    """Answer a question as the two functions above do."""
    if is_multiple_choice(question):
        return get_mock_response_from_user_multiple_choice()
    return get_mock_response_from_user_free_response()


def display_quiz(
    title: str, questions: list[dict], ask: Callable[[dict], str] = mock_answer
) -> list[str]:
    """Print a quiz, and return a response to each question.

    Args:
        questions: each with `question_text`, and perhaps `question_type` and `choices`.
        ask: a function that takes a question and returns the user's response. The default needs
            nobody to answer; ``lambda question: input("> ")`` asks at the keyboard.
    """
    print(f"Quiz: {title}")
    responses = []
    for number, question in enumerate(questions, 1):
        print(f"\n{number}. {question.get('question_text', '(no question)')}")
        for letter, choice in zip(ascii_lowercase, question.get("choices") or []):
            print(f"   {letter}) {choice}")
        responses.append(ask(question))
        print(f"   > {responses[-1]}")
    return responses


def is_multiple_choice(question: dict) -> bool:
    """Return whether to offer the choices; a question that does not say its type may have some."""
    kind = question.get("question_type") or "MULTIPLE_CHOICE"
    return kind == "MULTIPLE_CHOICE" and bool(question.get("choices"))
