"""The files and passages of all vector stores, in a SQLite file of their own."""

import sqlite3
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from openai.types.vector_stores import VectorStoreFile
from openai.types.vector_stores.vector_store_file import LastError

from assistants_server.file_search import passage_search, rows
from assistants_server.file_search.schema import open_index

PASSAGES_FORGOTTEN_AT_A_TIME = 200


class Unread(NamedTuple):
    """A file that a server has claimed in order to read it.

    `seq` is new each time that the file is added, so a reading never meets another one's passages.
    """

    seq: int
    file: VectorStoreFile
    name: str


class Index:
    """One connection to the file. All calls but `interrupt` must come from one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = open_index(path)
        self._execute = self._connection.execute
        self.search = partial(passage_search.find, self._connection)

    def close(self) -> None:
        self._connection.close()

    def interrupt(self) -> None:
        """Interrupt the query that another thread runs here; it raises in that thread."""
        self._connection.interrupt()

    def add(self, files: Iterable[tuple[VectorStoreFile, str]], batch: str | None) -> None:
        """Add files with their names, all or none; one that is there already is read again."""
        with self._transaction():
            for file, name in files:
                self._remove("store = ? AND file = ?", (file.vector_store_id, file.id))
                self._execute(
                    "INSERT INTO files (store, file, batch, name, status, body) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (file.vector_store_id, file.id, batch, name, file.status, rows.dump(file)),
                )

    def get(self, store: str, file: str) -> VectorStoreFile | None:
        row = self._execute(
            f"SELECT {rows.COLUMNS} FROM files WHERE store = ? AND file = ?", (store, file)
        ).fetchone()
        return row and rows.load(row)

    def label(self, store: str, file: str, attributes: dict[str, Any]) -> VectorStoreFile | None:
        """Change the attributes of a file, and return it; None if it is not here."""
        with self._transaction():
            found = self.get(store, file)
            if found is not None:
                found.attributes = attributes
                self._update(found)
        return found

    def cancel(self, store: str, batch: str) -> None:
        """Cancel the files of a batch that have not been read yet."""
        with self._transaction():
            for file in self.files(store, batch):
                if file.status == "in_progress":
                    file.status = "cancelled"
                    self._update(file)

    def remove(self, store: str, file: str) -> bool:
        """Forget a file of a store; return whether it was there."""
        with self._transaction():
            return self._remove("store = ? AND file = ?", (store, file))

    def remove_store(self, store: str) -> None:
        with self._transaction():
            self._remove("store = ?", (store,))

    def remove_file(self, file: str) -> None:
        """Forget a file in all stores."""
        with self._transaction():
            self._remove("file = ?", (file,))

    def files(self, store: str, batch: str | None = None) -> list[VectorStoreFile]:
        """Return the files of a store, or of a batch, in the order they were added."""
        found = self._execute(
            f"SELECT {rows.COLUMNS} FROM files "
            "WHERE store = ?1 AND (?2 IS NULL OR batch = ?2) ORDER BY seq",
            (store, batch),
        )
        return [rows.load(row) for row in found]

    def named(self) -> tuple[list[str], list[str]]:
        """Return the ids of all stores and of all files that are named here."""
        stores = self._execute("SELECT DISTINCT store FROM files").fetchall()
        files = self._execute("SELECT DISTINCT file FROM files").fetchall()
        return [id for (id,) in stores], [id for (id,) in files]

    def counts(self, store: str, batch: str | None = None) -> dict[str, int]:
        """Return how many files have which status, and how many there are."""
        found = self._execute(
            "SELECT status, COUNT(*) FROM files WHERE store = ?1 AND (?2 IS NULL OR batch = ?2) "
            "GROUP BY status",
            (store, batch),
        )
        counts = dict.fromkeys(rows.STATUSES, 0)
        counts |= dict(found)
        return {**counts, "total": sum(counts.values())}

    def used(self, store: str) -> int:
        """Return how many bytes the files of a store take."""
        query = (
            "SELECT SUM(CASE WHEN json_valid(body) THEN json_extract(body, '$.usage_bytes') END) "
            "FROM files WHERE store = ?"
        )
        return int(self._execute(query, (store,)).fetchone()[0] or 0)

    def readers(self) -> set[str | None]:
        """Return the servers that have claimed unread files; None stands for files without one."""
        query = "SELECT DISTINCT owner FROM files WHERE status = 'in_progress'"
        return {owner for (owner,) in self._execute(query)}

    def claim(self, owner: str) -> Unread | None:
        """Claim the next unread file for this server; return None if there is none."""
        with self._transaction():
            row = self._execute(
                f"SELECT {rows.COLUMNS}, seq, name FROM files "
                "WHERE status = 'in_progress' AND owner IS NULL ORDER BY seq LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            *columns, seq, name = row
            self._execute("UPDATE files SET owner = ? WHERE seq = ?", (owner, seq))
            return Unread(seq, rows.load(columns), name)

    def release(self, owners: Iterable[str]) -> None:
        """Give up what these servers have claimed and not finished."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE files SET owner = NULL WHERE status = 'in_progress' AND owner = ?",
                [(owner,) for owner in owners],
            )

    def give_back(self, seq: int, owner: str) -> None:
        """Give up one file that this server has claimed."""
        self._execute("UPDATE files SET owner = NULL WHERE seq = ? AND owner = ?", (seq, owner))

    def write(self, seq: int, owner: str, first: int, passages: list[str]) -> bool:
        """Add passages to a file; return False if this server no longer has to read it."""
        with self._transaction():
            if self.wanted(seq, owner) is None:
                return False
            for number, text in enumerate(passages, first):
                added = self._execute(
                    "INSERT INTO passages (owner, number, text) VALUES (?, ?, ?)",
                    (seq, number, text),
                )
                self._execute(
                    "INSERT INTO words (rowid, text) VALUES (?, ?)", (added.lastrowid, text)
                )
        return True

    def finish(self, seq: int, owner: str, used: int, error: LastError | None) -> None:
        """Store how the reading of a file ended, if this server still had to read it.

        Its passages take `used` bytes. The error says why it could not be read, if it could not.
        """
        with self._transaction():
            if row := self.wanted(seq, owner):
                file = rows.load(row)
                file.status = "failed" if error else "completed"
                file.usage_bytes, file.last_error = used, error
                self._update(file)

    def forget_some(self, seq: int) -> bool:
        """Remove some passages of a file; return whether there may be more."""
        with self._transaction():
            found = self._execute(
                "SELECT id, text FROM passages WHERE owner = ? LIMIT ?",
                (seq, PASSAGES_FORGOTTEN_AT_A_TIME),
            ).fetchall()
            self._connection.executemany(
                "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", found
            )
            self._connection.executemany(
                "DELETE FROM passages WHERE id = ?", [(id,) for id, _ in found]
            )
        return len(found) == PASSAGES_FORGOTTEN_AT_A_TIME

    def sweep(self) -> bool:
        """Remove some passages of files that are gone; return whether there may be more."""
        row = self._execute("SELECT seq FROM dropped LIMIT 1").fetchone()
        if row is None:
            return False
        if not self.forget_some(*row):
            self._execute("DELETE FROM dropped WHERE seq = ?", row)
        return True

    def passages(self, store: str, file: str) -> list[str]:
        found = self._execute(
            "SELECT p.text FROM passages p JOIN files f ON f.seq = p.owner "
            "WHERE f.store = ? AND f.file = ? ORDER BY p.number",
            (store, file),
        )
        return [text for (text,) in found]

    def _transaction(self) -> sqlite3.Connection:
        self._execute("BEGIN IMMEDIATE")
        return self._connection  # commits or rolls back at the end of `with`

    def wanted(self, seq: int, owner: str) -> tuple[str, str, str, str] | None:
        """Return the row of a file that this server still has to read; None if it has not to."""
        return self._execute(
            f"SELECT {rows.COLUMNS} FROM files "
            "WHERE seq = ? AND owner = ? AND status = 'in_progress'",
            (seq, owner),
        ).fetchone()

    def _update(self, file: VectorStoreFile) -> None:
        self._execute(
            "UPDATE files SET status = ?, body = ? WHERE store = ? AND file = ?",
            (file.status, rows.dump(file), file.vector_store_id, file.id),
        )

    def _remove(self, where: str, values: tuple[str, ...]) -> bool:
        """Forget files at once. `sweep` removes their passages, which may be many, bit by bit."""
        self._execute(f"INSERT INTO dropped SELECT seq FROM files WHERE {where}", values)
        return self._execute(f"DELETE FROM files WHERE {where}", values).rowcount > 0
