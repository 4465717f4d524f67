"""What the programs share. Each runs in an environment of its own, which lacks this project.

A program calls `example` on each of its functions, and `play` at its end.
"""

import asyncio
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

MODEL = "gpt-4o"
TUTOR = "You are a personal math tutor. Answer questions briefly, in a sentence or less."
EQUATION = "I need to solve the equation 3x + 11 = 14. Can you help me?"
SOLUTION = "x = 1"
QUIZ = "Make a quiz about fractions with one multiple choice question."
GRADED = "You got 1 of 1 right."
REFUND = "What do the documents say about a refund?"
QUOTE = "thirty days"
MEAN = "What is the mean of the units in sales.csv?"
MEAN_FOUND = "mean 4.0"

EXAMPLES: list[Callable] = []


def example(function: Callable) -> Callable:
    """Add a function, or a coroutine function, to the examples of this program."""
    EXAMPLES.append(function)
    return function


def play() -> None:
    """Call each example; write what became of it into the file that the command line names."""
    with Path(sys.argv[1]).open("w", encoding="utf-8") as report:
        for function in EXAMPLES:
            try:
                result = function()
                if inspect.iscoroutine(result):
                    asyncio.run(result)
                outcome = {"name": function.__name__, "error": None}
            except Exception:
                outcome = {"name": function.__name__, "error": traceback.format_exc(limit=-4)}
            report.write(json.dumps(outcome) + "\n")


def right_choices(questions: list[dict]) -> str:
    """Return the right answers to the quiz above, as the function display_quiz would."""
    return json.dumps(["abcd"[each["choices"].index("fraction")] for each in questions])


def write_document(folder: str = ".") -> Path:
    """Write a document to search; return its path."""
    text = "# Terms\n\nA refund is paid within thirty days.\n\nA parcel has a number.\n"
    return _written(folder, "terms.md", text)


def write_table(folder: str = ".") -> Path:
    """Write a table of numbers, whose mean is 4; return its path."""
    return _written(folder, "sales.csv", "units\n1\n4\n7\n")


def _written(folder: str, name: str, text: str) -> Path:
    path = Path(folder) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path
