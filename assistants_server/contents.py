"""Stores the contents of uploaded files: one file on disk for each file object in the database.

A content is first written under a temporary name that includes the name of the server, for example
``file-abc.server_xyz.part``. It is renamed to ``file-abc`` in the transaction that inserts its row.
So a content without a row is garbage, whenever a server was killed, and `sweep` may remove it.
"""

import logging
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from openai.types import FileObject

from assistants_server import private_files
from assistants_server.store import Store

log = logging.getLogger(__name__)

UNFINISHED = ".part"
# Other files in the folder are not the server's, for example ".DS_Store".
NAME = re.compile(r"(file-[a-zA-Z0-9]{24})(\.(server_[a-zA-Z0-9]{24}))?(\.part)?")


class Readable(Protocol):
    """What a content is read from, for example an open file."""

    def read(self, size: int = ..., /) -> bytes: ...


def write(store: Store, file_id: str, source: Readable) -> int:
    """Write the content of a file and return its size in bytes. Call `keep` or `drop` next.

    It may be called from any thread. If it raises, for example `OSError` when the disk is full, the
    temporary file has been removed.
    """
    private_files.make_folder(store.files)
    part = _part(store, file_id)
    try:
        with open(part, "xb", opener=private_files.opener) as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            return target.tell()
    except BaseException:
        part.unlink(missing_ok=True)
        raise


async def keep(store: Store, file: FileObject) -> None:
    """Insert a file whose content has been written. Row and content appear together or not at all."""
    try:
        async with store.writing():
            store.insert(file)
            _part(store, file.id).replace(store.content(file.id))
    except BaseException:
        drop(store, file.id)
        raise


def drop(store: Store, file_id: str) -> None:
    """Remove the content of a file that was not inserted, or has been deleted."""
    for path in (_part(store, file_id), store.content(file_id)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # on Windows, a file that is being read cannot be removed
            fields = {"file": file_id, "why": str(error.strerror)}
            log.warning("content stays until the next start", extra={"fields": fields})


async def sweep(store: Store) -> None:
    """Remove contents that no row refers to, and temporary files of servers that have ended."""
    if not store.files.is_dir():
        return
    found = [match for name in os.listdir(store.files) if (match := NAME.fullmatch(name))]
    whole = [match[0] for match in found if not match[4]]
    # A `keep` that is in progress commits before this transaction begins.
    async with store.writing():
        living = store.living_owners()
        useless = set(store.missing(whole))
    useless |= {match[0] for match in found if match[4] and match[3] not in living}
    for name in sorted(useless):
        log.info("content removed that no file has", extra={"fields": {"content": name}})
        with suppress(OSError):  # on Windows, a file that is being read cannot be removed
            (store.files / name).unlink()


def _part(store: Store, file_id: str) -> Path:
    return store.files / f"{file_id}.{store.owner}{UNFINISHED}"
