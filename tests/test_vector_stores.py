"""Vector stores over HTTP: files, batches, counts, attributes, search, and what goes wrong."""

import io
import signal
import sqlite3
import time
import zipfile

import psutil
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import FileObject, VectorStore
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch
from pypdf import PdfWriter

from assistants_server.file_search import chunking, library
from tests import pdfs
from tests.serving import connected
from tests.strict import check
from tests.test_alone import alone

GROUPS = b"# Groups\n\nA group is a set with an operation. Every group has a neutral element.\n"
FOURIER = b"The Fourier transform turns a signal into its frequencies. It is linear.\n"


def upload(client: OpenAI, name: str, content: bytes) -> FileObject:
    return client.files.create(file=(name, content), purpose="assistants")


@pytest.fixture
def store(client: OpenAI) -> VectorStore:
    return client.vector_stores.create(name="documents")


def add(client: OpenAI, store: VectorStore, name: str, content: bytes, **more) -> VectorStoreFile:
    file = upload(client, name, content)
    return client.vector_stores.files.create_and_poll(
        file.id, vector_store_id=store.id, poll_interval_ms=5, **more
    )


def pdf(text: str = "", password: str = "") -> bytes:
    """Return a PDF of one page with that text, or an empty page."""
    body = pdfs.pdf(f"72 720 Td ({text}) Tj")
    if not password:
        return body
    writer, locked = PdfWriter(io.BytesIO(body)), io.BytesIO()
    writer.encrypt(password)
    writer.write(locked)
    return locked.getvalue()


def docx(*paragraphs: str) -> bytes:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    inner = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        document = f'<w:document xmlns:w="{space}"><w:body>{inner}</w:body></w:document>'
        archive.writestr("word/document.xml", document)
    return content.getvalue()


def bomb() -> bytes:
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as document,
    ):
        document.write(b"<d>")
        for _ in range(600):
            document.write(b"<p>" + b" " * 1_000_000 + b"</p>")
        document.write(b"</d>")
    return content.getvalue()


def test_a_store_and_its_file(client, store):
    check(store.to_dict(), VectorStore)
    assert (store.name, store.status, store.file_counts.total) == ("documents", "completed", 0)
    file = add(client, store, "groups.md", GROUPS, attributes={"course": "algebra", "week": 3})
    check(file.to_dict(), VectorStoreFile)
    assert (file.status, file.last_error) == ("completed", None)
    assert file.attributes == {"course": "algebra", "week": 3}
    assert file.chunking_strategy.static.max_chunk_size_tokens == 800
    now = client.vector_stores.retrieve(store.id)
    assert (now.file_counts.completed, now.file_counts.total) == (1, 1)
    assert now.usage_bytes == file.usage_bytes > 50
    (content,) = client.vector_stores.files.content(file.id, vector_store_id=store.id).data
    assert content.text == GROUPS.decode().strip()
    changed = client.vector_stores.files.update(
        file.id, vector_store_id=store.id, attributes={"course": "groups"}
    )
    assert changed.attributes == {"course": "groups"}
    client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0
    assert client.files.retrieve(file.id).filename == "groups.md"


def test_stores_are_listed_changed_and_deleted(fresh_client):
    store = fresh_client.vector_stores.create(name="documents")
    other = fresh_client.vector_stores.create(metadata={"a": "b"})
    assert [each.id for each in fresh_client.vector_stores.list(order="asc")] == [
        store.id,
        other.id,
    ]
    changed = fresh_client.vector_stores.update(
        store.id, name="papers", expires_after={"anchor": "last_active_at", "days": 3}
    )
    assert (changed.name, changed.expires_at) == ("papers", changed.last_active_at + 3 * 86_400)
    assert fresh_client.vector_stores.delete(store.id).deleted
    with pytest.raises(NotFoundError, match="No vector store found"):
        fresh_client.vector_stores.retrieve(store.id)


