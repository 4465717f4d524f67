"""Code in the sandbox writes and reads files of the host through those that go in and out."""

import os
import threading
import time
from pathlib import Path

import pytest

from assistants_server.code_interpreter import bwrap, sandbox_limits
from assistants_server.store import NotFound

SECRET = b"canary of the host"
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "bashrc"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@posix
def test_a_link_under_the_name_of_an_attachment_is_not_written_through(sandbox, secret):
    sandbox.run(f"import os; os.symlink({str(secret)!r}, 'grades.csv')")
    file = sandbox.attach("grades.csv", b"a,1")
    logs = sandbox.logs("print(open('grades.csv').read(), os.path.islink('grades.csv'))", file)
    assert secret.read_bytes() == SECRET
    assert secret.stat().st_mode & 0o777 == 0o600
    assert logs == "a,1 False"


@posix
@pytest.mark.parametrize(
    "planted",
    ["os.mkfifo('grades.csv')", "os.link('other.csv', 'grades.csv')", "os.mkdir('grades.csv')"],
)
def test_whatever_stands_under_the_name_of_an_attachment_fails_no_run(sandbox, planted):
    file = sandbox.attach("grades.csv", b"a,1")
    sandbox.run(f"import os; open('other.csv', 'w').write('mine'); {planted}")
    logs = sandbox.logs("print(open('other.csv').read())", file)
    assert logs.startswith("mine")
    if "mkdir" in planted:
        assert "grades.csv is not in the folder: it cannot be written there" in logs
    else:
        assert sandbox.logs("print(open('grades.csv').read())", file) == "a,1"


@posix
def test_odd_files_are_left_out_with_a_reason(sandbox, secret):
    code = f"""
import os
os.symlink({str(secret)!r}, 'link.txt')
os.mkfifo('pipe.txt')
open('one.txt', 'w').write('1'); os.link('one.txt', 'two.txt')
open(b'not-\\xff-utf8.txt', 'w').write('1')
open('new\\nline.txt', 'w').write('1')
open('large.txt', 'wb').truncate({sandbox_limits.FILE_BYTES})
open('.hidden', 'w').write('1'); os.mkdir('folder')
open('good.txt', 'w').write('good')
print('done')
"""
    logs = sandbox.logs(code)
    assert set(sandbox.kept()) == {"good.txt", "large.txt"}
    assert SECRET not in sandbox.stored()
    assert logs.startswith("done\n")
    for reason in (
        "link.txt was not kept: it is a link.",
        "pipe.txt was not kept: it is not an ordinary file.",
        "one.txt was not kept: it has several names",
        r"'new\nline.txt' was not kept: its name",
        r"'not-\udcff-utf8.txt' was not kept: its name",
    ):
        assert reason in logs
    assert "hidden" not in logs
    assert sandbox.logs("print('again')") == "again"


@posix
def test_an_output_that_is_swapped_for_a_link_while_it_is_kept_gives_no_file_of_the_host(
    sandbox, secret
):
    code = f"""
import os, threading
def swap():
    while True:
        for number in range(15):
            try:
                os.symlink({str(secret)!r}, 'link'); os.rename('link', f'{{number}}.txt')
                open('file', 'w').write('mine'); os.rename('file', f'{{number}}.txt')
            except OSError: pass
threading.Thread(target=swap, daemon=True).start()
"""
    sandbox.run(code)
    for _ in range(15):
        sandbox.run("import time; time.sleep(0.02)")
    assert SECRET not in sandbox.stored()
    assert sandbox.logs("print('alive')").startswith("alive")


@posix
def test_an_output_that_is_swapped_after_the_first_copy_gives_no_file_of_the_host(
    sandbox, secret, tmp_path
):
    """The host's side of the inotify race: the others are swapped once the first is copied."""
    sandbox.run("1")
    (folder,) = [path for path in tmp_path.glob("a.db.threads/**/thread_1") if path.is_dir()]
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set() and not list(sandbox.store.files.glob("file-*")):
            time.sleep(0.0002)
        for number in range(1, 15):
            (folder / "link").symlink_to(secret)
            (folder / "link").rename(folder / f"{number:02}.txt")

    racing = threading.Thread(target=swap)
    racing.start()
    try:
        sandbox.run("for n in range(15): open(f'{n:02}.txt', 'w').write('x' * 3_000_000)")
    finally:
        ended.set()
        racing.join(10)
    assert SECRET not in sandbox.stored()


