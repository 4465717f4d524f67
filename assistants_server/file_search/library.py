"""Vector stores: what they hold, the reading of their files in the background, and the search."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from openai.types import FileObject, VectorStore
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch
from openai.types.vector_stores.vector_store_file import LastError

from assistants_server.clock import now
from assistants_server.file_search import passages
from assistants_server.file_search.index import Hit, Index
from assistants_server.file_search.reading import Unreadable, read
from assistants_server.store import NotFound, Store, new_id

T = TypeVar("T")
log = logging.getLogger(__name__)

PASSAGES_AT_A_TIME = 50
SECONDS_PER_DAY = 86_400
AUTO = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}


class Library:
    """All vector stores of a server.

    Files are read one after the other in a background thread, which also does all the work on
    the index, in small pieces, so that nothing else has to wait for long.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.path.with_name(f"{store.path.name}.index")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="file_search")
        self._index: Index | None = None
        self._waiting = asyncio.Event()
        self._finished = asyncio.Condition()
        self._task: asyncio.Task | None = None

    def resume(self) -> None:
        """Go on with what a server before this one has not finished."""
        if self._path.exists():
            self._work_on()

    async def close(self) -> None:
        """Stop reading. What is not finished is taken up when the file is next opened.

        Calling it twice is fine.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._index is not None:
            try:
                await self._do(lambda index: index.close())
            except RuntimeError:  # the interpreter ends, and has ended the thread already
                self._index.close()
            self._index = None
        self._thread.shutdown()

    async def create(
        self, file_ids: Iterable[str] = (), strategy: dict[str, Any] | None = None, **fields: Any
    ) -> VectorStore:
        """Store a new vector store, and begin to read its files.

        Raises:
            NotFound: one of the files is not here; nothing is stored.
        """
        file_ids = list(file_ids)
        for file_id in file_ids:
            self._store.get(FileObject, file_id)
        created = VectorStore.model_validate(
            {
                "id": new_id("vs_"),
                "object": "vector_store",
                "created_at": now(),
                "last_active_at": now(),
                "status": "completed",
                "usage_bytes": 0,
                "file_counts": dict.fromkeys(
                    ("in_progress", "completed", "failed", "cancelled", "total"), 0
                ),
                **fields,
            }
        )
        self._store.insert(created)
        for file_id in file_ids:
            await self.add(created.id, file_id, strategy=strategy)
        return created

    async def get(self, store_id: str) -> VectorStore:
        """Return a vector store with its counts as they are now.

        Raises:
            NotFound: there is none.
        """
        return await self.counted(self._store.get(VectorStore, store_id))

    async def counted(self, found: VectorStore) -> VectorStore:
        """Return a vector store with its counts, its size and its status as they are now."""
        counts, used = await self._do(lambda index: (index.counts(found.id), index.used(found.id)))
        update = {"file_counts": counts, "usage_bytes": used}
        found = VectorStore.model_validate({**found.model_dump(), **update})
        if found.expires_after:
            days = found.expires_after.days
            found.expires_at = (found.last_active_at or now()) + days * SECONDS_PER_DAY
        if found.expires_at and found.expires_at <= now():
            found.status = "expired"
        else:
            found.status = "in_progress" if counts["in_progress"] else "completed"
        return found

    async def delete(self, store_id: str) -> None:
        """Delete a vector store; its files stay."""
        self._store.delete(VectorStore, store_id)
        await self._do(lambda index: index.remove(store_id))

    async def add(
        self,
        store_id: str,
        file_id: str,
        attributes: dict[str, Any] | None = None,
        strategy: dict[str, Any] | None = None,
        batch: str | None = None,
    ) -> VectorStoreFile:
        """Add a file to a vector store; it is read in the background.

        Raises:
            NotFound: there is no such store, or no such file.
        """
        self._store.get(VectorStore, store_id)
        name = self._store.get(FileObject, file_id).filename
        added = VectorStoreFile.model_validate(
            {
                "id": file_id,
                "object": "vector_store.file",
                "created_at": now(),
                "status": "in_progress",
                "usage_bytes": 0,
                "vector_store_id": store_id,
                "attributes": attributes or {},
                "chunking_strategy": strategy if strategy and strategy["type"] != "auto" else AUTO,
            }
        )
        await self._do(lambda index: index.add(added, name, batch))
        self._touch(store_id)
        self._work_on()
        return added

    async def add_batch(
        self, store_id: str, files: Iterable[dict[str, Any]]
    ) -> VectorStoreFileBatch:
        """Add several files at once, each given as the arguments of `add`."""
        batch_id = new_id("vsfb_")
        for file in files:
            await self.add(store_id, batch=batch_id, **file)
        return await self.batch(store_id, batch_id)

    async def batch(self, store_id: str, batch_id: str) -> VectorStoreFileBatch:
        """Return a batch with its counts as they are now.

        Raises:
            NotFound: there is none.
        """
        self._store.get(VectorStore, store_id)
        files = await self.files(store_id, batch_id)
        if not files:
            raise NotFound("vector store file batch", batch_id)
        counts = await self._do(lambda index: index.counts(store_id, batch_id))
        status = "completed"
        if counts["in_progress"]:
            status = "in_progress"
        elif counts["cancelled"]:
            status = "cancelled"
        return VectorStoreFileBatch.model_validate(
            {
                "id": batch_id,
                "object": "vector_store.files_batch",
                "created_at": min(file.created_at for file in files),
                "status": status,
                "file_counts": counts,
                "vector_store_id": store_id,
            }
        )

    async def cancel_batch(self, store_id: str, batch_id: str) -> VectorStoreFileBatch:
        """Give up what of a batch has not been read yet."""
        for file in await self.files(store_id, batch_id):
            if file.status == "in_progress":
                file.status = "cancelled"
                await self._do(partial(Index.update, file=file))
        await self._notify()
        return await self.batch(store_id, batch_id)

    async def files(self, store_id: str, batch_id: str | None = None) -> list[VectorStoreFile]:
        """Return the files of a vector store, or of a batch, in the order they were added."""
        self._store.get(VectorStore, store_id)
        return await self._do(lambda index: index.files(store_id, batch_id))

    async def file(self, store_id: str, file_id: str) -> VectorStoreFile:
        """Return a file of a vector store.

        Raises:
            NotFound: it is not in there.
        """
        self._store.get(VectorStore, store_id)
        found = await self._do(lambda index: index.get(store_id, file_id))
        if found is None:
            raise NotFound("vector store file", file_id)
        return found

    async def label(self, store_id: str, file_id: str, attributes: dict) -> VectorStoreFile:
        """Change the attributes of a file of a vector store."""
        file = await self.file(store_id, file_id)
        file.attributes = attributes
        await self._do(lambda index: index.update(file))
        return file

    async def remove(self, store_id: str, file_id: str) -> None:
        """Take a file out of a vector store."""
        await self.file(store_id, file_id)
        await self._do(lambda index: index.remove(store_id, file_id))

    async def forget_file(self, file_id: str) -> None:
        """Take a file that has been deleted out of all vector stores."""
        if self._path.exists():
            for store_id in await self._do(lambda index: index.stores_of(file_id)):
                await self._do(partial(Index.remove, store=store_id, file=file_id))

    async def passages(self, store_id: str, file_id: str) -> list[str]:
        """Return what was read of a file."""
        await self.file(store_id, file_id)
        return await self._do(lambda index: index.passages(store_id, file_id))

    async def search(
        self,
        store_ids: list[str],
        question: str,
        most: int,
        filter: dict[str, Any] | None = None,
        threshold: float = 0.0,
    ) -> list[Hit]:
        """Return the passages that fit a question best, best first."""
        for store_id in store_ids:
            self._touch(store_id)
        return await self._do(
            lambda index: index.search(store_ids, question, most, filter, threshold)
        )

    async def ready(self, store_ids: list[str], seconds: float) -> None:
        """Wait until all files of these stores are read, or for so long."""

        async def unread() -> bool:
            counts = [await self._do(partial(Index.counts, store=each)) for each in store_ids]
            return any(each["in_progress"] for each in counts)

        deadline = time.monotonic() + seconds
        while await unread() and (left := deadline - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left), self._finished:
                    await self._finished.wait()
            except TimeoutError:
                return

    def _touch(self, store_id: str) -> None:
        with self._store.change(VectorStore, store_id) as touched:
            touched.last_active_at = now()

    def _work_on(self) -> None:
        self._waiting.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="file_search")

    async def _work(self) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            while unfinished := await self._do(Index.unfinished):
                for store_id, file_id, name in unfinished:
                    await self._read(store_id, file_id, name)
                    await self._notify()

    async def _notify(self) -> None:
        async with self._finished:
            self._finished.notify_all()

    async def _read(self, store_id: str, file_id: str, name: str) -> None:
        """Read one file into the index; whatever happens becomes its status."""
        file = await self._do(lambda index: index.get(store_id, file_id))
        if file is None or file.status != "in_progress":
            return
        try:
            await self._fill(file, self._store.content(file_id), name)
            file.status = "completed"
        except Unreadable as error:
            file.status, file.last_error = "failed", LastError(code=error.code, message=str(error))
        except FileNotFoundError:
            message = "The file has been deleted."
            file.status, file.last_error = "failed", LastError(code="invalid_file", message=message)
        except Exception:
            log.exception("reading failed", extra={"fields": {"file": file_id}})
            message = "The server had an error; its log says more."
            file.status, file.last_error = "failed", LastError(code="server_error", message=message)
        current = await self._do(lambda index: index.get(store_id, file_id))
        if current is not None and current.status == "in_progress":
            file.attributes = current.attributes
            await self._do(lambda index: index.update(file))

    async def _fill(self, file: VectorStoreFile, path: Path, name: str) -> None:
        await self._do(lambda index: index.begin(file.vector_store_id, file.id))
        text = await asyncio.get_running_loop().run_in_executor(self._thread, read, path, name)
        static = file.chunking_strategy.static
        pieces = passages.cut(text, static.max_chunk_size_tokens, static.chunk_overlap_tokens)
        number, some = 0, []
        for piece in pieces:
            some.append(piece)
            file.usage_bytes += len(piece.encode())
            if len(some) == PASSAGES_AT_A_TIME:
                await self._write(file, number, some)
                number, some = number + len(some), []
        await self._write(file, number, some)

    async def _write(self, file: VectorStoreFile, number: int, some: list[str]) -> None:
        await self._do(lambda index: index.write(file.vector_store_id, file.id, number, some))

    async def _do(self, work: Callable[[Index], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._with_index, work)

    def _with_index(self, work: Callable[[Index], T]) -> T:
        if self._index is None:
            self._index = Index(self._path)
        return work(self._index)
