"""Clients that connect and send nothing, half a request, or one without an end."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from assistants_server.web import connection
from assistants_server.web.http_server import HttpServer, listen

PATIENCE = 30  # seconds until a test gives up waiting
HALVES = {
    "nothing": b"",
    "empty lines": b"\r\n\r\n",
    "a method": b"GET /v1/ass",
    "headers": b"GET /v1/assistants HTTP/1.1\r\nHost: x\r\nX-Slow: ",
}


@pytest.fixture
def server(fresh_server):
    """A server for each test: they look at all that it keeps."""
    return fresh_server


def connect(base_url: str) -> socket.socket:
    address = urlsplit(base_url)
    return socket.create_connection((address.hostname, address.port), timeout=PATIENCE)


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes."""
    said = b""
    try:
        while piece := client.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return said


def refusal(said: bytes) -> tuple[int, str]:
    """Return the status of an answer and the message in its envelope."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["message"]


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.3)


def head(server, more: str, method: str = "POST", path: str = "/v1/threads") -> bytes:
    lines = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    return f"{lines}{more}\r\n".encode()


def is_closed_while_it_sends(client: socket.socket, letter: bytes) -> bool:
    """Send a letter again and again; return whether the server ends that."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            client.sendall(letter)
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_a_head_is_not_held_for_ever(impatient, server, half):
    with connect(server.base_url) as client:
        client.sendall(half)
        assert refusal(read_all(client))[0] == 408


def test_a_head_that_comes_letter_by_letter_is_not_held_for_ever(impatient, server):
    """Each byte is progress, but not enough of it."""
    with connect(server.base_url) as client:
        client.sendall(b"GET /")
        assert is_closed_while_it_sends(client, b"x")


@pytest.mark.parametrize(
    ("path", "more", "begun"),
    [
        ("/v1/threads", "Content-Type: application/json\r\nContent-Length: 100\r\n", "{"),
        (
            "/v1/threads",
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
            "1\r\n{",
        ),
        (
            "/v1/files",
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100\r\n",
            '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassis',
        ),
    ],
    ids=["length", "chunked", "upload"],
)
def test_half_a_body_is_not_held_for_ever(impatient, server, client, path, more, begun):
    with connect(server.base_url) as half:
        half.sendall(head(server, more, path=path) + begun.encode())
        status, message = refusal(read_all(half))
    assert (status, message) == (408, "The request did not arrive in time.")
    assert client.files.list().data == []


def test_a_body_that_nobody_reads_is_not_taken_for_ever(impatient, server):
    """The answer, 401, is there at once; the client goes on sending."""
    with connect(server.base_url) as client:
        client.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 401")
        assert is_closed_while_it_sends(client, b"x")


def test_a_body_that_comes_letter_by_letter_is_not_held_for_ever(impatient, server):
    with connect(server.base_url) as client:
        client.sendall(head(server, "Content-Length: 99999999\r\n", path="/v1/files"))
        assert is_closed_while_it_sends(client, b"x")


def test_a_slow_body_that_moves_is_not_cut(impatient, server, monkeypatch):
    monkeypatch.setattr(connection, "LEAST_BYTES_PER_SECOND", 1)
    content = b"{" + b" " * 10 + b"}"
    with connect(server.base_url) as client:
        client.sendall(
            head(
                server,
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
                "Connection: close\r\n",
            )
        )
        for letter in content:
            time.sleep(0.05)  # twelve of them are longer than BODY_SECONDS
            client.sendall(bytes([letter]))
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_a_long_answer_is_not_cut(impatient):
    """It takes several times as long as a client may take for a request."""
    seconds = 1

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(seconds * 10):
            await asyncio.sleep(0.1)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body"})

    listener = listen("127.0.0.1", 0)
    serving = HttpServer(app, listener, "slow")
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    serving.start()
    try:
        assert httpx2.get(address, timeout=PATIENCE).text == "x" * seconds * 10
    finally:
        serving.stop()


def test_idle_connections_make_room_and_others_are_served(server, monkeypatch):
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 8)
    idle = [connect(server.base_url) for _ in range(40)]
    try:
        for number, client in enumerate(idle):
            client.sendall(HALVES["headers"] if number % 2 else b"")
        address = server.base_url.replace("/v1", "/health")
        assert [httpx2.get(address, timeout=PATIENCE).status_code for _ in range(5)] == [200] * 5
        assert len(server._uvicorn.server_state.connections) <= 8
    finally:
        for client in idle:
            client.close()


def test_when_all_are_busy_a_newcomer_is_told_so(server, monkeypatch):
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 2)
    body = "Content-Type: application/json\r\nContent-Length: 2\r\n"
    busy = [connect(server.base_url) for _ in range(2)]
    try:
        for client in busy:
            client.sendall(head(server, body))
        connections = server._uvicorn.server_state.connections
        until = time.monotonic() + PATIENCE
        while sum(each._has_request() for each in connections) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        with connect(server.base_url) as late:
            assert refusal(read_all(late))[0] == 503
        for client in busy:  # and those go on
            client.sendall(b"{}")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        for client in busy:
            client.close()


FEW_FILES = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
sys.argv = ["assistants_server", "--port", "0", "--db", sys.argv[1]]
runpy.run_module("assistants_server", run_name="__main__")
"""


@pytest.fixture
def few_files(tmp_path) -> Iterator[subprocess.Popen]:
    """A server that may open 64 files, with its `base_url`; stderr goes to the file `log`."""
    pytest.importorskip("resource", reason="Windows has no limit on open files")
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", FEW_FILES, str(tmp_path / "a.db")],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        said = ""
        while "Ctrl+C" not in said:
            line = process.stdout.readline()
            assert line, log.read_text()
            said += line
        process.base_url = re.search(r"OPENAI_BASE_URL=(\S+)", said)[1]
        process.log = log
        yield process
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
        process.stdout.close()


def test_150_half_sent_requests_with_64_files_keep_nobody_out(few_files):
    half = [connect(few_files.base_url) for _ in range(150)]
    try:
        for client in half:
            client.sendall(HALVES["headers"])
        address = few_files.base_url.replace("/v1", "/health")
        for _ in range(5):
            assert httpx2.get(address, timeout=PATIENCE).status_code == 200
    finally:
        for client in half:
            client.close()
    lines = few_files.log.read_text().splitlines()
    assert sum("request" not in json.loads(line)["event"] for line in lines) < 5


def test_files_that_are_open_otherwise_count_too(server, monkeypatch):
    """So accepting never fails, which would cost everybody a second."""
    here = connect(server.base_url)
    number = here.fileno()
    half = [connect(server.base_url) for _ in range(30)]
    monkeypatch.setattr(connection, "most_files", lambda: number + connection.FILES_FOR_THE_REST)
    try:
        for client in half:
            client.sendall(HALVES["headers"])
        address = server.base_url.replace("/v1", "/health")
        assert httpx2.get(address, timeout=PATIENCE).status_code == 200
        assert read_all(here) == b""  # the oldest has made room
    finally:
        for client in (here, *half):
            client.close()


def test_trouble_with_accepting_is_logged_once_in_a_while(caplog):
    loop = asyncio.new_event_loop()
    try:
        connection.note_accept_trouble(loop)
        for _ in range(1000):
            loop.call_exception_handler(
                {"message": "socket.accept() out of system resource", "exception": OSError()}
            )
    finally:
        loop.close()
    assert len(caplog.records) == 1
