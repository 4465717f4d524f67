"""``/files``: upload, list, retrieve, content, delete."""

import asyncio
import shutil
from pathlib import Path
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from openai.types import FileDeleted, FileObject
from pydantic import Field
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException

from assistants_server import private
from assistants_server.api.context import TheLibrary, TheStore
from assistants_server.api.errors import ApiError
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.api.route import StrictRoute
from assistants_server.clock import now
from assistants_server.store import Store, new_id

router = APIRouter(prefix="/files", route_class=StrictRoute)

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data"]


class FileCursor(Cursor):
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    purpose: str | None = None


@router.post("")
async def upload(request: Request, store: TheStore) -> FileObject:
    try:
        async with request.form(max_files=1) as form:
            return await _keep(form, store)
    except MultiPartException as error:
        raise ApiError(400, f"The upload is not valid multipart/form-data: {error}") from error


async def _keep(form: FormData, store: Store) -> FileObject:
    for name in form:
        if name not in ("file", "purpose"):
            raise ApiError(
                400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
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
            f"Invalid value: {purpose!r} for 'purpose'. Supported values are: "
            f"{', '.join(get_args(Purpose))}.",
            param="purpose",
            code="invalid_value",
        )
    file = FileObject(
        id=new_id("file-"),
        object="file",
        bytes=content.size or 0,
        created_at=now(),
        filename=content.filename or "upload",
        purpose=purpose,
        status="processed",
    )
    path = store.content(file.id)
    await asyncio.to_thread(_write, content, path)
    try:
        store.insert(file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return file


def _write(content: UploadFile, path: Path) -> None:
    private.make_folder(path.parent)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with open(unfinished, "wb", opener=private.opener) as target:
            shutil.copyfileobj(content.file, target)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


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
async def content(file_id: str, store: TheStore) -> FileResponse:
    file = store.get(FileObject, file_id)
    return FileResponse(
        store.content(file_id), media_type="application/octet-stream", filename=file.filename
    )


@router.delete("/{file_id}")
async def delete(file_id: str, store: TheStore, library: TheLibrary) -> FileDeleted:
    store.delete(FileObject, file_id)
    await library.forget_file(file_id)
    store.content(file_id).unlink(missing_ok=True)
    return FileDeleted(id=file_id, deleted=True, object="file")
