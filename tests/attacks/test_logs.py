"""Attacks on who reads the logs: forged lines, commands for a terminal, floods, and users' words."""

import asyncio
import io
import json
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from assistants_server import logs
from assistants_server.engine import Upstream, trouble
from assistants_server.web.http_server import LOOPBACK, HttpServer, listen
from tests.attacks.waiting import until
from tests.test_alone import alone
from tests.upstream import send_json, upstream

SECRET = "canary-of-a-private-prompt"
TITLE = "\x1b]0;owned\x07"


class Log:
    """Where log lines go, as text and read as JSON."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture(params=[False, True], ids=["usual", "in full"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    root.handlers = []  # so that those of pytest are not closed
    logs.configure(in_full=request.param, stream=stream)
    yield Log(stream)
    root.handlers, root.level = before, level


usual = pytest.mark.parametrize("log", [False], indirect=True)
in_full = pytest.mark.parametrize("log", [True], indirect=True)


@usual
def test_uvicorns_own_words_are_logged(log: Log):
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    (line,) = log.lines
    assert (line["event"], line["message"]) == ("uvicorn.error", "Invalid HTTP request received.")
    assert line["at"].startswith("test_logs:")


@usual
def test_a_start_that_fails_says_what_and_where_but_quotes_nobody(log: Log):
    @asynccontextmanager
    async def failing(_: Starlette) -> AsyncIterator[None]:
        raise LookupError(f"{SECRET}\nValueError: {SECRET}")
        yield

    with suppress(SystemExit):
        HttpServer(Starlette(lifespan=failing), listen(LOOPBACK, 0), "failing").run()
    told = [line for line in log.lines if "exception" in line]
    assert [line["exception"] for line in told] == ["LookupError"]
    assert told[0]["at"].startswith("test_logs.py:")
    assert SECRET not in log.stream.getvalue()


@usual
@pytest.mark.parametrize("name", ["pypdf", "httpx2", "jupyter_client", "traitlets", "anything"])
def test_what_other_libraries_say_is_not_logged(log: Log, name: str):
    logging.getLogger(name).warning("cannot read %s", SECRET)
    (line,) = log.lines
    assert line["event"] == name
    assert SECRET not in log.stream.getvalue()


@usual
def test_what_asyncio_says_of_a_task_is_not_logged(log: Log):
    async def fail() -> None:
        raise ValueError(SECRET)

    async def forget() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        del task

    asyncio.run(forget())
    (line,) = log.lines
    assert line["message"] == "Task exception was never retrieved"
    assert line["exception"] == "ValueError"
    assert SECRET not in log.stream.getvalue()


@in_full
def test_all_of_it_is_logged_if_that_is_asked_for(log: Log):
    logging.getLogger("pypdf").warning("cannot read %s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("assistants_server").exception("run")
    first, second = log.lines
    assert first["message"] == f"cannot read {SECRET}"
    assert second["traceback"].endswith(f"ValueError: {SECRET}")


NASTY = f'a{TITLE}\x1b[2J\x9b31m\n{{"event": "forged"}}\r\n\x00\u2028\ud800'


def test_nothing_in_a_line_commands_a_terminal_or_makes_another_line(log: Log):
    ours = logging.getLogger("assistants_server.x")
    ours.info("request", extra={"fields": {"path": NASTY, "status": 404}})
    logging.getLogger("uvicorn.error").warning("%s", NASTY)
    try:
        raise ValueError(NASTY)
    except ValueError:
        ours.exception("run")
    text = log.stream.getvalue()
    assert text.isascii()
    assert text.count("\n") == len(log.lines) == 3
    assert "owned" not in text
    for line in log.lines:
        for value in line.values():
            assert not {"\x1b", "\x07", "\x9b", "\x00"} & set(str(value))
    assert [line["event"] for line in log.lines] == ["request", "uvicorn.error", "run"]


def test_a_path_cannot_forge_a_line_or_fill_the_log(log: Log, server):
    path = "/v1/assistants/x%1B%5D0;owned%07%0A%7B%22event%22:%20%22forged%22%7D%0D%0A%9B"
    with httpx2.Client() as http:
        base = server.base_url.removesuffix("/v1")
        http.get(base + path)
        http.get(f"{base}/v1/{'x' * 20_000}")
    # A request is logged after its response has been sent.
    until(lambda: log.stream.getvalue().count('"event": "request"') == 2)
    lines = [line for line in log.lines if line["event"] == "request"]
    assert lines[0]["path"].startswith("/v1/assistants/x\n")
    assert "owned" not in log.stream.getvalue()
    assert len(lines[1]["path"]) == logs.MOST_CHARACTERS


@usual
def test_a_flood_of_equal_errors_becomes_a_few_lines(log: Log):
    (handler,) = (
        each for each in logging.getLogger().handlers if isinstance(each.formatter, logs.JsonLines)
    )
    seconds = 0.0
    handler.filters[:] = [logs.FewPerMinute(most=3, clock=lambda: seconds)]

    def flood(count: int) -> None:
        for number in range(count):
            logging.getLogger("asyncio").error("socket.accept() out of resource %d", number)

    flood(1000)
    assert len(log.lines) == 3
    assert [line.get("next") for line in log.lines] == [None, None, log.lines[2]["next"]]
    logging.getLogger("asyncio").error("another error, of another place")
    logging.getLogger("assistants_server").info("ours")
    assert [line["event"] for line in log.lines[3:]] == ["asyncio", "ours"]
    seconds = 61.0
    flood(1)
    assert log.lines[-1]["left_out"] == 997
    seconds = 200.0
    flood(1)
    assert "left_out" not in log.lines[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lowers another process's limits")
def test_more_connections_than_descriptors_do_not_fill_the_log(tmp_path: Path):
    import resource

    errors = tmp_path / "errors"
    with errors.open("w") as file, alone(tmp_path / "a.db", stderr=file) as process:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (64, 64))
        port = int(process.base_url.split(":")[2].split("/")[0])
        streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
        try:
            for stream in streams:
                stream.sendall(b"GET /v1/assistants HTTP/1.1\r\n")
            time.sleep(2)  # more would come for as long as this lasts
        finally:
            for stream in streams:
                stream.close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                answer = httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except httpx2.HTTPError:
                time.sleep(0.1)
        assert answer.status_code == 200
    assert len(errors.read_text().splitlines()) < 100


def test_a_models_server_cannot_command_the_terminal():
    with upstream(lambda handler, _: send_json(handler, 200, {"data": [{"id": TITLE}]})) as model:
        wrong = trouble(Upstream(model.base_url, model.api_key), "gpt-6-luna")
    assert "does not list the model" in wrong
    assert "\x1b" not in wrong
    assert "\x07" not in wrong
