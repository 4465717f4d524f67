"""Code prepares its next kernel, looks for rights, and fills the disk and the memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistants_server.code_interpreter import bwrap, isolation, sandbox_limits
from assistants_server.code_interpreter import kernel as kernels
from tests.running import Running

needs_bwrap = pytest.mark.skipif(
    not isolation().no_network, reason="bwrap is not installed or not allowed on this machine"
)
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path) as running:
        yield running


@pytest.fixture(params=["with bwrap", "without"])
def either(sandbox, request, monkeypatch) -> Running:
    """The sandbox, with bwrap where there is one, and without."""
    if request.param == "without":
        monkeypatch.setattr(bwrap, "way", lambda: None)
    elif not isolation().no_network:
        pytest.skip("bwrap is not installed or not allowed on this machine")
    return sandbox


EVIL = "open('it was run', 'a').write('x')\nraise SystemExit('evil')\n"
PLACES = (
    "random.py usercustomize.py sitecustomize.py ipykernel.py zmq.py evil.pth ipython_config.py "
    "ipykernel_config.py jupyter_config.py ipython_kernel_config.py .jupyter/jupyter_config.py "
    ".ipython/profile_default/startup/a.py .ipython/profile_default/ipython_config.py "
    "ipython/profile_default/startup/a.py .config/matplotlib/matplotlibrc "
    ".local/lib/python{0}.{1}/site-packages/usercustomize.py "
    ".local/lib/python{0}.{1}/site-packages/evil.pth"
).format(*os.sys.version_info)


def test_nothing_that_code_has_written_is_run_before_the_next_kernel_is_up(either):
    attached = [either.attach(name, EVIL.encode()) for name in ("random.py", "usercustomize.py")]
    either.logs(
        f"import os\nfor path in {PLACES.split()!r}:\n"
        f"    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)\n"
        f"    open(path, 'w').write({EVIL!r})\n"
        "os._exit(1)"
    )
    logs = either.logs(
        "import os, random; print(os.path.exists('it was run'), random.random() < 1)"
    )
    assert logs == "False True"
    assert either.logs("print('next')", *attached) == "next"
    assert either.logs("import os; os._exit(1)").startswith("The process ended.")
    assert either.logs("import random; print(random.randint(1, 1))", *attached) == "1"


def test_code_can_import_the_modules_that_it_writes(either):
    either.run("open('mine.py', 'w').write('answer = 42')")
    assert either.logs("import mine; print(mine.answer)") == "42"


@needs_bwrap
def test_code_has_no_right_that_it_could_use(sandbox):
    code = """
