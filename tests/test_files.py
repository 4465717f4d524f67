"""Files: what goes in comes out, streamed, and within limits."""

import hashlib
import http.client
import tracemalloc
from urllib.parse import urlsplit

import pytest
from openai import APIStatusError, NotFoundError, OpenAI

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("content", [b"", b"text", bytes(range(256)) * 5000])
def test_what_goes_in_comes_out(client: OpenAI, content):
    file = client.files.create(file=("data.bin", content), purpose="assistants")
    assert (file.bytes, file.filename, file.status) == (len(content), "data.bin", "processed")
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == content


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\\b.txt", "naïve ☃.txt", "x" * 300])
def test_any_name_is_only_a_name(client: OpenAI, database, name):
    before = set(database.parent.parent.rglob("*"))
    file = client.files.create(file=(name, b"content"), purpose="assistants")
    assert client.files.content(file.id).read() == b"content"
    added = set(database.parent.parent.rglob("*")) - before
    assert {path.parent for path in added} <= {
        database.parent,
        database.with_name("assistants.db.files"),
    }


def test_lists_by_purpose(fresh_client: OpenAI):
    first = fresh_client.files.create(file=("1", b"1"), purpose="assistants")
    second = fresh_client.files.create(file=("2", b"2"), purpose="vision")
    assert [file.id for file in fresh_client.files.list()] == [second.id, first.id]
    assert [file.id for file in fresh_client.files.list(purpose="vision")] == [second.id]


def test_a_deleted_file_is_gone_from_the_disk(fresh_client: OpenAI, tmp_path):
    file = fresh_client.files.create(file=("1", b"1"), purpose="assistants")
    folder = tmp_path / "assistants.db.files"
    assert len(list(folder.iterdir())) == 1
    fresh_client.files.delete(file.id)
    assert list(folder.iterdir()) == []
    with pytest.raises(NotFoundError, match=file.id):
        fresh_client.files.content(file.id)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"files": {"file": b"x"}}, "purpose"),
        ({"data": {"purpose": "assistants"}, "files": {"other": b"x"}}, "other"),
        ({"data": {"purpose": "world domination"}, "files": {"file": b"x"}}, "purpose"),
        ({"data": {"purpose": "assistants", "a": "b"}, "files": {"file": b"x"}}, "a"),
        ({"data": {"purpose": "assistants", "file": "text"}, "files": {"a": b"x"}}, "a"),
    ],
)
def test_a_wrong_form_names_the_field(server, form, param):
    import httpx2

    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx2.post(f"{server.base_url}/files", headers=headers, **form)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def upload(server, megabytes: int, announce: bool) -> int:
    """Send that many megabytes as one file, by hand, and return the status."""
    address = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    head = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n'
    )
    tail = b"\r\n--b--\r\n"
    headers = {
        "Authorization": f"Bearer {server.token}",
        "Content-Type": "multipart/form-data; boundary=b",
    }
    if announce:
        headers["Content-Length"] = str(len(head) + megabytes * MEGABYTE + len(tail))
    block = b"x" * MEGABYTE
    body = (part for part in [head, *[block] * megabytes, tail])
    connection.request("POST", "/v1/files", body=body, headers=headers, encode_chunked=not announce)
    return connection.getresponse().status


@pytest.mark.parametrize("announce", [True, False], ids=["with-length", "chunked"])
def test_600_megabytes_are_refused_without_filling_memory(server, client, announce):
    before = client.files.list().data
    tracemalloc.start()
    assert upload(server, 600, announce) == 413
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MEGABYTE
    assert client.files.list().data == before


def test_60_megabytes_are_kept_without_filling_memory(server, client):
    tracemalloc.start()
    assert upload(server, 60, announce=True) == 200
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * MEGABYTE
    file = client.files.list().data[0]
    assert file.filename == "big"
    digest = hashlib.sha256()
    with client.files.with_streaming_response.content(file.id) as content:
        for chunk in content.iter_bytes():
            digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(b"x" * 60 * MEGABYTE).hexdigest()


def test_a_json_body_beyond_the_limit(client: OpenAI, thread):
    with pytest.raises(APIStatusError) as error:
        client.beta.threads.messages.create(thread.id, role="user", content="x" * 4 * MEGABYTE)
    assert error.value.status_code == 413
    assert client.beta.threads.messages.list(thread.id).data == []
