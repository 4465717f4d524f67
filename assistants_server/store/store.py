"""Stores OpenAI's objects in SQLite, each as the JSON that the API returns."""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from openai.types import FileObject
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from assistants_server.private_files import tighten_folder
from assistants_server.store.connection import Connection
from assistants_server.store.database import HAS_FILES, SECONDS_TO_OPEN, open_database
from assistants_server.store.errors import NotFound, Unreadable, Unstorable
from assistants_server.store.owners import Owner, living
from assistants_server.store.rows import FileBatchRow, ModelItems, VectorStoreRow

log = logging.getLogger(__name__)

ROWS_AT_A_TIME = 20  # before other tasks of the event loop get a turn
# As bytes, because the text of a damaged row may not be valid UTF-8.
BODY = "CAST(body AS BLOB)"


class _Nouns(dict[type, str]):
    def __missing__(self, kind: type) -> str:
        return self[kind.__mro__[1]]  # an extended model is of the same kind as its base


NOUNS = _Nouns(
    {
        Assistant: "assistant",
        Thread: "thread",
        Message: "message",
        Run: "run",
        RunStep: "run step",
        FileObject: "file",
        VectorStoreRow: "vector store",
        FileBatchRow: "vector store file batch",
        ModelItems: "model items",
    }
)


class Stored(Protocol):
    """What the store needs of an object: OpenAI's models in `NOUNS` all have it."""

    id: str

    def model_dump_json(self, *, by_alias: bool = ..., warnings: bool = ...) -> str: ...

    @classmethod
    def model_validate_json(cls, json_data: str | bytes, /) -> Self: ...


T = TypeVar("T", bound=Stored)


class Page(NamedTuple, Generic[T]):
    """One page of a list, in the requested order."""

    items: list[T]
    has_more: bool


class Work(NamedTuple):
    """A run that a server works on. Its status is None if the row is damaged."""

    run_id: str
    owner: str
    status: str | None


class Row(NamedTuple):
    """An object serialized for `insert_row`."""

    id: str
    kind: str
    parent: str | None
    body: str
    due: int | None = None


