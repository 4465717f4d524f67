"""Another user of this machine reads what the server keeps.

Windows has no such rights on files: there the user's own folder keeps others out.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistants_server import private_files
from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.file_search.index import Index
from assistants_server.store import Store, StoreError
from helpers.tracing.storage import Storage
from tests.conftest import MODEL
from tests.serving import client_of, serving

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no rights of this kind")

CODE = """Run this code:
```python
import time
import matplotlib.pyplot as plt
open("written.txt", "w").write("secret")
plt.plot([1, 2])
plt.show()
```"""


@pytest.fixture(autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(getattr(request, "param", 0))
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    """Return what others may do anything with, as far as they may enter the folders around it."""
    found = [f"{folder.name} {mode(folder):o}"] if mode(folder) & 0o077 else []
    for path in folder.iterdir():
        if path.is_dir():
            # What a model's code writes has the rights that the code gives it: its folder counts.
            found += open_to_others(path) if path.parent.parent.name != "a.db.threads" else []
        elif mode(path) & 0o077:
            found.append(f"{path.name} {mode(path):o}")
    return found


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], indirect=True, ids=oct)
def test_nothing_that_a_server_makes_is_open_to_others(tmp_path: Path):
    data = tmp_path / "new" / "data"
    with serving(data / "a.db") as server, closing(Storage(data / "a.db.traces")):
        with client_of(server) as client:
            file = client.files.create(file=("a.txt", b"secret\n" * 99), purpose="assistants")
            vector_store = client.vector_stores.create()
            client.vector_stores.files.create_and_poll(file.id, vector_store_id=vector_store.id)
            coder = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
            run = client.beta.threads.create_and_run_poll(
                assistant_id=coder.id,
                thread={
                    "messages": [
                        {
                            "role": "user",
                            "content": CODE,
                            "attachments": [
                                {"file_id": file.id, "tools": [{"type": "code_interpreter"}]}
                            ],
                        }
                    ]
                },
            )
            assert run.status == "completed"
        while_it_runs = open_to_others(tmp_path / "new")
        made = {path.name.removeprefix("a.db") for path in data.iterdir()}
        contents = len(list((data / "a.db.files").iterdir()))
        (of_thread,) = data.glob("a.db.threads/*/*")
        assert not mode(of_thread) & 0o077
    assert while_it_runs == open_to_others(tmp_path / "new") == []
    assert {"", "-wal", "-shm", ".index", ".index-wal", ".traces", ".traces-wal"} <= made
    assert any(name.endswith(".lock") for name in made)
    assert contents == 3  # what was uploaded, what was written, and the figure


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path):
    names = ("a.db", "a.db.index", "a.db.traces")
    for name in names:
        Store(tmp_path / name).close() if name == "a.db" else (tmp_path / name).touch()
        (tmp_path / name).chmod(0o664)
    for name in ("a.db-wal", "a.db-shm"):
        (tmp_path / name).touch(0o664)
    for name in ("a.db.files", "a.db.threads"):
        (tmp_path / name).mkdir()
    tmp_path.chmod(0o755)
    store, index = Store(tmp_path / "a.db"), Index(tmp_path / "a.db.index")
    storage, _ = Storage(tmp_path / "a.db.traces"), CodeInterpreter(store)
    try:
        # The folder itself is the user's, who may share it.
        assert open_to_others(tmp_path) == [f"{tmp_path.name} 755"]
    finally:
        for each in (store, index, storage):
            each.close()


def test_a_folder_of_the_users_stays_as_it_was(tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir(0o1777)
    shared.chmod(0o1777)
    Store(shared / "a.db").close()
    assert mode(shared) == 0o1777
    assert mode(shared / "a.db") == 0o600


def test_the_default_folder_is_closed(tmp_path: Path, monkeypatch):
    folder = tmp_path / ".assistants"
    folder.mkdir()
    monkeypatch.setattr(private_files, "DEFAULT_FOLDER", folder)
    Store(folder / "assistants.db").close()
    assert open_to_others(folder) == []


def test_what_is_not_ours_stays_as_it_was(tmp_path: Path):
    foreign, folder, link = tmp_path / "foreign.db", tmp_path / "folder", tmp_path / "link.index"
    foreign.write_text("not a database of ours")
    folder.mkdir()
    for path in (foreign, folder):
        path.chmod(0o777)
        with pytest.raises(StoreError):
            Store(path)
        assert mode(path) == 0o777
    link.symlink_to(foreign)  # as another user might plant it in /tmp
    with pytest.raises(Exception, match="not a database"):
        Index(link)
    assert mode(foreign) == 0o777


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can chown")
def test_a_file_of_another_user_stays_as_it_was(tmp_path: Path):
    theirs = tmp_path / "a.db.traces"
    theirs.touch()
    os.chown(theirs, 12345, 12345)
    Storage(theirs).close()
    assert mode(theirs) == 0o666


def test_a_folder_above_one_of_ours_is_private_too(tmp_path: Path):
    private_files.make_folder(tmp_path / "a" / "b" / "c")
    private_files.make_folder(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
