"""Vector stores: what they hold, and the search through them."""

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from openai.types import FileObject
from openai.types.vector_stores import VectorStoreFile

from assistants_server import contents
from assistants_server.clock import now
from assistants_server.file_search import rows
from assistants_server.file_search.answers import VectorStore, VectorStoreFileBatch
from assistants_server.file_search.index import Index
from assistants_server.file_search.index_thread import IndexThread
from assistants_server.file_search.passage_search import Hit
from assistants_server.file_search.reader import Reader
from assistants_server.store import (
    FileBatchRow,
    NotFound,
    Store,
    StoreError,
    VectorStoreRow,
    new_id,
)

log = logging.getLogger(__name__)

SECONDS_PER_DAY = 86_400
SECONDS_TO_WAIT = 10  # while another process writes to the database
SECONDS_BETWEEN_LOOKS = 0.5  # at what another server reads


class Library:
    """All vector stores of a server.

    Their files are read in the background. Looking up, searching, changing and reading have
    threads of their own, so that none of them waits for another.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.path.with_name(f"{store.path.name}.index")
        self._looking = IndexThread(self._path, "looking")
        self._writing = IndexThread(self._path, "writing")
        self._searching = IndexThread(self._path, "searching")
        self._reader = Reader(store, self._writing, self._looking, self._tidy)
        self._alive: set[str] = set()

    def resume(self) -> None:
        """Clear up what servers before this one have left, and go on with their reading."""
        self._reader.wake(untidy=True)

    async def adopt(self, alive: set[str]) -> None:
        """Delete expired files, and read on for servers that have ended. Call it now and then."""
        await self.delete_expired_files()
        gone, self._alive = self._alive - alive, alive
        readers: set[str | None] = set()
        if self._path.exists():
            readers = await self._looking.do(Index.readers)
        if gone or readers - {None} - alive:
            self._reader.wake(untidy=True)
        elif None in readers:
            self._reader.wake()

    async def close(self) -> None:
        """Stop reading. What is not finished is taken up by another server, or the next one."""
        await self._reader.close()
        if self._path.exists():
            with suppress(Exception):  # what stays claimed is adopted when this server has ended
                await self._writing.do(lambda index: index.release([self._store.owner]))
        self._searching.interrupt()
        for thread in (self._searching, self._looking, self._writing):
            await thread.close()

    async def create(
        self,
        file_ids: Sequence[str] = (),
        chunking_strategy: dict[str, Any] | None = None,
        **fields: Any,
    ) -> VectorStore:
        """Store a new vector store, and begin to read its files. The fields are `VectorStoreRow`'s.

        Nothing is stored if one of the files is not here: that raises `NotFound`.
        """
        for file_id in file_ids:
            self._store.get(FileObject, file_id)
        row = VectorStoreRow(id=new_id("vs_"), created_at=now(), last_active_at=now(), **fields)
        self._store.insert(row)
        read = {"chunking_strategy": chunking_strategy}
        await self._add(row.id, [{"file_id": file_id, **read} for file_id in file_ids])
        return await self.get(row.id)

    async def get(self, store_id: str) -> VectorStore:
        """Return a vector store with its counts as they are now; raise `NotFound` if it is gone."""
        return await self.counted(self._store.get(VectorStoreRow, store_id))

    async def counted(self, row: VectorStoreRow) -> VectorStore:
        """Return a vector store with its counts, its size and its status as they are now."""
        counts, used = await self._looking.do(
            lambda index: (index.counts(row.id), index.used(row.id))
        )
        status, expires_at = "in_progress" if counts["in_progress"] else "completed", None
        if row.expires_after:
            expires_at = row.last_active_at + row.expires_after.days * SECONDS_PER_DAY
            status = "expired" if expires_at <= now() else status
        return VectorStore.model_validate(
            {
                **row.model_dump(exclude_none=True),
                "object": "vector_store",
                "status": status,
                "file_counts": counts,
                "usage_bytes": used,
                "expires_at": expires_at,
            }
        )

    async def delete(self, store_id: str) -> None:
        """Delete a vector store; its files stay."""
        self._store.delete(VectorStoreRow, store_id)
        if self._path.exists():
            await self._writing.do(lambda index: index.remove_store(store_id))
            self._reader.wake()

    async def add(self, store_id: str, file_id: str, **settings: Any) -> VectorStoreFile:
        """Add a file to a vector store; it is read in the background.

        The settings are `attributes` and `chunking_strategy`, as JSON has them. Raises `NotFound` if
        there is no such store, or no such file.
        """
        (added,) = await self._add(store_id, [{"file_id": file_id, **settings}])
        self._store.get(FileObject, file_id)  # deleted meanwhile
        return added

    async def add_batch(
        self, store_id: str, files: Iterable[dict[str, Any]]
    ) -> VectorStoreFileBatch:
        """Add several files, each given as the arguments of `add`.

        If there is no such store, or one of the files is not here, it raises `NotFound` and adds none.
        """
        row = FileBatchRow(id=new_id("vsfb_"), created_at=now(), vector_store_id=store_id)
        async with self._store.writing():
            self._store.get(VectorStoreRow, store_id)
            self._store.insert(row, parent=store_id)
        try:
            await self._add(store_id, files, row.id)
        except NotFound:
            with suppress(NotFound):  # it went with the vector store
                self._store.delete(FileBatchRow, row.id)
            raise
        return await self.batch(store_id, row.id)

    async def _add(
        self, store_id: str, files: Iterable[dict[str, Any]], batch: str | None = None
    ) -> list[VectorStoreFile]:
        self._store.get(VectorStoreRow, store_id)
        added = [
            (_unread(store_id, **file), self._store.get(FileObject, file["file_id"]).filename)
            for file in files
        ]
        if not added:
            return []
        await self._writing.do(lambda index: index.add(added, batch))
        await self._remove_deleted([store_id], [file.id for file, _ in added])
        if not self._touch(store_id):
            raise NotFound("vector store", store_id)
        self._reader.wake()
        return [file for file, _ in added]

    async def batch(self, store_id: str, batch_id: str) -> VectorStoreFileBatch:
        """Return a batch with its counts as they are now; raise `NotFound` if there is none."""
        row = self._store.get(FileBatchRow, batch_id, store_id)
        counts = await self._looking.do(lambda index: index.counts(store_id, batch_id))
        status = "cancelled" if counts["cancelled"] else "completed"
        return VectorStoreFileBatch.model_validate(
            {
                **row.model_dump(),
                "object": "vector_store.files_batch",
                "status": "in_progress" if counts["in_progress"] else status,
                "file_counts": counts,
            }
        )

    async def cancel_batch(self, store_id: str, batch_id: str) -> VectorStoreFileBatch:
        """Give up what of a batch has not been read yet."""
        self._store.get(VectorStoreRow, store_id)
        await self._writing.do(lambda index: index.cancel(store_id, batch_id))
        await self._reader.notify()
        return await self.batch(store_id, batch_id)

    async def files(self, store_id: str, batch_id: str | None = None) -> list[VectorStoreFile]:
        """Return the files of a vector store, or of a batch, in the order they were added."""
        self._store.get(VectorStoreRow, store_id)
        return await self._looking.do(lambda index: index.files(store_id, batch_id))

    async def file(self, store_id: str, file_id: str) -> VectorStoreFile:
        """Return a file of a vector store; raise `NotFound` if it is not in there."""
        self._store.get(VectorStoreRow, store_id)
        found = await self._looking.do(lambda index: index.get(store_id, file_id))
        if found is None:
            raise NotFound("vector store file", file_id)
        return found

    async def label(self, store_id: str, file_id: str, attributes: dict) -> VectorStoreFile:
        """Change the attributes of a file of a store; raise `NotFound` if it is not in there."""
        self._store.get(VectorStoreRow, store_id)
        changed = await self._writing.do(lambda index: index.label(store_id, file_id, attributes))
        if changed is None:
            raise NotFound("vector store file", file_id)
        return changed

    async def remove(self, store_id: str, file_id: str) -> None:
        """Take a file out of a vector store; raise `NotFound` if it is not in there."""
        self._store.get(VectorStoreRow, store_id)
        if not await self._writing.do(lambda index: index.remove(store_id, file_id)):
            raise NotFound("vector store file", file_id)
        self._reader.wake()

    async def delete_file(self, file_id: str) -> None:
        """Delete a file, here and in all vector stores; raise `NotFound` if there is none."""
        async with self._store.writing(SECONDS_TO_WAIT):
            self._store.delete(FileObject, file_id)
        contents.drop(self._store, file_id)
        if self._path.exists():
            await self._writing.do(lambda index: index.remove_file(file_id))
            self._reader.wake()

    async def delete_expired_files(self) -> None:
        for file_id in self._store.due(now(), FileObject):
            with suppress(NotFound):  # somebody else has deleted it meanwhile
                await self.delete_file(file_id)

    async def passages(self, store_id: str, file_id: str) -> list[str]:
        await self.file(store_id, file_id)
        return await self._looking.do(lambda index: index.passages(store_id, file_id))

    async def search(
        self,
        store_ids: list[str],
        question: str,
        most: int,
        filter: dict[str, Any] | None = None,
        threshold: float = 0.0,
    ) -> list[Hit]:
        """Return the passages that fit best, best first. Stores that are gone are passed over."""
        there = [store_id for store_id in store_ids if self._touch(store_id)]
        return await self._searching.do(
            lambda index: index.search(there, question, most, filter, threshold)
        )

    async def ready(self, store_ids: list[str], seconds: float) -> None:
        """Wait until all files of these stores are read, or for so long."""

        async def unread() -> bool:
            counts = [await self._looking.do(partial(Index.counts, store=id)) for id in store_ids]
            return any(each["in_progress"] for each in counts)

        deadline = time.monotonic() + seconds
        while await unread() and (left := deadline - time.monotonic()) > 0:
            await self._reader.finished(min(left, SECONDS_BETWEEN_LOOKS))

    def _touch(self, store_id: str) -> bool:
        """Note that a store is in use; return whether there is one."""
        try:
            with self._store.change(VectorStoreRow, store_id) as touched:
                touched.last_active_at = now()
        except NotFound:
            return False
        except StoreError as error:  # locked for a moment, for example: that is no harm
            log.warning(
                "not noted as used", extra={"fields": {"store": store_id, "why": str(error)}}
            )
        return True

    async def _tidy(self) -> None:
        """Clear up what servers that are gone have left behind."""
        if self._path.exists():
            readers = await self._looking.do(Index.readers)
            async with self._store.writing():
                living = self._store.living_owners()
            gone = {reader for reader in readers if reader is not None} - living
            await self._writing.do(lambda index: index.release(gone))
            await self._remove_deleted(*await self._looking.do(Index.named))
        await contents.sweep(self._store)

    async def _remove_deleted(self, store_ids: list[str], file_ids: list[str]) -> None:
        """Take those of these stores and files out of the index that have been deleted."""
        missing = set(self._store.missing([*store_ids, *file_ids]))
        for store_id in missing.intersection(store_ids):
            await self._writing.do(partial(Index.remove_store, store=store_id))
        for file_id in missing.intersection(file_ids):
            await self._writing.do(partial(Index.remove_file, file=file_id))


def _unread(
    store_id: str,
    file_id: str,
    attributes: dict[str, Any] | None = None,
    chunking_strategy: dict[str, Any] | None = None,
) -> VectorStoreFile:
    given: dict[str, Any] = {"created_at": now(), "attributes": attributes or {}}
    if chunking_strategy and chunking_strategy["type"] != "auto":
        given["chunking_strategy"] = chunking_strategy
    return VectorStoreFile.model_validate(rows.fields(store_id, file_id, **given))
