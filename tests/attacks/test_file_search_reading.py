"""Reading a file holds up nothing else, and ends with the file, its store and its server."""

import signal

import psutil
import pytest
from openai import OpenAI

from assistants_server.file_search import extractor_process
from tests.attacks.documents import COMMENTS, reading_programs, slow_pdf
from tests.attacks.waiting import until
from tests.test_alone import alone
from tests.test_vector_stores import GROUPS, add, upload

SECRET = "canary-of-a-key"
SLOW = {"bomb.html": COMMENTS, "bomb.pdf": slow_pdf()}


@pytest.fixture
def server(fresh_server):
    """A server for each test, which ends the programs that the test has left reading."""
    return fresh_server


@pytest.fixture
def store(client):
    return client.vector_stores.create()


def begin(client: OpenAI, store, name: str):
    """Add a file that takes long, and return it when a program reads it."""
    file = upload(client, name, SLOW[name])
    client.vector_stores.files.create(store.id, file_id=file.id)
    until(reading_programs)
    return file


@pytest.mark.parametrize("name", SLOW)
def test_lists_searches_and_other_files_do_not_wait_for_a_file_that_takes_long(client, store, name):
    bomb = begin(client, store, name)
    client = client.with_options(timeout=30)
    assert client.vector_stores.retrieve(store.id).file_counts.in_progress == 1
    assert [each.id for each in client.vector_stores.list()] == [store.id]
    assert add(client, store, "groups.md", GROUPS).status == "completed"
    assert client.vector_stores.search(store.id, query="neutral element").data
    retrieved = client.vector_stores.files.retrieve(bomb.id, vector_store_id=store.id)
    assert retrieved.status == "in_progress"


@pytest.mark.parametrize("name", SLOW)
def test_a_file_that_takes_too_long_fails_with_the_reason(client, store, monkeypatch, name):
    monkeypatch.setattr(extractor_process, "SECONDS", 1)
    file = add(client, store, name, SLOW[name])
    assert file.status == "failed"
    assert file.last_error.message == "Reading it took more than 1 s."
    assert reading_programs() == []


@pytest.mark.parametrize("what", ["file", "store file", "store", "batch"])
def test_the_reading_ends_when_nobody_wants_it_any_more(client, store, what):
    file = begin(client, store, "bomb.pdf")
    if what == "file":
        client.files.delete(file.id)
    elif what == "store file":
        client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    elif what == "store":
        client.vector_stores.delete(store.id)
    else:
        client.vector_stores.files.delete(file.id, vector_store_id=store.id)
        until(lambda: not reading_programs())
        batch = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
        until(reading_programs)
        client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    until(lambda: not reading_programs())


@pytest.mark.parametrize("name", SLOW)
def test_the_program_that_reads_gets_no_secrets(client, store, monkeypatch, name):
    monkeypatch.setenv("OPENAI_API_KEY_OF_THE_TEST", SECRET)
    begin(client, store, name)
    (program,) = reading_programs()
    assert SECRET not in str(program.environ())
    assert not [name for name in program.environ() if "KEY" in name or "TOKEN" in name]


def test_the_program_that_reads_ends_with_a_killed_server(tmp_path):
    with alone(tmp_path / "a.db") as process:
        client = OpenAI(base_url=process.base_url, api_key=process.token)
        store = client.vector_stores.create()
        file = upload(client, "bomb.pdf", SLOW["bomb.pdf"])
        client.vector_stores.files.create(store.id, file_id=file.id)
        server = psutil.Process(process.pid)
        (program,) = until(lambda: reading_programs(server))
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: not program.is_running() or program.status() == psutil.STATUS_ZOMBIE)


def test_markup_that_unfolds_in_memory_is_refused_and_nothing_else(client, store):
    good = add(client, store, "long.html", b"<p>a<b>b</b></p>" * 50_000)
    assert good.status == "completed"
    wrong = add(client, store, "wrong.html", b"<p>\xff</p>")
    assert wrong.last_error.message == "The file is not UTF-8."
    odd = add(client, store, "odd.html", b"<![odd[ text <!x <p>group</p>")
    assert odd.status in ("completed", "failed")
    assert add(client, store, "groups.md", GROUPS).status == "completed"
