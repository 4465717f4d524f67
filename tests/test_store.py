"""The database: what was acknowledged survives, and what is not ours is left alone."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from openai import OpenAI

from assistants_server.server import Server
from assistants_server.store import Store, StoreError
from tests.attacks.waiting import until
from tests.conftest import MODEL

ROOT = os.path.dirname(os.path.dirname(__file__))


class Alone:
    """The server as a process of its own."""

    def __init__(self, database, *arguments):
        command = [sys.executable, "-m", "assistants_server", "--port", "0", "--db", str(database)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        variables = {}
        while len(variables) < 2:
            line = self.process.stdout.readline()
            assert line, "the server ended"
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                variables[name] = value
        self.client = OpenAI(
            base_url=variables["OPENAI_BASE_URL"],
            api_key=variables["OPENAI_API_KEY"],
            max_retries=0,
        )

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=60)
        self.process.stdout.close()


@pytest.fixture
def alone(tmp_path):
    """Return a function that starts servers on one database; all are ended afterwards."""
    started = []

    def alone():
        started.append(Alone(tmp_path / "assistants.db"))
        return started[-1]

    yield alone
    for server in started:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


def start_slow_run(client):
    assistant = client.beta.assistants.create(model=MODEL)
    return client.beta.threads.create_and_run(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Count slowly to 1000"}]},
    )


def retrieve(client, run):
    return client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)


def wait_until(client, run, *statuses):
    return until(lambda: (now := retrieve(client, run)).status in statuses and now)


def test_a_killed_process_loses_nothing_that_was_acknowledged(alone):
    first = alone()
    thread = first.client.beta.threads.create()
    for number in range(50):
        message = first.client.beta.threads.messages.create(
            thread.id, role="user", content=str(number)
        )
    first.stop(signal.SIGKILL)
    second = alone()
    kept = [m.content[0].text.value for m in second.client.beta.threads.messages.list(thread.id)]
    assert kept == [str(number) for number in reversed(range(50))]
    assert second.client.beta.threads.messages.retrieve(message.id, thread_id=thread.id) == message


def test_runs_that_a_killed_process_left_behind_are_failed(alone):
    first = alone()
    run = wait_until(first.client, start_slow_run(first.client), "in_progress")
    until(lambda: first.client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data)
    first.stop(signal.SIGKILL)
    second = alone()
    ended = retrieve(second.client, run)
    assert (ended.status, ended.last_error.code) == ("failed", "server_error")
    assert "Create the run again" in ended.last_error.message
    steps = second.client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    messages = second.client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    assert [step.status for step in steps] == ["failed"]
    assert [message.status for message in messages] == ["incomplete"]
    second.client.beta.threads.messages.create(run.thread_id, role="user", content="free again")


def test_a_graceful_stop_marks_its_runs(alone):
    first = alone()
    run = wait_until(first.client, start_slow_run(first.client), "in_progress")
    first.stop()
    ended = retrieve(alone().client, run)
    assert (ended.status, ended.last_error.code) == ("failed", "server_error")


def test_a_second_process_leaves_the_runs_of_a_living_one_alone(alone):
    first = alone()
    run = wait_until(first.client, start_slow_run(first.client), "in_progress")
    second = alone()
    assert retrieve(second.client, run).status == "in_progress"
    second.client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    assert wait_until(second.client, run, "cancelled").status == "cancelled"


def test_two_processes_write_at_once(alone):
    servers = [alone(), alone()]
    thread = servers[0].client.beta.threads.create()
    for number in range(40):
        for server in servers:
            server.client.beta.threads.messages.create(thread.id, role="user", content=str(number))
    for server in servers:
        messages = list(server.client.beta.threads.messages.list(thread.id, limit=100, order="asc"))
        texts = [message.content[0].text.value for message in messages]
        assert texts == [str(number) for number in range(40) for _ in servers]


def test_lock_files_do_not_pile_up(alone, tmp_path):
    for _ in range(2):
        alone().stop(signal.SIGKILL)
    last = alone()
    assert len(list(tmp_path.glob("*.lock"))) == 1
    last.stop()
    assert list(tmp_path.glob("*.lock")) == []


STOPPED_AS_IT_ANNOUNCES_ITSELF = """
import builtins, os, signal
from assistants_server.__main__ import main

def print_and_stop(*words, print=print, **how):
    print(*words, **how)
    if "OPENAI_API_KEY" in str(words):
        os.kill(os.getpid(), signal.SIGTERM)

builtins.print = print_and_stop
main()
"""


def test_a_server_that_is_stopped_as_soon_as_it_announces_itself_stops_in_order(tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-c",
            STOPPED_AS_IT_ANNOUNCES_ITSELF,
            "--port",
            "0",
            "--db",
            str(tmp_path / "assistants.db"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    assert (tmp_path / "assistants.db").exists()
    assert list(tmp_path.glob("*.lock")) == []


def foreign_database(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE precious (things)")
    database.commit()
    database.close()


def newer_database(path):
    Store(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


def damaged_database(path):
    Store(path).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"my thesis " * 1000), "left alone"),
        (lambda path: path.write_bytes(b"SQLite format 3\x00 and then garbage"), "left alone"),
        (foreign_database, "left alone"),
        (newer_database, "newer version"),
        (damaged_database, "Cannot open"),
        (lambda path: path.mkdir(), "Cannot open"),
    ],
    ids=["text", "garbage", "foreign", "newer", "damaged", "folder"],
)
def test_a_file_that_is_not_ours_is_left_alone(tmp_path, make, words):
    path = tmp_path / "file.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    names = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match=words):
        Server(path)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert sorted(tmp_path.iterdir()) == names


def test_the_command_line_says_what_is_wrong(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter 1")
    database = tmp_path / "thesis.txt"
    ended = subprocess.run(
        [sys.executable, "-m", "assistants_server", "--db", str(database)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("assistants_server: ")
    assert "--db" in ended.stderr


def test_a_port_in_use(server, tmp_path):
    port = server.base_url.split(":")[2].split("/")[0]
    ended = subprocess.run(
        [sys.executable, "-m", "assistants_server", "--port", port, "--db", str(tmp_path / "b.db")],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr
