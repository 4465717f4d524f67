"""The tutor in other words: what it says, writes and asks differs, what it does is the same."""

import json
import re

PREFIX = "In other words: "
ADDED_CODE = "print('in other words')\n"


def reword(response: dict) -> None:
    """Change the texts, the code, the quizzes and the token counts of a response, in place."""
    for item in response["output"]:
        if item["type"] == "function_call":
            item["arguments"] = json.dumps(_reword_arguments(json.loads(item["arguments"])))
        for part in item.get("content") or []:
            part["text"] = PREFIX + _round(part["text"])
    usage = response["usage"]
    usage["output_tokens"] += 7
    usage["total_tokens"] += 7


def _round(text: str) -> str:
    """Return a text with its numbers to one place, and none where that is 0: 71.417 is 71.4."""
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)


def _reword_arguments(arguments: dict) -> dict:
    if "code" in arguments:
        arguments["code"] = ADDED_CODE + arguments["code"]
    for question in arguments.get("questions", []):
        question["question_text"] = PREFIX + question["question_text"]
    return arguments
