"""Requests that are heavy on a server, each of which once held up everybody else."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil

from tests.pdfs import pdf

MODEL = "gpt-6-luna"
MEGABYTE = 1024 * 1024
SECONDS = 40  # a heavy request may take so long; then nobody waits for it
ENDED = ("completed", "failed", "cancelled", "incomplete", "expired", "requires_action")
LINES = " ".join(f"(Line {line} of the page tells a story.) Tj T*" for line in range(50))
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Target:
    """The server that gets the heavy requests, and what they need to be sent.

    Args:
        base_url: with ``/v1``.
        pid: of its process.
        database: its file.
    """

    def __init__(self, base_url: str, token: str, pid: int, database: Path) -> None:
        self.base_url, self.pid, self.database = base_url, pid, database
        self.http = httpx2.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS
        )

    def post(self, path: str, body: dict, **more: object) -> dict:
        return self.http.post(path, json=body, **more).json()

    def assistant(self, *tools: dict) -> str:
        return self.post("/assistants", {"model": MODEL, "tools": list(tools)})["id"]

    def wait(self, run: dict) -> dict:
        """Return the run as it is when it has ended, or when nobody waits any more."""
        deadline = time.monotonic() + SECONDS
        path = f"/threads/{run['thread_id']}/runs/{run['id']}"
        while run["status"] not in ENDED and time.monotonic() < deadline:
            time.sleep(0.2)
            run = self.http.get(path).json()
        return run

    def ask(self, text: str) -> None:
        """Ask the tutor by way of a run."""
        thread = {"messages": [{"role": "user", "content": text}]}
        body = {"assistant_id": self.assistant(), "thread": thread}
        self.wait(self.post("/threads/runs", body))

    def code(self, code: str) -> None:
        """Run code."""
        text = f"Run this code:\n```python\n{code}\n```"
        thread = {"messages": [{"role": "user", "content": text}]}
        tools = [{"type": "code_interpreter"}]
        body = {"assistant_id": self.assistant(*tools), "thread": thread}
        self.wait(self.post("/threads/runs", body))

    def read(self, name: str, content: bytes) -> str:
        """Put a file into a new vector store; return the store's id once it is read."""
        form = {"data": {"purpose": "assistants"}, "files": {"file": (name, content)}}
        file = self.http.post("/files", **form).json()["id"]
        store = self.post("/vector_stores", {"file_ids": [file]})["id"]
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self.http.get(f"/vector_stores/{store}").json()["status"] != "in_progress":
                break
            time.sleep(0.2)
        return store


def stuck_tutor(target: Target) -> None:
    """A greeting that was answered, then a function that must be called, then its output."""
    said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    body = {"assistant_id": target.assistant(FUNCTION), "tool_choice": "required"}
    run = target.wait(target.post("/threads/runs", {**body, "thread": {"messages": said}}))
    if run["status"] == "requires_action":
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = [{"tool_call_id": call["id"], "output": "x"} for call in calls]
        path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
        target.wait(target.post(path, {"tool_outputs": outputs}))


def second_run(target: Target) -> None:
    """A second run on a thread without a new message, with a function that must be called."""
    thread = target.post("/threads", {"messages": [{"role": "user", "content": "Hello"}]})["id"]
    body = {"assistant_id": target.assistant(FUNCTION)}
    target.wait(target.post(f"/threads/{thread}/runs", body))
    target.wait(target.post(f"/threads/{thread}/runs", {**body, "tool_choice": "required"}))


def long_thread(target: Target) -> None:
    messages = [{"role": "user", "content": f"Note {number}."} for number in range(5000)]
    body = {"assistant_id": target.assistant(), "thread": {"messages": messages}}
    target.wait(target.post("/threads/runs", {**body, "max_prompt_tokens": 20_000}))


def locked_database(target: Target) -> None:
    """Another process holds the write lock for eight seconds."""
    program = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "time.sleep(8)\n"
        "connection.execute('ROLLBACK')\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(target.database)])
    time.sleep(0.5)
    with suppress(httpx2.TransportError):
        target.http.post("/threads", json={})  # somebody wants to write
    holder.wait()


def half_sent(target: Target) -> None:
    """150 requests that are never finished, to a server with 64 descriptors more than it has."""
    process = psutil.Process(target.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 64, hard))
    where = urlsplit(target.base_url)
    held = []
    try:
        for _ in range(150):
            with suppress(OSError):
                held.append(socket.create_connection((where.hostname, where.port), timeout=1))
                held[-1].sendall(b"POST /v1/threads HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n")
        time.sleep(8)
    finally:
        for each in held:
            each.close()
        process.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))


def comments(target: Target) -> None:
    target.read("page.html", b"<!--" * 50_000)


