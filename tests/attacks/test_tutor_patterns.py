"""The tutor's regular expressions take a time that grows with a text as the text does.

They search long texts in a process with a limit on its time: one that tries every start with every
end needs many times as long as it may.
"""

import subprocess
import sys

from tests.conftest import ROOT

CPU_SECONDS = 2  # for one search, which takes a few milliseconds
SEARCH = """
import importlib, pkgutil, re, signal, sys
from assistants_server import tutor
from assistants_server.tutor.conversation import Conversation, Message
from assistants_server.tutor.tokenizer import SPOKEN, plain
from assistants_server.tutor.reply import Reply

LENGTH = 50_000

def search(name, work):
    # If it takes more of the processor's time than it may, the process ends.
    print(name, flush=True)
    if hasattr(signal, "setitimer"):  # elsewhere the test ends it after some minutes
        signal.setitimer(signal.ITIMER_PROF, float(sys.argv[1]))
    for _ in work:
        pass
PIECES = (
    "a", "A", "1", "9,", "1,111", ".", "1.", "1/", "1/1/", "-", "!", "?", "(", "=", "= ", "x^2 ",
    "'", "A'", "`", "```", "```\\n", "【", "【1:1†", "ok ", "great! ", "the your ", "save ", "file ",
    "count ", "count from 1 ", "from 1 ", "from 1 to ", "first ", "1 a", "1 first ", "as ", "f(x)",
    "d/d", "math is ", "show the ", "brief ", "address the user as ", "A b ", "i ", "\\u0301", "²",
    "without ", "one open ", "tell me ", "x -> ", "integrate the ", "of the ", "solve for ", "\\n- ",
)
RAW = (" ", "\\n", " \\n", "\\t", "\\u00a0", "a \\n", "```  ", "【1:1† ")
READ_RAW = ("FENCED", "MARK", "PASSAGE", "HEADING", "SENTENCE", "SPOKEN", "WORD", "ADDRESS", "BRIEF")

patterns = {}
for module in pkgutil.iter_modules(tutor.__path__):
    if module.name != "worker":
        found = importlib.import_module(f"assistants_server.tutor.{module.name}")
        patterns |= {
            f"{module.name}.{name}": value
            for name, value in vars(found).items() if isinstance(value, re.Pattern)
        }
patterns |= {f"SPOKEN {written}": re.compile(written, re.I) for written, _ in SPOKEN}
for piece in PIECES + RAW:
    text = piece * (LENGTH // len(piece)) + "%"
    asked = Conversation("", (Message("user", text),)).question()
    for name, pattern in patterns.items():
        raw = name.split(".")[-1] in READ_RAW
        search(f"{name} {piece!r}", pattern.finditer(text if raw else asked))
    search(f"plain {piece!r}", plain(text))
    search(f"pieces {piece!r}", Reply.pieces(text))
print("done", len(patterns))
"""


def test_every_pattern_is_linear():
    ran = subprocess.run(
        [sys.executable, "-c", SEARCH, str(CPU_SECONDS)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
        encoding="utf-8",
        env={"PYTHONIOENCODING": "utf-8", "SYSTEMROOT": "C:\\Windows"},
    )
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("done"), f"it came to no end: {last} {ran.stderr[-500:]}"