def test_a_search_finds_the_passage_that_fits(client, store):
    add(client, store, "groups.md", GROUPS, attributes={"week": 3})
    fourier = add(client, store, "fourier.txt", FOURIER, attributes={"week": 7})
    found = client.vector_stores.search(store.id, query="What does a Fourier transform do?")
    best = found.data[0]
    assert (best.file_id, best.filename) == (fourier.id, "fourier.txt")
    assert "frequencies" in best.content[0].text
    assert 0 < best.score <= 1
    assert [hit.score for hit in found.data] == sorted((h.score for h in found.data), reverse=True)
    assert client.vector_stores.search(store.id, query="volcano").data == []

    def names(filters) -> list[str]:
        query = "groups and the Fourier transform"
        hits = client.vector_stores.search(store.id, query=query, filters=filters).data
        return sorted(hit.filename for hit in hits)

    assert names({"type": "eq", "key": "week", "value": 3}) == ["groups.md"]
    assert names({"type": "gt", "key": "week", "value": 3}) == ["fourier.txt"]
    assert names({"type": "in", "key": "week", "value": [3, 7]}) == ["fourier.txt", "groups.md"]
    either = [{"type": "eq", "key": "week", "value": week} for week in (3, 7)]
    assert names({"type": "or", "filters": either}) == ["fourier.txt", "groups.md"]
    assert names({"type": "and", "filters": either}) == []
    limited = client.vector_stores.search(store.id, query="groups Fourier", max_num_results=1)
    assert len(limited.data) == 1
    strict = {"score_threshold": 1.0}
    assert client.vector_stores.search(store.id, query="set", ranking_options=strict).data == []


@pytest.mark.parametrize("query", ['"', "AND OR NOT", "*", "a NEAR b", "' --", "ﷺ", "", "???"])
def test_a_query_without_a_word_that_counts_finds_nothing(client, store, query):
    add(client, store, "groups.md", GROUPS)
    assert client.vector_stores.search(store.id, query=query).data == []


def test_a_batch_goes_on_after_files_that_cannot_be_read(client, store):
    files = {
        "good.md": GROUPS,
        "fourier.html": b"<p>The <b>Fourier</b> transform</p><script>secret()</script>",
        "table.csv": b"name,grade\nana,1.0\n",
        "data.json": b'{"name": "ana"}',
        "code.py": b"def solve(x):\n    return x\n",
        "letter.docx": docx("Dear student,", "the exam is on Monday."),
        "paper.pdf": pdf("Numbers are everywhere."),
        "utf16.txt": "Größe".encode("utf-16"),
        "no_suffix": b"plain words",
        "empty.txt": b"",
        "spaces.txt": b"  \n ",
        "locked.pdf": pdf("Secret.", password="x"),
        "broken.pdf": b"%PDF-1.4 and no more",
        "pictures.pdf": pdf(""),
        "broken.docx": b"PK nothing",
        "latin.txt": b"Gr\xf6\xdfe",
        "zeros.dat": b"a\0b",
        "image.png": b"\x89PNG not really",
    }
    ids = {upload(client, name, content).id: name for name, content in files.items()}
    batch = client.vector_stores.file_batches.create_and_poll(
        store.id, file_ids=list(ids), poll_interval_ms=20
    )
    check(batch.to_dict(), VectorStoreFileBatch)
    reasons = {
        ids[file.id]: file.last_error
        for file in client.vector_stores.file_batches.list_files(
            batch.id, vector_store_id=store.id, filter="failed"
        )
    }
    assert (batch.status, batch.file_counts.failed) == ("completed", 9)
    assert batch.file_counts.completed == len(files) - 9
    assert {name: error.message for name, error in reasons.items()} == {
        "empty.txt": "The file is empty.",
        "spaces.txt": "There is no text in the file.",
        "locked.pdf": "The PDF is encrypted.",
        "broken.pdf": reasons["broken.pdf"].message,
        "pictures.pdf": "The PDF holds no text, perhaps only pictures.",
        "broken.docx": "The DOCX is broken (BadZipFile).",
        "latin.txt": "The file is not UTF-8: byte 2 does not fit.",
        "zeros.dat": "The file is not text.",
        "image.png": "Files of the kind .png are not read here.",
    }
    assert reasons["broken.pdf"].message.startswith("The PDF is broken")
    assert reasons["image.png"].code == "unsupported_file"

    def texts(query: str) -> str:
        hits = client.vector_stores.search(store.id, query=query).data
        return " ".join(content.text for hit in hits for content in hit.content)

    assert "exam is on Monday" in texts("exam")
    assert "Numbers are everywhere." in texts("numbers")
    assert "Größe" in texts("grosse Größe")
    assert "secret" not in texts("fourier secret")


