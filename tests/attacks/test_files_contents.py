"""Contents of files: whole or not at all, and none left over, whoever deletes, kills or lies."""

import errno
import os
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import pytest
from openai import APIConnectionError, InternalServerError, OpenAI

from assistants_server import contents
from assistants_server.store import Store, new_id
from tests.attacks.waiting import until
from tests.serving import connected
from tests.test_alone import alone

CONTENT = bytes(range(256)) * 8192  # 2 MB
SMALL = CONTENT[:50_000]


@pytest.fixture
def server(fresh_server):
    """A server for each test: they look at all that it keeps."""
    return fresh_server


def headers(server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def test_a_content_is_whole_or_missing_while_it_is_deleted(server, client):
    def download(file_id: str) -> None:
        """Ask for it again and again, until it is gone."""
        url, status = f"{server.base_url}/files/{file_id}/content", 200
        with httpx2.Client(timeout=60, headers=headers(server)) as http:
            while status == 200:
                answer = http.get(url)
                status = answer.status_code
                assert status == 404 or answer.content == SMALL

    for _ in range(10):
        file = client.files.create(file=("a.bin", SMALL), purpose="assistants")
        with ThreadPoolExecutor(4) as several:
            downloads = [several.submit(download, file.id) for _ in range(4)]
            time.sleep(0.05)  # so that they are under way
            client.files.delete(file.id)
            for each in downloads:
                each.result()


def test_a_content_that_is_deleted_at_the_last_moment_is_not_found(server, client, monkeypatch):
    """The deletion comes between the look at the file and the reading of its content."""
    file = client.files.create(file=("a.bin", SMALL), purpose="assistants")
    proper = Store.get

    def get_too_early(self: Store, kind: type, id: str, *args):
        found = proper(self, kind, id, *args)
        self.content(id).unlink()
        return found

    monkeypatch.setattr(Store, "get", get_too_early)
    answer = httpx2.get(f"{server.base_url}/files/{file.id}/content", headers=headers(server))
    assert answer.status_code == 404
    assert file.id in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-3", 206, slice(-3, None)),
        ("bytes=-99999999", 206, slice(0, None)),
        ("bytes=100-99999999", 206, slice(100, None)),
        ("bytes=2097152-", 416, None),
        ("bytes=9-5", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=-", 200, slice(0, None)),
        ("bytes=a-b", 200, slice(0, None)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
        ("bytes=" + "0-0," * 500, 200, slice(0, None)),
        ("bytes=" + "9" * 5000 + "-", 200, slice(0, None)),
        ("lines=1-2", 200, slice(0, None)),
    ],
)
def test_a_range_is_sent_ignored_or_refused_in_the_usual_shape(server, client, asked, status, part):
    file = client.files.create(file=("a.bin", CONTENT), purpose="assistants")
    url = f"{server.base_url}/files/{file.id}/content"
    answer = httpx2.get(url, headers={**headers(server), "Range": asked})
    assert answer.status_code == status
    if status == 416:
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    else:
        assert answer.content == CONTENT[part]
    if status == 206:
        first = part.indices(len(CONTENT))[0]
        last = first + len(answer.content) - 1
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"


def test_a_range_of_another_content_is_not_sent(server, client):
    file = client.files.create(file=("a.bin", CONTENT), purpose="assistants")
    url = f"{server.base_url}/files/{file.id}/content"
    asked = {**headers(server), "Range": "bytes=0-9", "If-Range": '"another"'}
    assert httpx2.get(url, headers=asked).content == CONTENT
    tag = httpx2.get(url, headers=headers(server)).headers["etag"]
    assert httpx2.get(url, headers={**asked, "If-Range": tag}).content == CONTENT[:10]


def post(server, *parts: tuple[bytes, bytes], charset: str = "") -> httpx2.Response:
    """Post a form by hand, each part a disposition's parameters and a content."""
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % part for part in parts
    )
    kind = "multipart/form-data; boundary=b" + charset
    return httpx2.post(
        f"{server.base_url}/files",
        headers={**headers(server), "Content-Type": kind},
        content=body + b"--b--\r\n",
    )


PURPOSE = (b'name="purpose"', b"assistants")


@pytest.mark.parametrize(
    ("parts", "charset", "param"),
    [
        ([PURPOSE, PURPOSE, (b'name="file"; filename="a"', b"x")], "", "purpose"),
        ([PURPOSE, (b'name="file"; filename="%s"' % (b"x" * 1001), b"x")], "", "file"),
        (
            [PURPOSE, (rb'name="file"; filename="\ud800.txt"', b"x")],
            "; charset=raw_unicode_escape",
            "file",
        ),
    ],
    ids=["purpose twice", "long name", "half a surrogate pair"],
)
def test_an_upload_that_is_wrong_is_refused_by_name(server, client, parts, charset, param):
    answer = post(server, *parts, charset=charset)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert client.files.list().data == []


