"""What the clients send: questions, code, and texts whose passages are known."""

import json
import random

from helpers import DISPLAY_QUIZ_TOOL

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


def pdf(text: str) -> bytes:
    """Return a PDF of one page."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(body)
    body += b"xref\n0 6\n0000000000 65535 f \n"
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return body + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % start


# Read once by a server that nobody kills, they tell how each must read after a crash.
DOCUMENTS = {
    **{f"text-{topic}.txt": document(topic) for topic in range(4)},
    "page.html": b"<html><p>One paragraph</p>" + b"<p>and another</p>" * 200 + b"</html>",
    "page.pdf": pdf("Numbers are everywhere."),
}
