"""``/vector_stores/{vector_store_id}/files`` and ``/file_batches``."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from openai.types import FileObject
from openai.types import vector_stores as wire
from openai.types.vector_stores import VectorStoreFile
from pydantic import BaseModel, Field

from assistants_server.api import fields
from assistants_server.api.context import TheLibrary, TheStore
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.api.vector_stores import Attributes
from assistants_server.file_search import VectorStoreFileBatch
from assistants_server.store import Page
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import Body
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1/vector_stores/{vector_store_id}", route_class=StrictRoute)

LARGEST_BATCH = 2000


class AddFile(Body):
    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: fields.Strategy | None = None


class AddBatch(Body):
    file_ids: Annotated[list[str], Field(max_length=LARGEST_BATCH)] | None = None
    files: Annotated[list[AddFile], Field(max_length=LARGEST_BATCH)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: fields.Strategy | None = None


class ModifyFile(Body):
    attributes: Attributes | None


class FileCursor(Cursor):
    filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None


class Content(BaseModel):
    """What was read of a file."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[wire.FileContentResponse]
    has_more: bool = False
    next_page: str | None = None


def _page(files: list[VectorStoreFile], cursor: FileCursor) -> ListPage[VectorStoreFile]:
    chosen = [file for file in files if cursor.filter in (None, file.status)]
    if cursor.order == "desc":
        chosen.reverse()
    ids = [file.id for file in chosen]
    for name, id in (("after", cursor.after), ("before", cursor.before)):
        if id is not None and id not in ids:
            raise ApiError(404, f"No vector store file found with id '{id}'.", param=name)
    begin = ids.index(cursor.after) + 1 if cursor.after else 0
    end = ids.index(cursor.before) if cursor.before else len(ids)
    within = chosen[begin:end]
    backwards = cursor.before and not cursor.after
    kept = within[-cursor.limit :] if backwards else within[: cursor.limit]
    return ListPage[VectorStoreFile].of(Page(kept, len(within) > len(kept)))


@router.post("/files")
async def create(vector_store_id: str, body: AddFile, library: TheLibrary) -> VectorStoreFile:
    return await library.add(vector_store_id, **body.given())


@router.get("/files")
async def list_all(
    vector_store_id: str, cursor: Annotated[FileCursor, Query()], library: TheLibrary
) -> ListPage[VectorStoreFile]:
    return _page(await library.files(vector_store_id), cursor)


@router.get("/files/{file_id}")
async def retrieve(vector_store_id: str, file_id: str, library: TheLibrary) -> VectorStoreFile:
    return await library.file(vector_store_id, file_id)


@router.post("/files/{file_id}")
async def modify(
    vector_store_id: str, file_id: str, body: ModifyFile, library: TheLibrary
) -> VectorStoreFile:
    return await library.label(vector_store_id, file_id, body.attributes or {})


@router.delete("/files/{file_id}")
async def delete(
    vector_store_id: str, file_id: str, library: TheLibrary
) -> wire.VectorStoreFileDeleted:
    await library.remove(vector_store_id, file_id)
    return wire.VectorStoreFileDeleted(id=file_id, deleted=True, object="vector_store.file.deleted")


@router.get("/files/{file_id}/content")
async def content(vector_store_id: str, file_id: str, library: TheLibrary) -> Content:
    read = await library.passages(vector_store_id, file_id)
    return Content(data=[wire.FileContentResponse(type="text", text=text) for text in read])


@router.post("/file_batches")
async def create_batch(
    vector_store_id: str, body: AddBatch, store: TheStore, library: TheLibrary
) -> VectorStoreFileBatch:
    if not (body.file_ids or body.files) or (body.file_ids and body.files):
        raise ApiError(
            400,
            "Give either file_ids or files, with at least one file.",
            param="file_ids",
            code="missing_required_parameter",
        )
    shared = body.model_dump(include={"attributes", "chunking_strategy"})
    wanted = [{"file_id": file_id, **shared} for file_id in body.file_ids or []]
    wanted += [each.given() for each in body.files or []]
    for each in wanted:
        store.get(FileObject, each["file_id"])
    return await library.add_batch(vector_store_id, wanted)


@router.get("/file_batches/{batch_id}")
async def retrieve_batch(
    vector_store_id: str, batch_id: str, library: TheLibrary
) -> VectorStoreFileBatch:
    return await library.batch(vector_store_id, batch_id)


@router.post("/file_batches/{batch_id}/cancel")
async def cancel_batch(
    vector_store_id: str, batch_id: str, library: TheLibrary
) -> VectorStoreFileBatch:
    return await library.cancel_batch(vector_store_id, batch_id)


@router.get("/file_batches/{batch_id}/files")
async def list_batch(
    vector_store_id: str,
    batch_id: str,
    cursor: Annotated[FileCursor, Query()],
    library: TheLibrary,
) -> ListPage[VectorStoreFile]:
    await library.batch(vector_store_id, batch_id)
    return _page(await library.files(vector_store_id, batch_id), cursor)
