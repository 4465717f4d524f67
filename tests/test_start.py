"""A server is ready at once, and ends without leaving anything behind."""

import os
import subprocess
import sys
import threading

import pytest

from assistants_server.offline import tutors
from assistants_server.offline.tutor_process import TutorProcess
from tests.conftest import ROOT
from tests.serving import client_of, serving


def test_a_server_answers_before_its_tutor_is_there(tmp_path, monkeypatch):
    """How soon it does is measured by tests.benchmarks.start."""
    there = threading.Event()
    start = TutorProcess.start

    def start_late(self: TutorProcess) -> None:
        assert there.wait(30)
        start(self)

    monkeypatch.setattr(TutorProcess, "start", start_late)
    monkeypatch.setattr(tutors, "_tutors", None)  # those that all tests share are there already
    with serving(tmp_path / "a.db") as server:
        try:
            assert client_of(server).beta.assistants.list().data == []
        finally:
            there.set()
    tutors._tutors.close()


UNUSED = "sympy jupyter_client zmq tornado ipykernel IPython matplotlib numpy pypdf ipywidgets"


@pytest.mark.parametrize(
    "program",
    [
        "import assistants_server.__main__",
        "import helpers; helpers.connect().beta.assistants.list()",
    ],
    ids=["the server alone", "connect"],
)
def test_what_only_some_use_is_not_imported_before_they_do(tmp_path, program):
    program = f"{program}\nimport sys; print(set({UNUSED.split()}) & set(sys.modules))"
    environment = {**os.environ, "ASSISTANTS_DB": str(tmp_path / "a.db")}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert ran.stdout.splitlines()[-1:] == ["set()"], ran.stderr


def test_stopping_ends_the_thread_and_frees_the_port(tmp_path):
    before = threading.active_count()
    with serving(tmp_path / "a.db") as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
    assert threading.active_count() == before
    with serving(tmp_path / "a.db", port=port) as again:
        assert again.base_url == server.base_url


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
    with serving(tmp_path / "a.db") as first, serving(tmp_path / "b.db") as second:
        clients = [client_of(first), client_of(second)]
        clients[0].beta.assistants.create(model="m")
        assert [len(client.beta.assistants.list().data) for client in clients] == [1, 0]
        assert first.token != second.token
