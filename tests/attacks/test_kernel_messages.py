"""Code speaks for its kernel: it forges messages, and sends more than anybody can take."""

import re
import threading
import time

import httpx2
import pytest
from openai import OpenAI

from assistants_server.code_interpreter import sandbox_limits
from tests.conftest import MODEL

resource = pytest.importorskip("resource", reason="Windows does not say how much memory was used")

# What a kernel of Jupyter sends with, in the hands of the code.
FORGE = """
import hashlib, hmac, json, os, sys, threading, time
kernel = get_ipython().kernel
parent = kernel.get_parent("shell")["header"]
socket = kernel.iopub_thread.socket

def send(kind, content, header=None, parent_header=parent, key=kernel.session.key):
    frames = [
        header if header is not None else json.dumps({"msg_id": os.urandom(8).hex(), "msg_type": kind,
            "version": "5.3"}).encode(),
        parent_header if isinstance(parent_header, bytes) else
            json.dumps(parent_header, default=str).encode(),
        b"{}", content if isinstance(content, bytes) else json.dumps(content).encode()]
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for frame in frames: mac.update(frame)
    done = threading.Event()
    def out():
        socket.send_multipart([kind.encode(), b"<IDS|MSG>", mac.hexdigest().encode(), *frames])
        done.set()
    kernel.iopub_thread.schedule(out)
    done.wait(10)
"""
FORGED = [
    "send('status', {})",
    "send('status', [])",
    "send('status', {'execution_state': ['idle']})",
    "send('stream', {'text': {}})",
    "send('stream', 5)",
    "send('error', {'traceback': 5})",
    "send('error', {'traceback': [5, None]})",
    "send('display_data', {'data': []})",
    "send('display_data', {'data': {'image/png': 5}})",
    "send('display_data', {'data': {'image/png': 'not base64!'}})",
    "send('display_data', {'data': {'image/png': 'bm8gcG5n'}})",
    "send('stream', {'text': 'x'}, parent_header=[1, 2])",
    "send('stream', {'text': 'x'}, parent_header={'msg_id': ['x']})",
    "send('stream', {'text': 'x'}, header=b'[]')",
    "send('stream', {'text': 'x'}, header=b'{}')",
    "send('stream', b'no json')",
    "send('stream', b'{\"text\": \"\\xff\"}')",
    "send('stream', b'[' * 1_000_000)",
    "send('stream', b'{\"a\":' * 100_000)",
    "send('stream', {'text': 'x'}, key=b'another')",
    "send('stream', {'text': 'x'}, header=json.dumps({'msg_id': 'a', 'msg_type': {}}).encode())",
]


def test_forged_messages_fail_no_call(sandbox):
    for forged in FORGED:
        logs = sandbox.logs(f"{FORGE}\n{forged}\nprint('went on')\nkept = 1")
        assert logs.strip().splitlines()[0] == "went on", forged
    assert sandbox.logs("print(kept)") == "1"


def test_a_lone_surrogate_can_be_stored(sandbox):
    logs = sandbox.logs(f"{FORGE}\nsend('stream', {{'text': 'a\\ud800b'}})")
    assert logs == "a?b"
    logs.encode()


def test_a_call_that_says_too_early_that_it_is_over_ends_its_kernel(sandbox, monkeypatch):
    from assistants_server.code_interpreter import call

    monkeypatch.setattr(call, "SECONDS_TO_CONFIRM", 0.5)
    code = f"""{FORGE}
import gc, types
asked, *_ = [
    each.cr_frame.f_locals for each in gc.get_objects()
    if isinstance(each, types.CoroutineType) and each.__name__ == "execute_request"
]
kernel.session.send(
    asked["stream"], "execute_reply", {{"status": "ok"}}, parent=asked["parent"], ident=asked["ident"]
)
send("status", {{"execution_state": "idle"}})
kept = 1
while True: time.sleep(0.1)
"""
    logs, after = sandbox.logs(code), sandbox.logs("print('kept' in globals())")
    assert logs == (
        "The code reported its end but kept running, so it was stopped. "
        "Variables are gone; files are kept."
    )
    assert after == "False"


def test_messages_of_another_call_are_not_those_of_this_one(sandbox):
    sandbox.run(f"{FORGE}\nearlier = parent")
    logs = sandbox.logs("send('stream', {'text': 'old'}, parent_header=earlier); print('new')")
    assert logs == "new"


ENDLESS = """
import threading
def flood():
    part = bytes(1_000_000)
    for _ in range(2_000): socket.send(part, flags=2)
kernel.iopub_thread.schedule(flood)
time.sleep(20)
"""


@pytest.mark.parametrize(
    "flood",
    [
        "from IPython.display import display; display({'text/plain': 'x' * 200_000_000}, raw=True)",
        "from IPython.display import display\n"
        "for _ in range(6): display({'image/png': 'A' * 133_000_000}, raw=True)",
        "for _ in range(200): send('stream', b'[' + b'[],' * 2_000_000 + b'[]]')",
        ENDLESS,
    ],
    ids=["one of 200 MB", "six of 133 MB", "many small things", "a message without an end"],
)
def test_a_flood_neither_fills_the_memory_nor_holds_the_loop(sandbox, flood, monkeypatch):
    monkeypatch.setattr(sandbox_limits, "WALL_SECONDS", 10)
    sandbox.run(FORGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    logs = sandbox.logs(flood)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # kB
    assert re.search("too much|left out|process ended|Stopped after", logs)
    assert sandbox.logs("print('alive')") == "alive"


def test_health_is_answered_while_a_display_of_200_megabytes_is_under_way(
    server, client: OpenAI, thread
):
    coder = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
    code = (
        "from IPython.display import display\ndisplay({'text/plain': 'x' * 200_000_000}, raw=True)"
    )
    client.beta.threads.messages.create(
        thread.id, role="user", content=f"Run this code:\n```python\n{code}\n```"
    )
    run = client.beta.threads.runs.create(thread.id, assistant_id=coder.id)
    ended = threading.Event()
    answered = []

    def look() -> None:
        with httpx2.Client(timeout=60) as http:
            while not ended.is_set():
                answered.append(http.get(server.base_url.replace("/v1", "/health")).status_code)
                time.sleep(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    run = client.beta.threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=50)
    ended.set()
    looking.join()
    assert run.status == "completed"
    assert len(answered) > 20  # tests.benchmarks.responsiveness measures how soon
    assert set(answered) == {200}


def test_figures_of_a_call_are_limited_in_number(sandbox):
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    code = "from IPython.display import display\n" + (
        f"for _ in range(50): display({{'image/png': '{png}'}}, raw=True)"
    )
    result = sandbox.run(code)
    assert len(result.images) == sandbox_limits.IMAGES
    assert "More than 20 figures: the others were left out." in result.logs


def test_what_a_terminal_obeys_is_not_in_the_logs(sandbox):
    logs = sandbox.logs(
        r"print('\x1b]0;title\x07\x1b]8;;http://x\x1b\\link \x1bP+q\x1b\\\x1b[31mred\x1b[0m'"
        r" '\x07\x08\x00 \x9b2J')" + "\n" + r"print('1%\r50%\r100%')"
    )
    assert logs == "link red \n100%"