def test_large_files_are_refused_and_memory_stays_bounded(client, store, tmp_path):
    before = psutil.Process().memory_info().rss
    for name, size in (("large.txt", 100_000_000), ("one_line.csv", 30_000_000)):
        path = tmp_path / name
        with path.open("wb") as file:
            for _ in range(size // 1_000_000):
                file.write(b"x" * 1_000_000)
        with path.open("rb") as content:
            uploaded = client.files.create(file=content, purpose="assistants")
        grown = psutil.Process().memory_info().rss
        file = client.vector_stores.files.create_and_poll(
            uploaded.id, vector_store_id=store.id, poll_interval_ms=5
        )
        assert (file.status, file.last_error.code) == ("failed", "invalid_file")
        assert "20,000,000 is the most" in file.last_error.message
        assert psutil.Process().memory_info().rss - grown < 50_000_000
    file = add(client, store, "bomb.docx", bomb())
    assert file.status == "failed"
    assert file.last_error.message == "It decompresses to far more than its text could be."
    assert psutil.Process().memory_info().rss - before < 500_000_000


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.txt", "a\nb.md", "x" * 300 + ".md", "C:\\a.txt"]
)
def test_names_are_names_and_no_paths(client, store, database, name):
    outside = set(database.parent.parent.iterdir())
    file = add(client, store, name, GROUPS)
    assert file.status == "completed"
    assert client.vector_stores.search(store.id, query="neutral element").data
    assert set(database.parent.parent.iterdir()) == outside
    written = {path.name.partition(".db")[0] for path in database.parent.iterdir()}
    assert written == {"assistants"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"chunking_strategy": {"type": "static"}}, "chunking_strategy"),
        ({"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after"),
        ({"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after"),
        ({"file_ids": 5}, "file_ids"),
        ({"unknown": 5}, "unknown"),
    ],
)
def test_a_wrong_parameter_is_named(client, body, param):
    with pytest.raises(BadRequestError) as error:
        client.post("/vector_stores", body=body, cast_to=object)
    assert error.value.param.startswith(param)


def test_an_overlap_that_is_too_large(client, store):
    static = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51}
    with pytest.raises(BadRequestError, match="must not exceed half"):
        add(client, store, "a.md", GROUPS, chunking_strategy={"type": "static", "static": static})


def test_what_is_not_there(client, store):
    file = upload(client, "a.md", GROUPS)
    for call, noun in (
        (lambda: client.vector_stores.retrieve("vs_0"), "vector store"),
        (lambda: client.vector_stores.search("vs_0", query="x"), "vector store"),
        (lambda: client.vector_stores.create(file_ids=["file-0"]), "file"),
        (lambda: client.vector_stores.files.create(store.id, file_id="file-0"), "file"),
        (
            lambda: client.vector_stores.files.retrieve(file.id, vector_store_id=store.id),
            "vector store file",
        ),
        (
            lambda: client.vector_stores.file_batches.retrieve("b", vector_store_id=store.id),
            "vector store file batch",
        ),
    ):
        with pytest.raises(NotFoundError, match=f"No {noun} found with id"):
            call()
    with pytest.raises(BadRequestError, match="either file_ids or files"):
        client.vector_stores.file_batches.create(store.id, file_ids=[])


def test_a_deleted_file_is_no_longer_found(client, store):
    file = add(client, store, "groups.md", GROUPS)
    client.files.delete(file.id)
    assert client.vector_stores.search(store.id, query="neutral element").data == []
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0


def test_an_expired_store_says_so(client, server, store, monkeypatch):
    client.vector_stores.update(store.id, expires_after={"anchor": "last_active_at", "days": 1})
    later = time.time() + 2 * 86_400
    monkeypatch.setattr(library, "now", lambda: int(later))
    assert client.vector_stores.retrieve(store.id).status == "expired"
    with pytest.raises(BadRequestError, match="has expired"):
        client.vector_stores.search(store.id, query="x")
    assistant = client.beta.assistants.create(
        model="m",
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    )
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "What do the documents say?"}]},
        poll_interval_ms=5,
    )
    assert run.status == "failed"
    assert f"{store.id} has expired" in run.last_error.message


def test_a_batch_is_cancelled(client, store):
    files = [upload(client, f"{number}.md", GROUPS * 2000) for number in range(20)]
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[f.id for f in files])
    batch = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    assert batch.status == "cancelled"
    assert batch.file_counts.cancelled > 0
    assert batch.file_counts.in_progress == 0


def test_pages_of_files(client, store):
    ids = [add(client, store, f"{number}.md", GROUPS).id for number in range(5)]
    listed = client.vector_stores.files.list(store.id, limit=2, order="asc")
    assert [file.id for file in listed.data] == ids[:2]
    assert [file.id for file in listed] == ids
    newest = client.vector_stores.files.list(store.id, limit=2)
    assert [file.id for file in newest.data] == ids[:2:-1]


def test_two_servers_share_the_stores(client, store, database):
    add(client, store, "groups.md", GROUPS)
    with connected(database) as second:
        assert second.vector_stores.search(store.id, query="neutral").data


def test_a_killed_server_goes_on_where_it_was(tmp_path):
    """At several moments of the reading: afterwards every file is there, once and whole."""
    token = {"ASSISTANTS_TOKEN": "a-token-for-the-test"}
    database = tmp_path / "a.db"
    text = b"".join(b"Passage %d about groups and rings.\n\n" % n for n in range(3000))
    with alone(database, **token) as process:
        client = OpenAI(base_url=process.base_url, api_key=token["ASSISTANTS_TOKEN"])
        store = client.vector_stores.create()
        files = [upload(client, f"{number}.md", text) for number in range(12)]
        batch = client.vector_stores.file_batches.create(store.id, file_ids=[f.id for f in files])
        process.send_signal(signal.SIGKILL)
        process.wait()
    for seconds in (0.0, 0.05, 0.2):
        with alone(database, **token) as process:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with alone(database, **token) as process:
        client = OpenAI(base_url=process.base_url, api_key=token["ASSISTANTS_TOKEN"])
        done = client.vector_stores.file_batches.poll(
            batch.id, vector_store_id=store.id, poll_interval_ms=20
        )
        assert (done.status, done.file_counts.completed) == ("completed", 12)
        expected = len(list(chunking.cut(text.decode())))
        for file in files:
            content = client.vector_stores.files.content(file.id, vector_store_id=store.id)
            assert len(content.data) == expected
    with sqlite3.connect(f"{database}.index") as index:
        index.execute("INSERT INTO words (words) VALUES ('integrity-check')")


@pytest.mark.parametrize("between", [" ", "\n", "\n\n", "", " ä "])
def test_passages_overlap_and_leave_nothing_out(between):
    text = between.join(f"{number:05}" for number in range(3000))
    pieces = list(chunking.cut(text, tokens=100, overlap=50))
    assert all(0 < len(piece) <= 400 for piece in pieces)
    end = 0
    for piece in pieces:
        start = text.find(piece)  # once only: every number is another
        assert start == 0 or end - 200 <= start < end - 100, "it does not begin in the last one"
        end = start + len(piece)
    assert not text[end:].strip()


def test_a_batch_is_there_until_its_store_is_deleted(client):
    store = client.vector_stores.create()
    file = upload(client, "a.txt", b"alpha")
    first = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    second = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    retrieve = client.vector_stores.file_batches.retrieve
    assert retrieve(first.id, vector_store_id=store.id).file_counts.total == 0
    assert retrieve(second.id, vector_store_id=store.id).file_counts.total == 1
    client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    assert retrieve(second.id, vector_store_id=store.id).file_counts.total == 0
    client.vector_stores.delete(store.id)
    with pytest.raises(NotFoundError):
        retrieve(second.id, vector_store_id=store.id)
