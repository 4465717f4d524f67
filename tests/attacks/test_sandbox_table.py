"""Each row of the README's table of protections is tried, with bwrap and without.

`isolation()` and the table say that a protection is in force: then its attack fails. They say that
it is not: then the attack succeeds, so that nobody is promised too little either.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from assistants_server.code_interpreter import bwrap, isolation, sandbox_limits
from tests.conftest import MODEL, ROOT
from tests.running import Running
from tests.serving import serving

LINUX = sys.platform == "linux"


def leaves_its_process_or_folder(sandbox: Running, folder: Path, _) -> bool:
    logs = sandbox.logs("import os; print(os.getpid(), len(os.listdir()))")
    return logs.split()[0] == str(os.getpid()) or logs.split()[1] != "0"


def goes_on_for_ever(sandbox: Running, folder: Path, monkeypatch) -> bool:
    monkeypatch.setattr(sandbox_limits, "WALL_SECONDS", 1)
    return "Stopped after 1 seconds" not in sandbox.logs("while True: pass")


def fills_the_disk(sandbox: Running, folder: Path, monkeypatch) -> bool:
    monkeypatch.setattr(sandbox_limits, "FOLDER_BYTES", sandbox_limits.MEGABYTE)
    sandbox.run("open('large', 'wb').write(bytes(5_000_000))")
    return any(
        path.stat().st_size > sandbox_limits.MEGABYTE for path in folder.glob("a.db.*/*/*/*")
    )


def takes_memory(sandbox: Running, folder: Path, _) -> bool:
    return "MemoryError" not in sandbox.logs(
        f"block = bytearray({sandbox_limits.MEMORY_BYTES} + 1)"
    )


def starts_processes(sandbox: Running, folder: Path, _) -> bool:
    bomb = (
        "import os, time\nfor _ in range(100):\n    if os.fork() == 0: time.sleep(9); os._exit(0)"
    )
    return "BlockingIOError" not in sandbox.logs(bomb)


def outlives_its_thread(sandbox: Running, folder: Path, _) -> bool:
    mark = f"{time.time_ns()}"
    sandbox.run(f"""
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", "{mark}"], {{}})
    os._exit(0)
import time; time.sleep(1)
os._exit(1)
""")
    sandbox.wait_for(sandbox.interpreter.forget("thread_1"))
    left = [process for process in psutil.process_iter() if mark in _arguments(process)]
    for process in left:
        process.kill()
    return bool(left)


def reads_the_servers_environment(sandbox: Running, folder: Path, _) -> bool:
    logs = sandbox.logs(f"print(len(open('/proc/{os.getpid()}/environ', 'rb').read()))")
    return logs.isdigit()


def reads_the_database(sandbox: Running, folder: Path, _) -> bool:
    return "SQLite format" in sandbox.logs(f"print(open({str(folder / 'a.db')!r}, 'rb').read(13))")


def connects(sandbox: Running, folder: Path, _) -> bool:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('in')"
        return sandbox.logs(code) == "in"


def makes_a_namespace(sandbox: Running, folder: Path, _) -> bool:
    logs = sandbox.logs(
        "import subprocess; print(subprocess.run(['unshare', '-U', 'true']).returncode)"
    )
    return logs == "0"


# In the order of the table.
ATTACKS: dict[str, Callable[..., bool]] = {
    "own_process_and_folder": leaves_its_process_or_folder,
    "wall_time": goes_on_for_ever,
    "output_and_disk_space": fills_the_disk,
    "cpu_memory_and_file_size": takes_memory,
    "processes": starts_processes,
    "no_process_left": outlives_its_thread,
    "keys_hidden": reads_the_servers_environment,
    "disk_hidden": reads_the_database,
    "no_network": connects,
    "no_further_namespaces": makes_a_namespace,
}


@pytest.mark.skipif(not LINUX, reason="the attacks are written for Linux")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_protection_that_is_said_to_be_in_force_is(sandbox, name, tmp_path, monkeypatch):
    if name == "no_further_namespaces" and not isolation().no_further_namespaces:
        pytest.skip("whether users may make namespaces is the system's choice then")
    assert ATTACKS[name](sandbox, tmp_path, monkeypatch) is not getattr(isolation(), name)


@pytest.mark.skipif(not LINUX, reason="the table's columns for Linux are compared")
def test_the_table_says_what_isolation_says(sandbox):
    section = (ROOT / "README.md").read_text("utf-8").split("## Code that a model writes")[1]
    rows = re.findall(
        r"^\| (?!protection|-)(.+?) \| (.+?) \| (.+?) \| .+ \|$", section, re.MULTILINE
    )
    column = 1 if isolation().no_network else 2
    said = [row[column].startswith("yes") for row in rows[: len(ATTACKS)]]
    if not isolation().processes and os.getuid() == 0:
        assert "not for root" in rows[list(ATTACKS).index("processes")][column]
        said[list(ATTACKS).index("processes")] = False
    assert said == [getattr(isolation(), name) for name in ATTACKS]


@pytest.mark.skipif(not LINUX, reason="only Linux re-parents them to the kernel")
def test_without_bwrap_processes_that_left_the_group_are_ended_with_the_thread(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(bwrap, "way", lambda: None)
    mark = f"{time.time_ns()}"
    code = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", "{mark}"])
    os._exit(0)
time.sleep(1)
"""
    with Running(tmp_path) as sandbox:
        for last in ("", "os._exit(1)"):
            sandbox.run(code + last)
            sandbox.wait_for(sandbox.interpreter.forget("thread_1"))
            assert not [each for each in psutil.process_iter() if mark in _arguments(each)]


