"""Keeps OpenAI's objects in SQLite, each as the JSON that goes over the wire."""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from openai.types import FileObject, VectorStore
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from openai.types.vector_stores import VectorStoreFileBatch
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from assistants_server.private import tighten_folder
from assistants_server.store.connection import Connection
from assistants_server.store.database import HAS_FILES, SECONDS_TO_OPEN, open_database
from assistants_server.store.errors import NotFound, Unreadable, Unstorable
from assistants_server.store.owners import Owner, living
from assistants_server.store.reasoning import Reasoning

T = TypeVar("T", bound=BaseModel)
log = logging.getLogger(__name__)

ROWS_AT_A_TIME = 20  # between two looks at what else there is to do
# As bytes, because the text of a damaged row may not be UTF-8.
BODY = "CAST(body AS BLOB)"

NOUNS: dict[type[BaseModel], str] = {
    Assistant: "assistant",
    Thread: "thread",
    Message: "message",
    Run: "run",
    RunStep: "run step",
    FileObject: "file",
    VectorStore: "vector store",
    VectorStoreFileBatch: "vector store file batch",
    Reasoning: "reasoning",
}


class Page(NamedTuple):
    """One page of a list, in the order asked for."""

    items: list
    has_more: bool


class Work(NamedTuple):
    """A run that a server works on. Its status is None if its row cannot be read."""

    run_id: str
    owner: str
    status: str | None


class Row(NamedTuple):
    """An object as it is stored, ready to be inserted."""

    id: str
    kind: str
    parent: str | None
    body: str


