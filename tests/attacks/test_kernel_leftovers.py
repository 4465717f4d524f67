"""A server that is killed at any moment leaves no process, and what it leaves on the disk goes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from assistants_server.code_interpreter import bwrap
from assistants_server.code_interpreter.server_folders import ServerFolders
from assistants_server.store import Store
from tests.conftest import ROOT
from tests.running import Running

SECONDS = 30
VICTIM = """
import asyncio, sys
from pathlib import Path
from assistants_server.code_interpreter import CodeInterpreter, bwrap
from assistants_server.store import Store

if "without" in sys.argv:
    bwrap.way = lambda: None

async def main():
    store = Store(Path(sys.argv[1]))
    interpreter = CodeInterpreter(store)
    print(store.owner, flush=True)
    for code in sys.argv[3:]:
        print((await interpreter.run("thread_1", code, [])).logs, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def wait_until(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def naming(text: str) -> list[psutil.Process]:
    """Return the processes that have `text` in their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(text in argument for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def victim(database: Path, how: str, *pieces: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(database), how, *pieces],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=["with bwrap", "without"])
def how(request) -> str:
    if request.param == "with bwrap" and bwrap.way() is None:
        pytest.skip("bwrap is not installed or not allowed on this machine")
    return request.param


@pytest.mark.parametrize("milliseconds", [0, 10, 40, 100, 300])
def test_a_server_that_is_killed_while_a_kernel_starts_leaves_no_process(
    tmp_path, how, milliseconds
):
    with victim(tmp_path / "a.db", how, "1") as server:
        owner = server.stdout.readline().strip()
        scratch = f"{ServerFolders(tmp_path / 'a.db', owner).kernels}/"
        assert wait_until(lambda: naming(scratch))
        time.sleep(milliseconds / 1000)
        server.kill()
    assert wait_until(lambda: not naming(scratch))
    with Running(tmp_path) as living:
        assert not swept(living, owner)


def test_a_server_that_is_killed_while_code_runs_leaves_no_process(tmp_path, how):
    with victim(tmp_path / "a.db", how, "print(1)", "while True: pass") as server:
        owner, _ = server.stdout.readline().strip(), server.stdout.readline()
        scratch = f"{ServerFolders(tmp_path / 'a.db', owner).kernels}/"
        server.kill()
    assert wait_until(lambda: not naming(scratch))
    with Running(tmp_path) as living:
        assert not swept(living, owner)


def swept(living: Running, owner: str) -> list[Path]:
    """Let a living server sweep twice, and return what is left of another."""
    for _ in range(2):
        living.wait_for(living.interpreter.sweep({living.store.owner}))
    places = ServerFolders(living.store.path, owner)
    return [path for path in (places.threads, places.kernels) if path.exists()]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment reliably")
def test_processes_that_outlived_their_killed_server_are_ended_by_the_next(tmp_path, monkeypatch):
    mark = f"{time.time_ns()}"
    code = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", "{mark}"])
time.sleep(20)
"""
    with victim(tmp_path / "a.db", "without", code) as server:
        owner = server.stdout.readline().strip()
        assert wait_until(lambda: len(naming(mark)) == 2)  # the server names it too
        server.kill()
    monkeypatch.setattr(bwrap, "way", lambda: None)
    assert naming(mark)
    with Running(tmp_path) as living:
        assert not swept(living, owner)
    assert not naming(mark)


def test_what_a_living_server_has_is_left_alone(tmp_path):
    with Running(tmp_path) as one, Running(tmp_path) as other:
        other.run("open('kept.txt', 'w').write('kept')")
        both = {one.store.owner, other.store.owner}
        # It may just have arrived when the living were counted.
        one.wait_for(one.interpreter.sweep({one.store.owner}))
        one.wait_for(one.interpreter.sweep(both))
        one.wait_for(one.interpreter.sweep({one.store.owner}))
        assert other.logs("print(open('kept.txt').read())") == "kept"
        one.wait_for(one.interpreter.close())
        assert other.logs("print(open('kept.txt').read())") == "kept"


def test_a_kernel_whose_thread_another_server_has_deleted_is_ended(tmp_path):
    with Running(tmp_path) as sandbox:
        sandbox.run("1")
        assert list(tmp_path.glob("a.db.threads/*/thread_1"))
        sandbox.wait_for(sandbox.interpreter.sweep({sandbox.store.owner}))
        assert not list(tmp_path.glob("a.db.threads/*/thread_1"))


def test_a_server_that_ends_leaves_nothing(tmp_path):
    with Running(tmp_path) as sandbox:
        sandbox.run("open('x.txt', 'w').write('x')")
        places = ServerFolders(sandbox.store.path, sandbox.store.owner)
        assert places.kernels.exists()
    assert not places.kernels.exists()
    assert not (tmp_path / "a.db.threads").exists()


def test_the_path_of_a_socket_is_short_enough_on_every_system(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/var/folders/xx/" + "y" * 30 + "/T")
    store = Store(tmp_path / "a.db")
    store.close()
    kernels = ServerFolders(store.path, store.owner).kernels
    assert len(f"{kernels}/9999/s-5") < 104  # macOS


@pytest.mark.skipif(os.name == "nt", reason="Windows has no user ids")
def test_folders_that_were_given_to_the_code_are_found_too(tmp_path, monkeypatch):
    # As older versions left them, when the server was root's.
    database = tmp_path / "a.db"
    (tmp_path / "a.db.threads" / "thread_1").mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert ServerFolders(database, "server_1").others() == {"thread_1"}
