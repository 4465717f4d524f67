"""``/files``: upload, list, retrieve, content, delete."""

import asyncio
from collections import Counter
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from openai.types import FileDeleted, FileObject
from pydantic import Field
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException

from assistants_server import contents
from assistants_server.api.context import TheLibrary, TheStore
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.clock import now
from assistants_server.store import NotFound, Store, Unwritable, new_id
from assistants_server.web import downloads
from assistants_server.web.errors import ApiError
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1/files", route_class=StrictRoute)

LONGEST_NAME = 1000  # characters; each may become twelve in a header
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data"]


class FileCursor(Cursor):
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    purpose: str | None = None


@router.post("")
async def upload(request: Request, store: TheStore) -> FileObject:
    try:
        async with request.form(max_files=1) as form:
            return await _keep(form, store)
    except (MultiPartException, UnicodeError) as error:  # the latter from an odd charset
        raise ApiError(400, f"The upload is not valid multipart/form-data: {error}") from error
    except OSError as error:
        raise Unwritable(
            f"The upload cannot be written ({error.strerror}). Nothing was stored. Make room on the "
            "disk, or make it writable, and try again."
        ) from error


async def _keep(form: FormData, store: Store) -> FileObject:
    for name, several in Counter(name for name, _ in form.multi_items()).items():
        if name not in ("file", "purpose"):
            raise ApiError(
                400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )
        if several > 1:
            raise ApiError(
                400,
                f"The parameter '{name}' is given {several} times. Give it once.",
                param=name,
                code="duplicate_parameter",
            )
    for name, kind, what in (("file", UploadFile, "a file"), ("purpose", str, "a text")):
        if not isinstance(form.get(name), kind):
            raise ApiError(
                400,
                f"Missing required parameter: '{name}' ({what}, in multipart/form-data).",
                param=name,
                code="missing_required_parameter",
            )
    content, purpose = form["file"], form["purpose"]
    if purpose not in get_args(Purpose):
        raise ApiError(
            400,
            f"Invalid value: {purpose[:100]!r} for 'purpose'. Supported values are: "
            f"{', '.join(get_args(Purpose))}.",
            param="purpose",
            code="invalid_value",
        )
    filename = content.filename or "upload"
    _check_name(filename)
    file_id = new_id("file-")
    size = await asyncio.to_thread(contents.write, store, file_id, content.file)
    file = FileObject(
        id=file_id,
        object="file",
        bytes=size,
        created_at=now(),
        filename=filename,
        purpose=purpose,
        status="processed",
    )
    await contents.keep(store, file)
    return file


def _check_name(filename: str) -> None:
    """Refuse a name that could not be stored, or not be sent in a header of the download.

    Anything else is only a name: it is never used as a path.
    """
    if len(filename) > LONGEST_NAME:
        reason = f"has {len(filename):,} characters; {LONGEST_NAME:,} is the most"
    elif any("\ud800" <= character <= "\udfff" for character in filename):
        reason = "holds half of a surrogate pair, which is no character"
    else:
        return
    raise ApiError(
        400,
        f"The name of the file {reason}. Rename the file.",
        param="file",
        code="invalid_value",
    )


@router.get("")
async def list_all(cursor: Annotated[FileCursor, Query()], store: TheStore) -> ListPage[FileObject]:
    paging = cursor.model_dump()
    purpose = paging.pop("purpose")
    matching = {"purpose": purpose} if purpose else None
    return ListPage[FileObject].of(store.page(FileObject, matching=matching, **paging))


@router.get("/{file_id}")
async def retrieve(file_id: str, store: TheStore) -> FileObject:
    return store.get(FileObject, file_id)


@router.get("/{file_id}/content")
async def content(file_id: str, request: Request, store: TheStore) -> Response:
    file = store.get(FileObject, file_id)
    try:
        opened = store.content(file_id).open("rb")
    except FileNotFoundError:  # deleted just now
        raise NotFound("file", file_id) from None
    return downloads.answer(opened, file, request.headers)


@router.delete("/{file_id}")
async def delete(file_id: str, store: TheStore, library: TheLibrary) -> FileDeleted:
    store.delete(FileObject, file_id)
    contents.drop(store, file_id)
    await library.forget_file(file_id)
    return FileDeleted(id=file_id, deleted=True, object="file")