import os, subprocess
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print([int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")])
print(status["NoNewPrivs"], os.getuid() != 0)
for kind in ("--user", "--user --map-root-user --mount"):
    print(subprocess.run(["unshare", *kind.split(), "true"], capture_output=True).returncode != 0)
"""
    logs = sandbox.logs(code).splitlines()
    assert logs[0] == "[0, 0, 0, 0, 0]"
    assert logs[1] == f"1 {os.getuid() != 0 or isolation().processes}"
    assert logs[2:] == [str(isolation().no_further_namespaces)] * 2


@needs_bwrap
def test_what_lies_in_memory_has_a_size_and_the_rest_cannot_be_written(sandbox):
    code = """
import os
def fill(folder):
    written = 0
    try:
        for number in range(10):
            with open(f"{folder}/{number}", "wb", buffering=0) as file:
                for _ in range(30):
                    written += file.write(bytes(1 << 20))
    except OSError as error:
        return written >> 20, error.strerror
    return written >> 20, ""
for folder in ("/tmp", "/dev/shm", "/", "/dev", "/mnt", "/root", "/usr", "/etc"):
    print(folder, *fill(folder))
"""
    lines = [line.split(" ", 2) for line in sandbox.logs(code).splitlines()]
    most = sandbox_limits.TEMPORARY_BYTES // sandbox_limits.MEGABYTE
    assert {folder for folder, *_ in lines[:2]} == {"/tmp", "/dev/shm"}
    for _folder, written, error in lines[:2]:
        assert int(written) <= most
        assert error == "No space left on device"
    assert [written for _, written, _ in lines[2:]] == ["0"] * 6


@needs_bwrap
def test_the_path_that_answers_name_can_be_opened(sandbox):
    sandbox.run("open('/mnt/data/x.txt', 'w').write('there')")
    assert sandbox.logs("print(open('/mnt/data/x.txt').read())") == "there"
    assert sandbox.kept() == {"x.txt": b"there"}


FULL = {
    "many files": "for n in range(80): open(f'{n}', 'wb').write(bytes(1_000_000))",
    "in folders": "import os\nfor n in range(80):\n"
    "    os.makedirs(f'a/{n}'); open(f'a/{n}/x', 'wb').write(bytes(1_000_000))",
    "deleted but open": "import os, time\nfiles = []\nfor n in range(80):\n"
    "    files.append(open(f'{n}', 'wb', buffering=0)); files[-1].write(bytes(1_000_000))\n"
    "    os.unlink(f'{n}')\ntime.sleep(15)",
    "beside the sockets": "import os\nplace = os.environ['CODE_INTERPRETER_KERNEL']\n"
    "for n in range(80): open(f'{place}/{n}', 'wb').write(bytes(1_000_000))",
    "too many": "for n in range(2_000): open(f'{n}', 'w')",
    "too deep": "import os\nfor n in range(3_000): os.mkdir('d'); os.chdir('d')",
    "not to be read": "import os\nos.mkdir('d'); os.chmod('d', 0)",
}


@posix
@pytest.mark.parametrize("kind", FULL)
def test_a_folder_that_takes_too_much_ends_its_kernel_and_is_emptied(
    sandbox, kind, monkeypatch, tmp_path
):
    if kind == "deleted but open" and not Path("/proc").exists():
        pytest.skip("only Linux shows the files that a process has open")
    if kind == "not to be read" and os.getuid() == 0:
        pytest.skip("root can read every folder")
    monkeypatch.setattr(sandbox_limits, "FOLDER_BYTES", 40_000_000)
    monkeypatch.setattr(sandbox_limits, "FOLDER_ENTRIES", 1_000)
    sandbox.run("open('kept.txt', 'w').write('kept')")
    logs = sandbox.logs(FULL[kind])
    assert "Stopped, because a thread may have" in logs
    left = sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(tmp_path / "a.db.threads")
        for name in names
    )
    assert left <= sandbox_limits.FOLDER_BYTES
    assert sandbox.logs("print(open('kept.txt').read())") == "kept"


def test_a_call_is_ended_while_it_fills_the_disk(sandbox, monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox_limits, "FOLDER_BYTES", 100_000_000)
    monkeypatch.setattr(kernels, "SECONDS_BETWEEN_LOOKS", 0.05)
    code = """
import itertools, time
for n in itertools.count():
    open(f'{n}', 'wb').write(bytes(10_000_000)); time.sleep(0.05)
"""
    assert "Stopped, because a thread may have" in sandbox.logs(code)
    assert "Stopped after" not in sandbox.logs("print('alive')")


@posix
def test_a_folder_of_any_depth_is_removed_with_its_thread(sandbox, tmp_path):
    code = (
        "import os\nfor n in range(30): os.mkdir('d' * 200); os.chdir('d' * 200)\nos.chmod('.', 0)"
    )
    sandbox.run(code)
    sandbox.wait_for(sandbox.interpreter.forget("thread_1"))
    assert list(tmp_path.glob("a.db.threads/*/*")) == []


@posix
def test_code_that_forbids_its_own_folders_harms_neither_its_thread_nor_the_clearing_up(
    either, tmp_path
):
    """It did where the server is not root, who may enter every folder."""
    read = "import os; os.chmod(os.getcwd(), 0o700); print(open('kept.txt').read())"
    for folder in ("'.'", "os.environ['CODE_INTERPRETER_KERNEL']"):
        either.run(f"import os; open('kept.txt', 'w').write('kept'); os.chmod({folder}, 0)")
        assert either.logs(read) == "kept"
        assert either.kept()["kept.txt"] == b"kept"
    either.run("import os; os.mkdir('d'); os.chmod('d', 0); os.chmod('.', 0o500)")
    assert either.logs("print('alive')") == "alive"
    either.run("import os; os.mkdir('e'); os.chmod('.', 0o500); os._exit(1)")
    either.wait_for(either.interpreter.forget("thread_1"))
    assert list(tmp_path.glob("a.db.threads/*/*")) == []
