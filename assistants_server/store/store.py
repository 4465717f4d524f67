"""Keeps OpenAI's objects in SQLite, each as the JSON that goes over the wire."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from openai.types import FileObject, VectorStore
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from pydantic import BaseModel

from assistants_server.private import tighten_folder
from assistants_server.store.database import open_database
from assistants_server.store.errors import NotFound
from assistants_server.store.ids import new_id
from assistants_server.store.owners import Owner, living
from assistants_server.store.reasoning import Reasoning

T = TypeVar("T", bound=BaseModel)

NOUNS: dict[type[BaseModel], str] = {
    Assistant: "assistant",
    Thread: "thread",
    Message: "message",
    Run: "run",
    RunStep: "run step",
    FileObject: "file",
    VectorStore: "vector store",
    Reasoning: "reasoning",
}


class Page(NamedTuple):
    """One page of a list, in the order asked for."""

    items: list
    has_more: bool


class Store:
    """One open database file.

    Not for several threads at once: the server uses it from its event loop only. Other processes
    may have the same file open.

    Args:
        path: the SQLite file; it and its folder are created if need be. Uploaded contents lie
            beside it, in a folder with `.files` added to its name.

    Raises:
        StoreError: the file cannot be used; it is left untouched.

    Attributes:
        orphans: ids of the runs that servers which are gone were working on.
        files: the folder for uploaded contents.
        owner: this server's name among those that have the file open.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().resolve()
        self._connection = open_database(self.path)
        self._depth = 0
        with self.transaction():
            self.orphans = self._orphans(living(self.path))
            self._owner = Owner(self.path, new_id("server_"))
        self.owner = self._owner.name
        self.files = self.path.with_name(f"{self.path.name}.files")
        tighten_folder(self.files)

    def content(self, file_id: str) -> Path:
        """Return where the content of a file lies."""
        return self.files / file_id

    def close(self) -> None:
        """Close the file and let go of this server's lock. Calling it twice is fine."""
        self._connection.close()
        self._owner.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside take effect together, or none does. May be nested."""
        if self._depth == 0:
            self._connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._connection.execute("COMMIT")

    def insert(self, item: BaseModel, parent: str | None = None) -> None:
        """Add a new object. `parent` is the id of the thread or run that it belongs to."""
        self._connection.execute(
            "INSERT INTO objects (id, kind, parent, body) VALUES (?, ?, ?, ?)",
            (item.id, NOUNS[type(item)], parent, _dump(item)),
        )

    def get(self, kind: type[T], id: str, parent: str | None = None) -> T:
        """Return the object with that id, and of that parent if one is given.

        Raises:
            NotFound: there is none.
        """
        row = self._connection.execute(
            "SELECT body, parent FROM objects WHERE id = ? AND kind = ?", (id, NOUNS[kind])
        ).fetchone()
        if row is None or (parent is not None and row[1] != parent):
            raise NotFound(NOUNS[kind], id)
        return kind.model_validate_json(row[0])

    def update(self, item: BaseModel) -> None:
        """Write an object back.

        Raises:
            NotFound: it has been deleted since it was read.
        """
        cursor = self._connection.execute(
            "UPDATE objects SET body = ? WHERE id = ?", (_dump(item), item.id)
        )
        if cursor.rowcount == 0:
            raise NotFound(NOUNS[type(item)], item.id)

    @contextmanager
    def change(self, kind: type[T], id: str, parent: str | None = None) -> Iterator[T]:
        """Read an object, let the caller change it, and write it back, in one transaction.

        Raises:
            NotFound: there is none.
        """
        with self.transaction():
            item = self.get(kind, id, parent)
            yield item
            self.update(item)

    def delete(self, kind: type[BaseModel], id: str, parent: str | None = None) -> None:
        """Delete an object and all that belongs to it.

        Raises:
            NotFound: there is none.
        """
        with self.transaction():
            self.get(kind, id, parent)
            self._connection.execute(
                """
                WITH RECURSIVE family (id) AS (
                    SELECT ? UNION SELECT o.id FROM objects o JOIN family f ON o.parent = f.id
                )
                DELETE FROM objects WHERE id IN family
                """,
                (id,),
            )

    def page(
        self,
        kind: type[T],
        parent: str | None = None,
        *,
        limit: int = 20,
        order: str = "desc",
        after: str | None = None,
        before: str | None = None,
        matching: dict[str, str] | None = None,
    ) -> Page:
        """Return part of a list, in the order of creation (`asc`) or against it (`desc`).

        Args:
            limit: at most so many items.
            after: start behind the object with this id.
            before: end in front of the object with this id, with the items nearest to it.
            matching: keep only objects whose top-level fields have these values.

        Raises:
            NotFound: `after` or `before` names no object of this list.
        """
        where, values = ["kind = ?", "parent IS ?"], [NOUNS[kind], parent]
        for cursor, earlier in ((after, order == "desc"), (before, order == "asc")):
            if cursor is not None:
                where.append(f"seq {'<' if earlier else '>'} ?")
                values.append(self._seq(kind, cursor, parent))
        for field, value in (matching or {}).items():
            where.append(f"json_extract(body, '$.{field}') = ?")
            values.append(value)
        backwards = before is not None and after is None
        ascending = (order == "asc") != backwards
        rows = self._connection.execute(
            f"SELECT body FROM objects WHERE {' AND '.join(where)} "
            f"ORDER BY seq {'ASC' if ascending else 'DESC'} LIMIT ?",
            (*values, limit + 1),
        ).fetchall()
        items = [kind.model_validate_json(body) for (body,) in rows[:limit]]
        return Page(items[::-1] if backwards else items, has_more=len(rows) > limit)

    def all(self, kind: type[T], parent: str) -> list[T]:
        """Return every object of that kind under `parent`, oldest first."""
        return self.page(kind, parent, limit=2**31, order="asc").items

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return those of these ids that no object has."""
        rows = self._connection.execute(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM objects)",
            (json.dumps(list(ids)),),
        )
        return [id for (id,) in rows]

    def claim(self, id: str) -> None:
        """Note that this server is the one working on the run with that id."""
        self._connection.execute(
            "UPDATE objects SET owner = ? WHERE id = ?", (self._owner.name, id)
        )

    def release(self, id: str) -> None:
        """Note that nobody is working on the run with that id any more."""
        self._connection.execute("UPDATE objects SET owner = NULL WHERE id = ?", (id,))

    def _seq(self, kind: type[BaseModel], id: str, parent: str | None) -> int:
        row = self._connection.execute(
            "SELECT seq FROM objects WHERE id = ? AND kind = ? AND parent IS ?",
            (id, NOUNS[kind], parent),
        ).fetchone()
        if row is None:
            raise NotFound(NOUNS[kind], id)
        return row[0]

    def _orphans(self, alive: set[str]) -> list[str]:
        rows = self._connection.execute(
            "SELECT id, owner FROM objects WHERE owner IS NOT NULL ORDER BY seq"
        ).fetchall()
        return [id for id, owner in rows if owner not in alive]


def _dump(item: BaseModel) -> str:
    return item.model_dump_json(by_alias=True, warnings=False)
