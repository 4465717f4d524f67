"""The passages of all vector stores, in a SQLite file of their own, found with FTS5."""

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from openai.types.vector_stores import VectorStoreFile

from assistants_server import private
from assistants_server.file_search import ranking
from assistants_server.file_search.filters import fits

CANDIDATES = 50  # of bm25's best, put in order by the whole score

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    store  TEXT NOT NULL,
    file   TEXT NOT NULL,
    batch  TEXT,
    name   TEXT NOT NULL,
    status TEXT NOT NULL,
    body   TEXT NOT NULL,
    UNIQUE (store, file)
);
CREATE TABLE IF NOT EXISTS passages (
    id     INTEGER PRIMARY KEY,
    owner  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    text   TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_by_owner ON passages (owner);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    text, content = 'passages', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
"""


class Hit(NamedTuple):
    """A passage that was found."""

    file_id: str
    name: str
    score: float
    text: str
    attributes: dict[str, Any] | None


class Index:
    """One open file. All calls must come from one thread."""

    def __init__(self, path: Path) -> None:
        private.make_database(path)
        self._connection = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def add(self, file: VectorStoreFile, name: str, batch: str | None) -> None:
        """Add a file whose passages will follow; one that is there already begins anew."""
        with self._transaction():
            self._remove(file.vector_store_id, file.id)
            self._connection.execute(
                "INSERT INTO files (store, file, batch, name, status, body) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (file.vector_store_id, file.id, batch, name, file.status, _json(file)),
            )

    def get(self, store: str, file: str) -> VectorStoreFile | None:
        row = self._connection.execute(
            "SELECT body FROM files WHERE store = ? AND file = ?", (store, file)
        ).fetchone()
        return row and VectorStoreFile.model_validate_json(row[0])

    def update(self, file: VectorStoreFile) -> None:
        self._connection.execute(
            "UPDATE files SET status = ?, body = ? WHERE store = ? AND file = ?",
            (file.status, _json(file), file.vector_store_id, file.id),
        )

    def remove(self, store: str, file: str | None = None) -> None:
        """Forget a file of a store, or all of them."""
        with self._transaction():
            self._remove(store, file)

    def files(self, store: str, batch: str | None = None) -> list[VectorStoreFile]:
        """Return the files of a store, or of a batch, in the order they were added."""
        where, values = "store = ?", [store]
        if batch is not None:
            where, values = "store = ? AND batch = ?", [store, batch]
        rows = self._connection.execute(
            f"SELECT body FROM files WHERE {where} ORDER BY seq", values
        )
        return [VectorStoreFile.model_validate_json(body) for (body,) in rows]

    def stores_of(self, file: str) -> list[str]:
        """Return the stores that hold a file."""
        rows = self._connection.execute("SELECT store FROM files WHERE file = ?", (file,))
        return [store for (store,) in rows]

    def counts(self, store: str, batch: str | None = None) -> dict[str, int]:
        """Return how many files have which status, and how many there are."""
        rows = self._connection.execute(
            "SELECT status, COUNT(*) FROM files WHERE store = ? AND (?2 IS NULL OR batch = ?2) "
            "GROUP BY status",
            (store, batch),
        )
        counts = dict.fromkeys(("in_progress", "completed", "failed", "cancelled"), 0)
        counts |= dict(rows)
        return {**counts, "total": sum(counts.values())}

    def used(self, store: str) -> int:
        """Return how many bytes the files of a store take."""
        query = "SELECT SUM(json_extract(body, '$.usage_bytes')) FROM files WHERE store = ?"
        return self._connection.execute(query, (store,)).fetchone()[0] or 0

    def unfinished(self) -> list[tuple[str, str, str]]:
        """Return store, file and name of what is still to be read, in order."""
        return self._connection.execute(
            "SELECT store, file, name FROM files WHERE status = 'in_progress' ORDER BY seq"
        ).fetchall()

    def begin(self, store: str, file: str) -> None:
        """Forget the passages of a file whose reading was broken off."""
        with self._transaction():
            self._forget_passages(store, file)

    def write(self, store: str, file: str, first: int, passages: list[str]) -> bool:
        """Add passages to a file; return False if it is no longer to be read."""
        with self._transaction():
            row = self._connection.execute(
                "SELECT seq FROM files WHERE store = ? AND file = ? AND status = 'in_progress'",
                (store, file),
            ).fetchone()
            if row is None:
                return False
            for number, text in enumerate(passages, first):
                added = self._connection.execute(
                    "INSERT INTO passages (owner, number, text) VALUES (?, ?, ?)",
                    (row[0], number, text),
                )
                self._connection.execute(
                    "INSERT INTO words (rowid, text) VALUES (?, ?)", (added.lastrowid, text)
                )
        return True

    def passages(self, store: str, file: str) -> list[str]:
        rows = self._connection.execute(
            "SELECT p.text FROM passages p JOIN files f ON f.seq = p.owner "
            "WHERE f.store = ? AND f.file = ? ORDER BY p.number",
            (store, file),
        )
        return [text for (text,) in rows]

    def search(
        self,
        stores: list[str],
        question: str,
        most: int,
        filter: dict[str, Any] | None = None,
        threshold: float = 0.0,
    ) -> list[Hit]:
        """Return the passages that fit a question best, best first."""
        wanted = ranking.query(question)
        if not wanted or not stores:
            return []
        marks = ", ".join("?" * len(stores))
        passage = (
            "SELECT p.text, f.file, f.name, f.body FROM passages p JOIN files f ON f.seq = p.owner "
            f"WHERE p.id = ? AND f.store IN ({marks}) AND f.status = 'completed'"
        )
        ranked = self._connection.execute(
            "SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank, rowid", (wanted,)
        )
        hits = []
        for row_id, rank in ranked:  # one by one: looking all of them up would take far longer
            found = self._connection.execute(passage, (row_id, *stores)).fetchone()
            if found is None:
                continue
            text, file_id, name, body = found
            attributes = VectorStoreFile.model_validate_json(body).attributes
            if not fits(attributes, filter):
                continue
            score = ranking.score(question, text, rank)
            if score >= threshold:
                hits.append(Hit(file_id, name, score, text, attributes))
            if len(hits) >= max(CANDIDATES, most):
                break
        return sorted(hits, key=lambda hit: -hit.score)[:most]

    def _transaction(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection  # commits or rolls back when it is left

    def _remove(self, store: str, file: str | None) -> None:
        self._forget_passages(store, file)
        self._connection.execute(
            "DELETE FROM files WHERE store = ?1 AND (?2 IS NULL OR file = ?2)", (store, file)
        )

    def _forget_passages(self, store: str, file: str | None) -> None:
        of_file = "SELECT seq FROM files WHERE store = ?1 AND (?2 IS NULL OR file = ?2)"
        self._connection.execute(
            "INSERT INTO words (words, rowid, text) "
            f"SELECT 'delete', id, text FROM passages WHERE owner IN ({of_file})",
            (store, file),
        )
        self._connection.execute(f"DELETE FROM passages WHERE owner IN ({of_file})", (store, file))


def _json(file: VectorStoreFile) -> str:
    return file.model_dump_json(by_alias=True)