class Store:
    """One open database file.

    Not for several threads at once: the server uses it from its event loop only. Other processes
    may have the same file open.

    A row that cannot be read, because the file was damaged or edited, is left out of lists, and can
    be deleted.

    Args:
        path: the SQLite file; it and its folder are created if need be. Uploaded contents lie
            beside it, in a folder with `.files` added to its name.

    Raises:
        StoreError: the file cannot be used; it is left untouched. Every method may raise it too,
            as `Busy` or `Unwritable` where trying again can help.

    Attributes:
        owner: this server's name among those that have the file open.
        files: the folder for uploaded contents.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().resolve()
        self.files = self.path.with_name(f"{self.path.name}.files")
        tighten_folder(self.files)
        self._connection = Connection(open_database(self.path), self.path)
        try:
            with self._connection.transaction(seconds=SECONDS_TO_OPEN):
                living(self.path)  # takes away what others left
                self._owner = Owner(self.path)
            self.worked_on(), self.due(0)  # what is damaged shall be known now
        except BaseException:
            self._connection.close()
            raise
        self.owner = self._owner.name
        self.transaction = self._connection.transaction
        self.writing = self._connection.writing
        self._logged: set[str] = set()

    def content(self, file_id: str) -> Path:
        """Return where the content of a file lies."""
        return self.files / file_id

    def close(self) -> None:
        """Close the file and let go of this server's lock. Calling it twice is fine."""
        self._connection.close()
        self._owner.release()

    def living_owners(self) -> set[str]:
        """Return the names of the servers that have the file open, this one included.

        Call it inside a write transaction, so that no server is just now arriving.
        """
        return living(self.path) | {self.owner}

    async def writable(self, seconds: float = math.inf) -> None:
        """Wait until no other process is writing, without holding up the event loop.

        Raises:
            Busy: another process has been writing for that many seconds.
        """
        async with self.writing(seconds):
            pass

    def insert(self, item: BaseModel, parent: str | None = None) -> None:
        """Add a new object. `parent` is the id of the thread or run that it belongs to.

        Raises:
            Unstorable: it could not be read again.
        """
        self.insert_row(self.row(item, parent))

    def row(self, item: BaseModel, parent: str | None = None) -> Row:
        """Return an object as a row, which takes longer than to insert it.

        Raises:
            Unstorable: it could not be read again.
        """
        return Row(item.id, NOUNS[type(item)], parent, _dump(item))

    def insert_row(self, row: Row) -> None:
        """Add a new object that is a row already."""
        self._connection.execute(
            "INSERT INTO objects (id, kind, parent, body) VALUES (?, ?, ?, ?)", row
        )

    def get(self, kind: type[T], id: str, parent: str | None = None) -> T:
        """Return the object with that id, and of that parent if one is given.

        Raises:
            NotFound: there is none.
            Unreadable: there is one, but what is stored of it makes no sense.
        """
        row = self._connection.execute(
            f"SELECT {BODY}, parent FROM objects WHERE id = ? AND kind = ?", (id, NOUNS[kind])
        ).fetchone()
        if row is None or (parent is not None and row[1] != parent):
            raise NotFound(NOUNS[kind], id)
        item = self._read(kind, id, row[0])
        if item is None:
            raise Unreadable(
                f"The {NOUNS[kind]} '{id}' is in the database, but cannot be read. Delete it and "
                "create it again; the server's log says more."
            )
        return item

    def update(self, item: BaseModel) -> None:
        """Write an object back.

        Raises:
            NotFound: it has been deleted since it was read.
            Unstorable: it could not be read again.
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
        """Delete an object and all that belongs to it. It need not be readable.

        Raises:
            NotFound: there is none.
        """
        with self.transaction():
            if not self.exists(kind, id, parent):
                raise NotFound(NOUNS[kind], id)
            self._connection.execute(
                """
                WITH RECURSIVE family (id) AS (
                    SELECT ? UNION SELECT o.id FROM objects o JOIN family f ON o.parent = f.id
                )
                DELETE FROM objects WHERE id IN family
                """,
                (id,),
            )

    def exists(self, kind: type[BaseModel], id: str, parent: str | None = None) -> bool:
        """Return whether there is such an object, and of that parent if one is given."""
        row = self._connection.execute(
            "SELECT parent FROM objects WHERE id = ? AND kind = ?", (id, NOUNS[kind])
        ).fetchone()
        return row is not None and parent in (None, row[0])

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
            where.append(f"CASE WHEN json_valid(body) THEN json_extract(body, '$.{field}') END = ?")
            values.append(value)
        backwards = before is not None and after is None
        ascending = (order == "asc") != backwards
        rows = self._connection.rows(
            f"SELECT id, {BODY} FROM objects WHERE {' AND '.join(where)} "
            f"ORDER BY seq {'ASC' if ascending else 'DESC'}",
            tuple(values),
        )
        items: list[T] = []
        for id, body in rows:
            if (item := self._read(kind, id, body)) is not None:
                items.append(item)
            if len(items) > limit:
                break
        rows.close()
        has_more, items = len(items) > limit, items[:limit]
        return Page(items[::-1] if backwards else items, has_more)

    def all(self, kind: type[T], parent: str) -> list[T]:
        """Return every object of that kind under `parent`, oldest first."""
        return self.page(kind, parent, limit=2**31, order="asc").items

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return those of these ids that no object has."""
        rows = self._connection.rows(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM objects)",
            (json.dumps(list(ids)),),
        )
        return [id for (id,) in rows]

    async def newest_first(
        self, kind: type[T], parent: str, with_files: bool = False
    ) -> AsyncIterator[T]:
        """Yield every object of that kind under `parent`, a few at a time, for lists that are long.

        Others get their turn between them; what they delete meanwhile is left out.

        Args:
            with_files: whether to yield only messages that have attachments.
        """
        only = f"INDEXED BY messages_with_files WHERE {HAS_FILES} AND" if with_files else "WHERE"
        below = 2**62
        while True:
            found = self._connection.rows(
                f"SELECT seq, id, {BODY} FROM objects {only} kind = ? AND parent IS ? AND seq < ? "
                "ORDER BY seq DESC LIMIT ?",
                (NOUNS[kind], parent, below, ROWS_AT_A_TIME),
            )
            rows = list(found)
            for _, id, body in rows:
                if (item := self._read(kind, id, body)) is not None:
                    yield item
            if len(rows) < ROWS_AT_A_TIME:
                return
            below = rows[-1][0]
            await asyncio.sleep(0)

    # Who works on an active run, and until when. For a run that waits for its client nobody does.

    def claim(self, run: Run) -> None:
        """Note that this server is the one working on an active run."""
        self._note(run.id, self.owner, run.expires_at)

    def release(self, run: Run) -> None:
        """Note that nobody is working on an active run, because it waits for its client."""
        self._note(run.id, None, run.expires_at)

    def done(self, run_id: str) -> None:
        """Note that a run is not active any more."""
        self._note(run_id, None, None)

    def worked_on(self) -> list[Work]:
        """Return which runs servers work on, those that are gone included."""
        query = (
            "SELECT id, owner, CASE WHEN json_valid(body) THEN json_extract(body, '$.status') END "
            "FROM objects INDEXED BY runs_by_owner WHERE owner IS NOT NULL"
        )
        return [Work(*row) for row in self._connection.rows(query)]

    def due(self, time: float) -> list[str]:
        """Return the ids of the active runs that have expired by then."""
        query = "SELECT id FROM objects INDEXED BY runs_by_due WHERE due <= ?"
        return [id for (id,) in self._connection.rows(query, (time,))]

    def _note(self, run_id: str, owner: str | None, due: int | None) -> None:
        self._connection.execute(
            "UPDATE objects SET owner = ?, due = ? WHERE id = ?", (owner, due, run_id)
        )

    def _seq(self, kind: type[BaseModel], id: str, parent: str | None) -> int:
        row = self._connection.execute(
            "SELECT seq FROM objects WHERE id = ? AND kind = ? AND parent IS ?",
            (id, NOUNS[kind], parent),
        ).fetchone()
        if row is None:
            raise NotFound(NOUNS[kind], id)
        return row[0]

    def _read(self, kind: type[T], id: str, body: bytes) -> T | None:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            if id not in self._logged:
                self._logged.add(id)
                first = error.errors(include_input=False, include_url=False)[0]
                reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
                fields = {"kind": NOUNS[kind], "id": id, "reason": reason}
                log.warning("unreadable row", extra={"fields": fields})
            return None


def _dump(item: BaseModel) -> str:
    try:
        text = item.model_dump_json(by_alias=True, warnings=False)
        # What is acknowledged is what can be read again, for example not 300 objects in each other.
        read = type(item).model_validate_json(text)
        if "\ufffd" in text and read != item:  # half a character in a key becomes this in silence
            raise ValueError
    except (PydanticSerializationError, ValidationError, ValueError, RecursionError) as error:
        raise Unstorable(
            f"This {NOUNS[type(item)]} cannot be stored: it could not be read again. Look for "
            "values nested more than 100 deep, for numbers that JSON does not have (NaN), and for "
            "halves of characters (\\ud800)."
        ) from error
    return text
