"""The tutor in other words: what it says, writes and asks differs, what it does is the same.

It stands for a live model in tests of what must hold whatever a model says.
"""

import json
from collections.abc import Iterator

PREFIX = "In other words: "
ADDED_CODE = "# in other words\n"


def reword(events: Iterator[dict]) -> Iterator[dict]:
    """Change the texts, the code, the quizzes and the token counts in the events of a turn."""
    begun = False
    for event in events:
        match event["type"]:
            case "response.function_call_arguments.delta":
                continue  # the last event has them all
            case "response.output_text.delta" if not begun:
                event["delta"], begun = PREFIX + event["delta"], True
            case "response.completed" | "response.incomplete":
                _reword_response(event["response"])
        yield event


def _reword_response(response: dict) -> None:
    for item in response["output"]:
        if item["type"] == "function_call":
            item["arguments"] = json.dumps(_reword_arguments(json.loads(item["arguments"])))
        for part in item.get("content") or []:
            part["text"] = PREFIX + part["text"]
    usage = response["usage"]
    usage["output_tokens"] += 7
    usage["total_tokens"] += 7


def _reword_arguments(arguments: dict) -> dict:
    if "code" in arguments:
        arguments["code"] = ADDED_CODE + arguments["code"]
    for question in arguments.get("questions", []):
        question["question_text"] = PREFIX + question["question_text"]
    return arguments
