"""Attempts to misbehave. Each is bounded itself, and leaves the server answering."""

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from assistants_server.code_interpreter import CodeInterpreter, isolation, sandbox_limits
from assistants_server.store import Store
from tests.attacks.waiting import until

ROOT = Path(__file__).parent.parent

needs_bwrap = pytest.mark.skipif(
    not isolation().no_network, reason="bwrap is not installed or not allowed on this machine"
)
needs_limits = pytest.mark.skipif(
    not isolation().cpu_memory_and_file_size, reason="this system has no resource limits"
)
needs_process_limit = pytest.mark.skipif(
    not isolation().processes, reason="root without bwrap cannot limit processes"
)


def kernels() -> list[psutil.Process]:
    """Return the code interpreter's processes below this one."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if any("launcher.py" in argument for argument in _arguments(process))
    ]


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pieces of code in one thread and returns their logs."""

    def run(*pieces: str) -> list[str]:
        async def all_of_them() -> list[str]:
            store = Store(tmp_path / "a.db")
            interpreter = CodeInterpreter(store)
            try:
                return [(await interpreter.run("thread_1", code, [])).logs for code in pieces]
            finally:
                await interpreter.close()
                store.close()

        return asyncio.run(all_of_them())

    yield run
    assert kernels() == []


ALIVE = "print('alive')"


def test_an_endless_loop_ends_and_the_kernel_goes_on(run, monkeypatch):
    monkeypatch.setattr(sandbox_limits, "WALL_SECONDS", 1)
    logs, after = run("kept = 1\nwhile True: pass", "print(kept)")
    assert "Stopped after 1 seconds" in logs
    assert after == "1"


def test_a_loop_that_does_not_listen_is_killed(run, monkeypatch):
    monkeypatch.setattr(sandbox_limits, "WALL_SECONDS", 1)
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    logs, after = run(deaf, ALIVE)
    assert "had to be killed" in logs
    assert after == "alive"


@needs_process_limit
def test_more_processes_than_allowed(run):
    bomb = """
import os, time
for _ in range(300):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
"""
    logs, after = run(bomb, ALIVE)
    assert "BlockingIOError" in logs
    assert after == "alive"


@needs_limits
def test_more_memory_than_allowed(run):
    logs, after = run(f"block = bytearray({sandbox_limits.MEMORY_BYTES} + 1)", ALIVE)
    assert "MemoryError" in logs
    assert after == "alive"


@needs_limits
def test_a_file_larger_than_allowed(run):
    megabytes = sandbox_limits.FILE_BYTES // sandbox_limits.MEGABYTE + 8
    code = f"""
with open("big", "wb") as file:
    for _ in range({megabytes}):
        file.write(bytes(1024 * 1024))
"""
    logs, after = run(code, ALIVE)
    assert "File too large" in logs
    assert after == "alive"


@pytest.mark.parametrize(
    "code", ["print('x' * 200_000_000)", "for _ in range(200): print('x' * 1_000_000)"]
)
def test_200_megabytes_of_output(run, code):
    logs, after = run(code, ALIVE)
    assert len(logs) < 2 * sandbox_limits.OUTPUT_CHARACTERS
    assert "too much" in logs
    assert after == "alive"


@pytest.mark.parametrize("code", ["import os; os._exit(1)", "import os; os.kill(os.getpid(), 9)"])
def test_killing_its_own_process(run, code):
    logs, after = run(code, ALIVE)
    assert "The process ended" in logs
    assert after == "alive"


def test_the_environment_of_the_server_is_not_there(run, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-in-the-environment")
    (logs,) = run("import os; print(dict(os.environ))")
    assert "canary" not in logs
    assert "OPENAI" not in logs


def test_nonsense_sent_as_a_figure_is_passed_over(run):
    code = """
from IPython.display import display
display({"image/png": "not base64!"}, raw=True)
display({"image/png": 5}, raw=True)
print("still here")
"""
    assert run(code) == ["still here"]


@needs_bwrap
def test_the_database_and_the_env_file_cannot_be_read(run, tmp_path):
    env_file = ROOT / ".env.example"
    for path in (tmp_path / "a.db", env_file, Path("/etc/shadow")):
        (logs,) = run(f"print(open({str(path)!r}, 'rb').read(10))")
        assert "FileNotFoundError" in logs, path


@needs_bwrap
def test_the_environment_of_other_processes_cannot_be_read(run):
    (logs,) = run(
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: print(open(path).read())\n"
        "    except OSError: pass"
    )
    assert str(ROOT) not in logs.replace(str(ROOT / ".venv"), "")


@needs_bwrap
def test_no_socket_leads_out(run):
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        (logs,) = run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
    assert "ConnectionRefusedError" in logs


@needs_bwrap
def test_the_rest_of_the_disk_cannot_be_written(run):
    (logs,) = run("import sys; open(sys.prefix + '/x', 'w')")
    assert "OSError" in logs or "PermissionError" in logs
    assert not (Path(os.sys.prefix) / "x").exists()


def test_a_link_to_a_file_outside_is_not_followed(run, tmp_path):
    target = tmp_path / "secret.txt"
    target.write_text("canary")
    run(f"import os; os.symlink({str(target)!r}, 'innocent.txt')")
    kept = [path.read_bytes() for path in (tmp_path / "a.db.files").glob("*")]
    assert b"canary" not in kept


def test_processes_that_a_call_leaves_behind_are_ended(run):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', MESSAGE])"
    marker = "import time; time.sleep(33)"
    run(code.replace("MESSAGE", repr(marker)), ALIVE)
    left = [p for p in psutil.process_iter() if marker in " ".join(_arguments(p))]
    assert left == []


def test_20_threads_at_once(tmp_path):
    async def go() -> list[str]:
        store = Store(tmp_path / "a.db")
        interpreter = CodeInterpreter(store)
        try:
            runs = [interpreter.run(f"thread_{n}", f"print({n} ** 2)", []) for n in range(20)]
            return [result.logs for result in await asyncio.gather(*runs)]
        finally:
            await interpreter.close()
            store.close()

    assert asyncio.run(go()) == [str(n**2) for n in range(20)]
    assert kernels() == []


def test_closing_one_server_leaves_the_folders_of_another_alone(tmp_path):
    async def go() -> str:
        stores = [Store(tmp_path / "a.db") for _ in range(2)]
        first, second = (CodeInterpreter(store) for store in stores)
        try:
            await first.run("thread_1", "1", [])
            await second.run("thread_2", "open('kept.txt', 'w').write('x')", [])
            await first.close()
            return (await second.run("thread_2", "print(open('kept.txt').read())", [])).logs
        finally:
            await second.close()
            for store in stores:
                store.close()

    assert asyncio.run(go()) == "x"


def test_an_idle_kernel_is_closed(tmp_path, monkeypatch):
    from assistants_server.code_interpreter import interpreter as module

    monkeypatch.setattr(sandbox_limits, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.1)

    async def go() -> int:
        store = Store(tmp_path / "a.db")
        interpreter = CodeInterpreter(store)
        await interpreter.run("thread_1", "1", [])
        await asyncio.to_thread(until, lambda: not kernels())
        left = len(kernels())
        await interpreter.close()
        store.close()
        return left

    assert asyncio.run(go()) == 0
