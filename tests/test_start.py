"""A server is ready at once, and ends without leaving anything behind."""

import subprocess
import sys
import threading

from openai import OpenAI

from assistants_server.offline import tutors
from assistants_server.offline.tutor_process import TutorProcess
from assistants_server.server import Server
from tests.conftest import ROOT


def test_a_server_answers_before_its_tutor_is_there(tmp_path, monkeypatch):
    """How soon it does is measured by tests.benchmarks.start."""
    there = threading.Event()
    start = TutorProcess.start

    def start_late(self: TutorProcess) -> None:
        assert there.wait(30)
        start(self)

    monkeypatch.setattr(TutorProcess, "start", start_late)
    monkeypatch.setattr(tutors, "_tutors", None)  # those that all tests share are there already
    server = Server(tmp_path / "a.db")
    server.start()
    try:
        client = OpenAI(base_url=server.base_url, api_key=server.token)
        assert client.beta.assistants.list().data == []
    finally:
        there.set()
        server.stop()
        tutors._tutors.close()


def test_stopping_ends_the_thread_and_frees_the_port(tmp_path):
    before = threading.active_count()
    server = Server(tmp_path / "a.db")
    server.start()
    port = int(server.base_url.split(":")[2].split("/")[0])
    server.stop()
    assert threading.active_count() == before
    again = Server(tmp_path / "a.db", port=port)
    again.start()
    again.stop()


def test_the_last_server_of_a_program_ends_its_tutors(tmp_path):
    program = """
import pathlib, sys, time, psutil
from assistants_server.offline import tutors
from assistants_server.offline.tutor_process import TutorProcess
from assistants_server.server import Server
from tests.conftest import ROOT

def children():
    return len(psutil.Process().children())

servers = [Server(pathlib.Path(sys.argv[1]) / name) for name in ("a.db", "b.db")]
for server in servers:
    server.start()
while children() < 1:  # they start in the background
    time.sleep(0.01)
counts = []
for server in servers:
    server.stop()
    counts.append(children())
print(counts)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert ran.stdout.strip() == "[1, 0]", ran.stderr


def test_two_servers_of_one_process_are_apart(tmp_path):
    servers = [Server(tmp_path / name) for name in ("a.db", "b.db")]
    clients = []
    for server in servers:
        server.start()
        clients.append(OpenAI(base_url=server.base_url, api_key=server.token))
    clients[0].beta.assistants.create(model="m")
    assert [len(client.beta.assistants.list().data) for client in clients] == [1, 0]
    assert servers[0].token != servers[1].token
    for server in servers:
        server.stop()