def long_query(target: Target) -> None:
    content = " ".join(f"word{number}" for number in range(40_000))
    store = target.read("words.txt", content.encode())
    target.post(f"/vector_stores/{store}/search", {"query": content})


def long_pdf(target: Target) -> None:
    target.read("book.pdf", pdf(f"72 720 Td {LINES}", pages=1500))


def big_message(target: Target) -> None:
    thread = target.post("/threads", {})["id"]
    body = {"role": "user", "content": "x" * (15 * MEGABYTE)}
    for _ in range(3):
        target.post(f"/threads/{thread}/messages", body)
    target.http.get(f"/threads/{thread}/messages")


def many_values(target: Target) -> None:
    """16 MB of JSON that is accepted as far as its last field."""
    numbers = {"enum": list(range(1_900_000))}
    function = {"type": "function", "function": {"name": "f", "parameters": numbers}}
    target.post("/assistants", {"model": MODEL, "tools": [function]})


def many_unknown(target: Target) -> None:
    """16 MB of fields that nobody knows."""
    target.post("/threads", {f"field {number}": 1 for number in range(700_000)})


def deep_json(target: Target) -> None:
    headers = {"Content-Type": "application/json"}
    for depth in (200, 1000, 100_000, 5_000_000):
        body = b'{"metadata":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
        target.http.post("/threads", content=body[: 15 * MEGABYTE], headers=headers)


def long_list(target: Target) -> None:
    """A page of seventy messages of 200 kB, and a run that reads them."""
    thread = target.post("/threads", {})["id"]
    for _ in range(70):
        target.post(f"/threads/{thread}/messages", {"role": "user", "content": "y" * 200_000})
    for _ in range(3):
        target.http.get(f"/threads/{thread}/messages?limit=100")
    target.wait(target.post(f"/threads/{thread}/runs", {"assistant_id": target.assistant()}))


def big_upload(target: Target) -> None:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    purpose = b'\r\n--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants'

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(500):
            yield bytes(MEGABYTE)
        yield purpose + b"\r\n--edge--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    file = target.http.post("/files", content=pieces(), headers=headers).json()
    target.http.delete(f"/files/{file['id']}")


FORGED = """
from IPython import get_ipython
kernel = get_ipython().kernel
def send(kind, content, parent):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)
parent = kernel.get_parent()
for forged in (parent, [parent], {"header": []}, None):
    try:
        send("status", {}, forged)
        send("stream", {"name": "stdout", "text": 5}, forged)
        send("display_data", {"data": {"image/png": "?" * 1_000_000}}, forged)
    except Exception as error:
        print(error)
send("status", {"execution_state": "idle"}, parent)
import time
time.sleep(3)
"""


@dataclass(frozen=True)
class Heavy:
    """A heavy request: what it is called, and what sends it."""

    name: str
    send: Callable[[Target], None]


def _display(megabytes: int, times: int) -> str:
    return (
        "from IPython.display import display\n"
        f"for _ in range({times}):\n"
        f"    display({{'text/plain': 'x' * {megabytes * 1_000_000}}}, raw=True)"
    )


TO_THE_SERVER = (
    Heavy("nothing", lambda target: time.sleep(5)),
    Heavy("tutor: an output after a greeting", stuck_tutor),
    Heavy("tutor: a second run, no message", second_run),
    Heavy("tutor: 100,000 spaces", lambda target: target.ask("x" + " " * 100_000 + "= 1")),
    Heavy("tutor: expand (…)^60", lambda target: target.ask("Expand (a+b+c+d+f+g)^60")),
    Heavy("tutor: 9^1999*9^1999*9^1999", lambda target: target.ask("9^1999*9^1999*9^1999")),
    Heavy("tutor: numbers of 5,000 digits", lambda t: t.ask(f"{'7' * 5000} + {'8' * 5000}")),
    Heavy("a run on 5,000 messages, clipped", long_thread),
    Heavy("the database locked for 8 s", locked_database),
    Heavy("150 half-sent requests", half_sent),
    Heavy("HTML: 200 kB of <!--", comments),
    Heavy("a query of 40,000 words", long_query),
    Heavy("a PDF of 1,500 pages", long_pdf),
    Heavy("code displays 200 MB", lambda target: target.code(_display(200, 1))),
    Heavy("code displays 6 × 133 MB", lambda target: target.code(_display(133, 6))),
    Heavy("code forges messages", lambda target: target.code(FORGED)),
    Heavy("3 messages of 15 MB", big_message),
    Heavy("JSON: 1,900,000 numbers", many_values),
    Heavy("JSON: 700,000 unknown fields", many_unknown),
    Heavy("JSON: up to 5,000,000 deep", deep_json),
    Heavy("70 messages of 200 kB, listed", long_list),
    Heavy("an upload of 500 MB", big_upload),
)
