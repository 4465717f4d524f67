"""What the clients send: questions, code, and texts whose passages are known."""

import json
import random

from helpers import DISPLAY_QUIZ_TOOL
from tests.pdfs import pdf

MODEL = "gpt-6-luna"
QUESTIONS = (
    "Solve 3x + 11 = 14",
    "What is 2 + 2?",
    "Solve x^2 - 5x + 6 = 0",
    "Expand (a + b)^3",
    "Hello",
)
QUIZ = "Make a quiz about fractions with one multiple choice question."
CODE = (
    "print(6 * 7)",
    "open('numbers.csv', 'w').write('a,b\\n1,2\\n')",
    "import time\ntime.sleep(0.7)\nprint('awake')",
    "import subprocess\nsubprocess.Popen(['sleep', '60'])\nprint('started')",
)
TOOLS = {
    "plain": [],
    "code": [{"type": "code_interpreter"}],
    "quiz": [DISPLAY_QUIZ_TOOL],
    "search": [{"type": "file_search"}],
}


def run_this(code: str) -> str:
    """Return a message that lets the tutor run `code`."""
    return f"Run this code:\n```python\n{code}\n```"


def words(source: random.Random) -> str:
    """Return a few words that no other object has."""
    return f"note {source.randrange(10**12)} é ✓"


def answer(run: dict) -> list[dict]:
    """Return an output for each call that a run waits for."""
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [{"tool_call_id": call["id"], "output": json.dumps(["a"])} for call in calls]


def document(topic: int) -> bytes:
    """Return one of a few texts; those with a higher number have more passages."""
    lines = (f"Line {line} of text {topic} tells about number {line * topic}." for line in range(9))
    return "\n".join(line for line in lines for _ in range(1 + 40 * topic)).encode()


# Read once by a server that nobody kills, they tell how each must read after a crash.
DOCUMENTS = {
    **{f"text-{topic}.txt": document(topic) for topic in range(4)},
    "page.html": b"<html><p>One paragraph</p>" + b"<p>and another</p>" * 200 + b"</html>",
    "page.pdf": pdf("72 720 Td (Numbers are everywhere.) Tj"),
}