class Store:
    """One open database file.

    It is not thread-safe: the server uses it from its event loop only. Other processes may have the
    same file open.

    A row that cannot be read, because the file was damaged or edited, is left out of lists and can
    be deleted.

    Args:
        path: the SQLite file, created if it does not exist. Uploaded contents are stored beside it,
            in a folder with `.files` added to its name.

    Raises:
        StoreError: the file cannot be used; it has not been changed. Every method may raise it too:
            as `Busy` or `Unwritable` if a retry can help.

    Attributes:
        owner: the name of this server, to tell it from others that have the file open.
        files: the folder for uploaded contents.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().resolve()
        self.files = self.path.with_name(f"{self.path.name}.files")
        tighten_folder(self.files)
        self._connection = Connection(open_database(self.path), self.path)
        try:
            with self._connection.transaction(seconds=SECONDS_TO_OPEN):
                living(self.path)  # removes stale lock files
                self._owner = Owner(self.path)
            self.worked_on(), self.due(0)  # fail now if the file is damaged
        except BaseException:
            self._connection.close()
            raise
        self.owner = self._owner.name
        self.transaction = self._connection.transaction
        self.writing = self._connection.writing
        self._logged: set[str] = set()

    def content(self, file_id: str) -> Path:
        """Return the path of a file's content."""
        return self.files / file_id

    def close(self) -> None:
        """Close the file and release this server's lock. It may be called twice."""
        self._connection.close()
        self._owner.release()

    def living_owners(self) -> set[str]:
        """Return the names of the servers that have the file open, including this one.

        Call it inside a write transaction, so that no server is starting at the same time.
        """
        return living(self.path) | {self.owner}

    async def writable(self, seconds: float = math.inf) -> None:
        """Wait until no other process is writing, without blocking the event loop.

        Raises:
            Busy: another process has been writing for `seconds`.
        """
        async with self.writing(seconds):
            pass

    def insert(self, item: Stored, parent: str | None = None) -> None:
        """Add a new object. `parent` is the id of the thread or run that it belongs to.

        Raises:
            Unstorable: its JSON could not be read back.
        """
        self.insert_row(self.row(item, parent))

    def row(self, item: Stored, parent: str | None = None) -> Row:
        """Serialize an object. This takes longer than inserting the row, and needs no transaction.

        Raises:
            Unstorable: its JSON could not be read back.
        """
        due = item.expires_at if isinstance(item, FileObject) else None
        return Row(item.id, NOUNS[type(item)], parent, _dump(item), due)

    def insert_row(self, row: Row) -> None:
        """Add a new object that `row` has serialized."""
        self._connection.execute(
            "INSERT INTO objects (id, kind, parent, body, due) VALUES (?, ?, ?, ?, ?)", row
        )

    def get(self, kind: type[T], id: str, parent: str | None = None) -> T:
        """Return the object with this id. If `parent` is given, it must belong to that parent.

        Raises:
            NotFound: there is none.
            Unreadable: it exists, but its row is damaged.
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

    def update(self, item: Stored) -> None:
        """Write a changed object back.

        Raises:
            NotFound: it has been deleted since it was read.
            Unstorable: its JSON could not be read back.
        """
        cursor = self._connection.execute(
            "UPDATE objects SET body = ? WHERE id = ?", (_dump(item), item.id)
        )
        if cursor.rowcount == 0:
            raise NotFound(NOUNS[type(item)], item.id)

    @contextmanager
    def change(self, kind: type[T], id: str, parent: str | None = None) -> Iterator[T]:
        """Yield an object for the caller to change, then write it back, in one transaction.

        Raises:
            NotFound: there is none.
        """
        with self.transaction():
            item = self.get(kind, id, parent)
            yield item
            self.update(item)

    def delete(self, kind: type[Stored], id: str, parent: str | None = None) -> None:
        """Delete an object and its descendants. Their rows may be damaged.

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

    def exists(self, kind: type[Stored], id: str, parent: str | None = None) -> bool:
        """Return whether there is an object with this id. A given `parent` must match too."""
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
        **matching: str | None,
    ) -> Page[T]:
        """Return part of a list, oldest first (`asc`) or newest first (`desc`).

        See https://platform.openai.com/docs/api-reference/assistants/listAssistants

        Args:
            limit: the maximum number of items.
            after: return items that follow the object with this id.
            before: return the items directly before the object with this id.
            matching: return only objects whose top-level fields have these values, for example
                `purpose="assistants"`. None and "" fit any object.

        Raises:
            NotFound: `after` or `before` names no object of this list.
        """
        where = ["kind = ?", "parent IS ?"]
        values: list[str | int | None] = [NOUNS[kind], parent]
        for cursor, earlier in ((after, order == "desc"), (before, order == "asc")):
            if cursor is not None:
                where.append(f"seq {'<' if earlier else '>'} ?")
                values.append(self._seq(kind, cursor, parent))
        for field, value in matching.items():
            if value:
                valid = f"CASE WHEN json_valid(body) THEN json_extract(body, '$.{field}') END"
                where.append(f"{valid} = ?")
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
        """Return those ids that belong to no object."""
        rows = self._connection.rows(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM objects)",
            (json.dumps(list(ids)),),
        )
        return [id for (id,) in rows]

    async def newest_first(
        self, kind: type[T], parent: str, with_files: bool = False
    ) -> AsyncIterator[T]:
        """Yield every object of that kind under `parent`. It is for long lists.

        A few rows are read at a time, and other tasks run in between. Objects that they delete before
        their row is read are left out.

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

    # An active run has an expiry, and an owner unless it waits for tool outputs from its client.

    def claim(self, run: Run) -> None:
        """Record that this server works on an active run."""
        self._record(run.id, self.owner, run.expires_at)

    def release(self, run: Run) -> None:
        """Record that no server works on an active run, because it waits for its client."""
        self._record(run.id, None, run.expires_at)

    def done(self, run_id: str) -> None:
        """Record that a run is no longer active."""
        self._record(run_id, None, None)

    def worked_on(self) -> list[Work]:
        """Return the runs that servers work on, including servers that have ended."""
        query = (
            "SELECT id, owner, CASE WHEN json_valid(body) THEN json_extract(body, '$.status') END "
            "FROM objects INDEXED BY runs_by_owner WHERE owner IS NOT NULL"
        )
        return [Work(*row) for row in self._connection.rows(query)]

    def due(self, time: float, kind: type[Stored] = Run) -> list[str]:
        """Return the ids of the active runs, or of the files, that have expired by then."""
        query = "SELECT id FROM objects INDEXED BY runs_by_due WHERE due <= ? AND kind = ?"
        return [id for (id,) in self._connection.rows(query, (time, NOUNS[kind]))]

    def _record(self, run_id: str, owner: str | None, due: int | None) -> None:
        self._connection.execute(
            "UPDATE objects SET owner = ?, due = ? WHERE id = ?", (owner, due, run_id)
        )

    def _seq(self, kind: type[Stored], id: str, parent: str | None) -> int:
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


def _dump(item: Stored) -> str:
    try:
        text = item.model_dump_json(by_alias=True, warnings=False)
        # The JSON is read back before the object is acknowledged. For example, pydantic writes 300
        # nested objects, but does not read them.
        read = type(item).model_validate_json(text)
        if "\ufffd" in text and read != item:  # pydantic has replaced a lone surrogate in a key
            raise ValueError
    except (PydanticSerializationError, ValidationError, ValueError, RecursionError) as error:
        raise Unstorable(
            f"This {NOUNS[type(item)]} cannot be stored: it could not be read again. Look for "
            "values nested more than 100 deep, for numbers that JSON does not have (NaN), and for "
            "halves of characters (\\ud800)."
        ) from error
    return text