@posix
def test_a_folder_that_is_replaced_by_a_link_is_made_anew(sandbox, secret):
    code = "import os; here = os.getcwd(); os.rename(here, here + 'x'); os.symlink(PLACE, here)"
    logs = sandbox.logs(code.replace("PLACE", repr(str(secret.parent))))
    if bwrap.way() is None:
        assert "Variables are gone" in logs  # its files could not be measured
    else:
        assert "OSError" in logs  # something is mounted there
    file = sandbox.attach("bashrc", b"mine")
    assert sandbox.logs("import os; print(os.listdir())", file) == "['bashrc']"
    assert secret.read_bytes() == SECRET
    assert SECRET not in sandbox.stored()


def test_a_file_that_changes_while_it_is_copied_is_left_out(sandbox):
    code = """
import threading
def write():
    # Many small writes: one large write sets the time of change only when it begins.
    with open('growing.txt', 'r+b', buffering=0) as file:
        while True: file.write(b'y'); file.seek(0); begun.set()
begun = threading.Event()
open('growing.txt', 'wb').write(b'x' * 60_000_000)
threading.Thread(target=write, daemon=True).start()
begun.wait()
"""
    logs = sandbox.logs(code)
    assert "growing.txt was not kept: it changed while it was copied." in logs
    assert not sandbox.stored()


def test_names_of_attachments_stay_in_the_folder_and_apart(sandbox, tmp_path):
    names = [
        "../../up.txt",
        ".profile",
        "a.csv",
        "a.csv",
        "A.csv",
        "new\nline\x1b[31m.txt",
        "..",
        "/",
    ]
    names.append("x" * 400 + ".csv")
    files = [sandbox.attach(name, name.encode()) for name in names]
    logs = sandbox.logs("import os; print(sorted(os.listdir()))", *files)
    there = [
        "A-3.csv",
        "a-2.csv",
        "a.csv",
        "file",
        "file-2",
        "new_line__31m.txt",
        "profile",
        "up.txt",
    ]
    assert logs.startswith(str([*there, "x" * 196 + ".csv"]))
    assert "The file a.csv is in the folder as a-2.csv." in logs
    assert "\x1b" not in logs
    assert not (tmp_path.parent / "up.txt").exists()


def test_an_attachment_without_content_is_not_found(sandbox):
    file = sandbox.attach("a.csv", b"1")
    sandbox.store.content(file).unlink()
    with pytest.raises(NotFound, match=file):
        sandbox.run("1", file)


def test_files_that_are_kept_are_limited_for_a_call_and_for_a_thread(sandbox, monkeypatch):
    monkeypatch.setattr(sandbox_limits, "KEPT_FILES", 3)
    monkeypatch.setattr(sandbox_limits, "THREAD_BYTES", 5 * sandbox_limits.MEGABYTE)
    logs = sandbox.logs("for n in range(6): open(f'{n}.txt', 'w').write('1')")
    assert sorted(sandbox.kept()) == ["0.txt", "1.txt", "2.txt"]
    assert "3.txt was not kept: one call keeps 3 files." in logs
    for _ in range(8):
        logs = sandbox.logs("import os; open('large.txt', 'wb').write(os.urandom(1_000_000))")
    assert "large.txt was not kept" in logs
    assert sum(map(len, sandbox.stored())) <= sandbox_limits.THREAD_BYTES


def test_a_given_file_that_does_not_fit_is_left_out_with_a_reason(sandbox, monkeypatch):
    monkeypatch.setattr(sandbox_limits, "FOLDER_BYTES", sandbox_limits.MEGABYTE)
    file = sandbox.attach("large.csv", bytes(2 * sandbox_limits.MEGABYTE))
    logs = sandbox.logs("print('alive')", file)
    assert logs == "alive\nThe file large.csv is not in the folder: there is no room for it; " + (
        "the folder may hold 1 MB."
    )