@pytest.mark.parametrize(
    "charset", ["zip", "undefined", "idna", "no such", "utf-16", "utf-7", "unicode_escape", "hex"]
)
def test_a_charset_that_is_odd_is_answered_in_the_usual_shape(server, client, charset):
    file = rb'name="file"; filename="\ud8 +2AA- \N{DASH}"', b"x"
    answer = post(server, PURPOSE, file, charset=f"; charset={charset}")
    assert answer.status_code in (200, 400)
    for each in client.files.list():
        assert client.files.content(each.id).read() == b"x"


@pytest.mark.parametrize(
    "name",
    [b"a\tb\x01\x1b[31m.txt", b"..\\..\\a", b"/etc/passwd", b"\xff\xfe", b"x" * 1000, b"%00"],
)
def test_a_name_that_is_odd_comes_back_and_is_only_a_name(server, client, tmp_path, name):
    answer = post(server, PURPOSE, (b'name="file"; filename="%s"' % name, CONTENT))
    assert answer.status_code == 200
    (file,) = client.files.list().data
    assert client.files.content(file.id).read() == CONTENT
    assert [path.name for path in (tmp_path / "assistants.db.files").iterdir()] == [file.id]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such rights")
def test_contents_and_the_index_are_for_this_user_only(client, tmp_path):
    umask = os.umask(0)
    try:
        client.files.create(file=("a.bin", b"x"), purpose="assistants")
        client.vector_stores.retrieve(client.vector_stores.create().id)
    finally:
        os.umask(umask)
    folder = tmp_path / "assistants.db.files"
    (content,) = folder.iterdir()
    rights = [stat.S_IMODE(path.stat().st_mode) for path in (folder, content)]
    assert rights == [0o700, 0o600]
    assert stat.S_IMODE((tmp_path / "assistants.db.index").stat().st_mode) == 0o600


def test_contents_that_no_file_has_are_removed_and_no_others(tmp_path):
    database, folder = tmp_path / "a.db", tmp_path / "a.db.files"
    with connected(database) as client:
        file = client.files.create(file=("a.bin", b"x"), purpose="assistants")
    living = Store(database)  # another server, which is just receiving an upload
    upload = f"{new_id('file-')}.{living.owner}.part"
    of_the_dead = f"{new_id('file-')}.{new_id('server_')}.part"
    of_the_first_version = f"{new_id('file-')}.part"
    without_a_row = new_id("file-")
    for name in (upload, of_the_dead, of_the_first_version, without_a_row, ".DS_Store"):
        (folder / name).write_bytes(b"x")
    with connected(database) as client:
        until(lambda: {path.name for path in folder.iterdir()} == {file.id, upload, ".DS_Store"})
        assert client.files.content(file.id).read()
    living.close()


def test_a_killed_server_leaves_no_content_without_a_file_and_no_file_without_content(tmp_path):
    database, folder = tmp_path / "a.db", tmp_path / "a.db.files"
    token = {"ASSISTANTS_TOKEN": "a-token-for-the-test"}
    acknowledged: set[str] = set()
    for number in range(2):
        with alone(database, **token) as process:
            client = OpenAI(
                base_url=process.base_url, api_key=token["ASSISTANTS_TOKEN"], max_retries=0
            )

            def work(client: OpenAI = client) -> None:
                with suppress(APIConnectionError):
                    while True:
                        kept, gone = (
                            client.files.create(file=("a.bin", SMALL), purpose="assistants").id
                            for _ in range(2)
                        )
                        acknowledged.add(kept)
                        client.files.delete(gone)

            with ThreadPoolExecutor(3) as several:
                workers = [several.submit(work) for _ in range(3)]
                enough = len(acknowledged) + 2
                until(lambda enough=enough: len(acknowledged) >= enough)
                time.sleep(number / 100)  # at another moment each time
                process.send_signal(signal.SIGKILL)
                for worker in workers:
                    worker.result()
            process.wait()
    with alone(database, **token) as process:
        client = OpenAI(base_url=process.base_url, api_key=token["ASSISTANTS_TOKEN"])
        until(lambda: {p.name for p in folder.iterdir()} == {f.id for f in client.files.list()})
        assert acknowledged <= {file.id for file in client.files.list()}
        for file_id in acknowledged:
            assert client.files.content(file_id).read() == SMALL


def test_an_upload_to_a_full_disk_says_so_and_leaves_nothing(server, client, tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(contents, "write", full)
        with pytest.raises(InternalServerError, match="Make room on the disk") as error:
            client.files.create(file=("a.txt", b"a"), purpose="assistants")
    assert error.value.status_code == 503
    assert client.files.list().data == []
    assert client.files.create(file=("a.txt", b"a"), purpose="assistants").bytes == 1