@pytest.mark.parametrize(
    ("host", "unsafe_code", "isolated", "runs"),
    [
        ("127.0.0.1", False, False, True),
        ("0.0.0.0", False, False, False),
        ("0.0.0.0", True, False, True),
        ("0.0.0.0", False, True, True),
    ],
)
def test_where_others_can_reach_the_server_code_is_run_only_if_it_is_isolated_or_wished(
    tmp_path, monkeypatch, host, unsafe_code, isolated, runs
):
    from openai import OpenAI

    if not isolated:
        monkeypatch.setattr(bwrap, "way", lambda: None)
    elif bwrap.way() is None:
        pytest.skip("bwrap is not installed or not allowed on this machine")
    with serving(tmp_path / "a.db", host=host, unsafe_code=unsafe_code) as server:
        address = server.base_url.replace(host, "127.0.0.1")
        with OpenAI(base_url=address, api_key=server.token, max_retries=0) as client:
            coder = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
            question = "Run this code:\n```python\nprint(6 * 7)\n```"
            run = client.beta.threads.create_and_run_poll(
                assistant_id=coder.id,
                thread={"messages": [{"role": "user", "content": question}]},
                poll_interval_ms=10,
            )
            steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    (output,) = steps[-1].step_details.tool_calls[0].code_interpreter.outputs
    assert run.status == "completed"
    assert (output.logs == "42") is runs
    assert ("--unsafe-code" in output.logs) is not runs


def test_the_server_says_at_start_what_is_not_in_force(tmp_path):
    without = {"PATH": str(tmp_path), "ASSISTANTS_TOKEN": "a-token-of-my-own-choice"}
    for options, said in (
        ([], "Code that a model writes is not isolated here"),
        (["--host", "0.0.0.0"], "Code that a model writes is not run here"),
    ):
        command = [sys.executable, "-m", "assistants_server", "--port", "0", "--db"]
        with subprocess.Popen(
            [*command, str(tmp_path / "a.db"), *options],
            env={**os.environ, **without},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout.readline().startswith(said)
            finally:
                process.terminate()


def test_connect_says_in_its_line_what_is_not_in_force(tmp_path):
    without = {"PATH": str(tmp_path), "ASSISTANTS_DB": str(tmp_path / "a.db")}
    said = subprocess.run(
        [sys.executable, "-c", "import helpers; helpers.connect()"],
        env={**os.environ, **without},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    (line,) = said.splitlines()
    assert "Code that a model writes is not isolated here" in line


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []
