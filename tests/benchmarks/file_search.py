"""How fast documents are read and found, beside a bare FTS5 table."""

import asyncio
import random
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

from openai.types import FileObject

from assistants_server.clock import now
from assistants_server.file_search import Library
from assistants_server.file_search.chunking import cut
from assistants_server.store import Store, new_id

DOCUMENTS, BYTES, SEARCHES = 1000, 20_000, 50


def documents() -> list[str]:
    """Return texts of made-up words, some of them rare, the same every time."""
    chance = random.Random(1)
    letters = "abcdefghiklmnoprstuvw"
    words = ["".join(chance.choices(letters, k=chance.randint(3, 9))) for _ in range(8000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    texts = []
    for _ in range(DOCUMENTS):
        text = " ".join(chance.choices(words, weights, k=BYTES // 6))
        texts.append(text[:BYTES])
    return texts


def bare(texts: list[str], questions: list[str], folder: Path) -> tuple[float, float]:
    """Return documents a second and milliseconds a search of a bare FTS5 table."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter')")
    started = time.perf_counter()
    for text in texts:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO words VALUES (?)", [(each,) for each in cut(text)])
        connection.execute("COMMIT")
    rate = DOCUMENTS / (time.perf_counter() - started)
    times = []
    for question in questions:
        wanted = " OR ".join(f'"{word}"' for word in question.split())
        started = time.perf_counter()
        connection.execute(
            "SELECT text, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT 20", (wanted,)
        ).fetchall()
        times.append((time.perf_counter() - started) * 1000)
    connection.close()
    return rate, median(times)


async def ours(texts: list[str], questions: list[str], folder: Path) -> tuple[float, float]:
    """Return the same of our library."""
    store = Store(folder / "bench.db")
    library = Library(store)
    store.files.mkdir(parents=True)
    ids = []
    for number, text in enumerate(texts):
        file = FileObject(
            id=new_id("file-"),
            object="file",
            bytes=len(text),
            created_at=now(),
            filename=f"{number}.txt",
            purpose="assistants",
            status="processed",
        )
        store.content(file.id).write_text(text)
        store.insert(file)
        ids.append(file.id)
    shelf = await library.create(name="bench", metadata={})
    started = time.perf_counter()
    await library.add_batch(shelf.id, [{"file_id": each} for each in ids])
    await library.ready([shelf.id], 600)
    rate = DOCUMENTS / (time.perf_counter() - started)
    assert (await library.get(shelf.id)).file_counts.completed == DOCUMENTS
    times = []
    for question in questions:
        started = time.perf_counter()
        hits = await library.search([shelf.id], question, 20)
        times.append((time.perf_counter() - started) * 1000)
        assert hits
    await library.close()
    store.close()
    return rate, median(times)


def main() -> None:
    texts = documents()
    chance = random.Random(2)
    questions = [
        " ".join(chance.choices(chance.choice(texts).split(), k=5)) for _ in range(SEARCHES)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare_rate, bare_search = bare(texts, questions, folder)
        rate, search = asyncio.run(ours(texts, questions, folder))
    print(f"{DOCUMENTS} documents of {BYTES // 1000} KB, {SEARCHES} searches of five words, median")
    print(f"  documents a second  {rate:7.0f}    (target: at least 100; bare FTS5 {bare_rate:.0f})")
    print(
        f"  a search            {search:7.1f} ms (target: less than 20; bare {bare_search:.1f} ms)"
    )


if __name__ == "__main__":
    main()
