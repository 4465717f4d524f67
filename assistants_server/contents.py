"""The contents of uploaded files: one lies in the store's folder for each file object.

A content is first written under a name that says which server writes it, and gets its own name
together with its row. So a content without a row is one that nobody will ask for, whenever a
server is killed, and `sweep` may remove it.
"""

import logging
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from openai.types import FileObject

from assistants_server import private
from assistants_server.store import Store

log = logging.getLogger(__name__)

UNFINISHED = ".part"
# Other files in the folder are none of ours, for example ".DS_Store".
NAME = re.compile(r"(file-[a-zA-Z0-9]{24})(\.(server_[a-zA-Z0-9]{24}))?(\.part)?")


def write(store: Store, file_id: str, source: BinaryIO) -> int:
    """Write the content of a file that `keep` or `drop` will follow; return its size in bytes.

    It may be called from any thread.

    Raises:
        OSError: the disk is full, for example; nothing is left.
    """
    private.make_folder(store.files)
    part = _part(store, file_id)
    try:
        with open(part, "xb", opener=private.opener) as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            return target.tell()
    except BaseException:
        part.unlink(missing_ok=True)
        raise


async def keep(store: Store, file: FileObject) -> None:
    """Store a file whose content has been written: both appear together, or neither does."""
    try:
        async with store.writing():
            store.insert(file)
            _part(store, file.id).replace(store.content(file.id))
    except BaseException:
        drop(store, file.id)
        raise


def drop(store: Store, file_id: str) -> None:
    """Remove the content of a file that is not, or no longer, in the store."""
    for path in (_part(store, file_id), store.content(file_id)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # on Windows, somebody is reading it
            fields = {"file": file_id, "why": str(error.strerror)}
            log.warning("content stays until the next start", extra={"fields": fields})


async def sweep(store: Store) -> None:
    """Remove contents that have no file, and those that servers which are gone were writing."""
    if not store.files.is_dir():
        return
    found = [match for name in os.listdir(store.files) if (match := NAME.fullmatch(name))]
    whole = [match[0] for match in found if not match[4]]
    # In a transaction: whoever was just keeping a file has then kept it.
    async with store.writing():
        living = store.living_owners()
        useless = set(store.missing(whole))
    useless |= {match[0] for match in found if match[4] and match[3] not in living}
    for name in sorted(useless):
        log.info("content removed that no file has", extra={"fields": {"content": name}})
        with suppress(OSError):  # on Windows, somebody is reading it
            (store.files / name).unlink()


def _part(store: Store, file_id: str) -> Path:
    return store.files / f"{file_id}.{store.owner}{UNFINISHED}"
