"""A server that is stopped while clients go on: it begins nothing new, and ends without a word."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import httpx2
import pytest
from openai import InternalServerError

from assistants_server.code_interpreter import CodeInterpreter
from tests.attacks.waiting import until
from tests.conftest import MODEL, ROOT
from tests.serving import client_of, serving

SECONDS = 60


@pytest.fixture
def stopping(tmp_path, monkeypatch):
    """A server that is being stopped, its code interpreter only when the test is over."""
    closing, go = threading.Event(), threading.Event()
    close = CodeInterpreter.close

    async def slowly(self) -> None:
        closing.set()
        await asyncio.to_thread(go.wait, SECONDS)
        await close(self)

    monkeypatch.setattr(CodeInterpreter, "close", slowly)
    with serving(tmp_path / "assistants.db") as server, client_of(server) as client:
        client.beta.assistants.create(model=MODEL)
        stop = threading.Thread(target=server.stop)
        stop.start()
        try:
            assert closing.wait(SECONDS)
            yield client
        finally:
            go.set()
            stop.join()


def test_a_server_that_stops_begins_nothing_new(stopping):
    with pytest.raises(InternalServerError, match="The server is stopping") as refused:
        stopping.beta.threads.create()
    assert refused.value.status_code == 503


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl+C to one process alone")
def test_ctrl_c_ends_the_server_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "assistants_server", "--port", "0", "--db", tmp_path / "a.db"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said = next(line for line in process.stdout if "OPENAI_BASE_URL=" in line)
            address = said.strip().partition("=")[2].replace("/v1", "/health")
            until(lambda: httpx2.get(address).is_success)  # before it runs, SIGINT may be ignored
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert "Traceback" not in said
    assert process.returncode == 0


def test_a_program_that_ends_with_work_under_way_prints_no_traceback(tmp_path):
    # What is registered later is called earlier: the server goes on for a while, without threads.
    program = """
import atexit, sys, time
from pathlib import Path
from openai import OpenAI
from assistants_server.server import Server
server = Server(Path(sys.argv[1]))
server.start()
atexit.register(server.stop)
atexit.register(time.sleep, 2)
client = OpenAI(base_url=server.base_url, api_key=server.token)
file = client.files.create(file=("a.html", b"<p>zebra" * 50_000), purpose="assistants")
client.vector_stores.create(file_ids=[file.id])
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, tmp_path / "a.db"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
