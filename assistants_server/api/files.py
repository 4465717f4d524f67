"""``/files``: upload, list, retrieve, content, delete."""

import asyncio
import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from openai.types import FileDeleted, FileObject
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData
from starlette.datastructures import UploadFile as ReceivedFile
from starlette.formparsers import MultiPartException

from assistants_server import contents
from assistants_server.api.context import TheLibrary, TheStore, library_of
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.clock import now
from assistants_server.store import NotFound, Store, Unwritable, new_id
from assistants_server.web import downloads
from assistants_server.web.errors import ApiError
from assistants_server.web.strict_route import StrictRoute

LONGEST_NAME = 1000  # characters; each may become twelve in a header
SECONDS_OF_A_BATCH_FILE = 30 * 86_400  # as OpenAI's, unless the upload says otherwise
MEMBER = re.compile(r"(\w+)\[(\w+)\]")  # expires_after[seconds]


async def _delete_expired(request: Request) -> None:
    await (await library_of(request)).delete_expired_files()


router = APIRouter(
    prefix="/v1/files", route_class=StrictRoute, dependencies=[Depends(_delete_expired)]
)


def _storable(given: Any) -> Any:
    """Refuse what is not a file, and a name that cannot be stored or sent in a header.

    Any other name is fine: it is never used as a path.
    """
    if not isinstance(given, ReceivedFile):
        raise ValueError("expected a file, with a filename in its Content-Disposition")
    name = given.filename or ""
    if len(name) > LONGEST_NAME:
        reason = f"has {len(name):,} characters; {LONGEST_NAME:,} is the most"
    elif any("\ud800" <= character <= "\udfff" for character in name):
        reason = "holds half of a surrogate pair, which is no character"
    else:
        return given
    raise ValueError(f"the name of the file {reason}. Rename the file")


class ExpiresAfter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class Upload(BaseModel):
    """The form of an upload. It is not strict, since in a form every number is a text."""

    model_config = ConfigDict(extra="forbid")

    file: Annotated[UploadFile, BeforeValidator(_storable)]
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data"]
    expires_after: ExpiresAfter | None = None


class FileCursor(Cursor):
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    purpose: str | None = None


@router.post("")
async def upload(request: Request, store: TheStore) -> FileObject:
    try:
        async with request.form(max_files=1) as form:
            return await _keep(_read(form), store)
    except (MultiPartException, UnicodeError) as error:  # the latter from an odd charset
        raise ApiError(400, f"The upload is not valid multipart/form-data: {error}") from error
    except OSError as error:
        raise Unwritable(
            f"The upload cannot be written ({error.strerror}). Nothing was stored. Make room on the "
            "disk, or make it writable, and try again."
        ) from error


def _read(form: FormData) -> Upload:
    """Return the parameters of a form. ``a[b]`` is the member ``b`` of the parameter ``a``.

    Raises:
        ApiError: 400, the form is empty, or a parameter is given twice.
        UnicodeError: a name has characters that cannot be encoded.
        RequestValidationError: a parameter is missing, unknown or wrong.
    """
    if not form:
        raise ApiError(
            400,
            "Missing required parameter: 'file'. Send it, and 'purpose', as multipart/form-data.",
            param="file",
            code="missing_required_parameter",
        )
    given: dict[str, Any] = {}
    for name, value in form.multi_items():
        name.encode()  # fails for half of a surrogate pair, which an odd charset can make
        place, key = given, name
        if member := MEMBER.fullmatch(name):
            place, key = given.setdefault(member[1], {}), member[2]
        if not isinstance(place, dict) or key in place:
            raise ApiError(
                400,
                f"The parameter '{name}' is given twice. Give it once.",
                param=name,
                code="duplicate_parameter",
            )
        place[key] = value
    try:
        return Upload.model_validate(given)
    except ValidationError as error:
        unknown_first = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        places = [{**each, "loc": ("body", *each["loc"])} for each in unknown_first]
        raise RequestValidationError(places, body=given) from None


async def _keep(upload: Upload, store: Store) -> FileObject:
    file_id, created_at = new_id("file-"), now()
    seconds = SECONDS_OF_A_BATCH_FILE if upload.purpose == "batch" else None
    if upload.expires_after:
        seconds = upload.expires_after.seconds
    file = FileObject(
        id=file_id,
        object="file",
        bytes=await asyncio.to_thread(contents.write, store, file_id, upload.file.file),
        created_at=created_at,
        expires_at=seconds and created_at + seconds,
        filename=upload.file.filename or "upload",
        purpose=upload.purpose,
        status="processed",
    )
    await contents.keep(store, file)
    return file


@router.get("")
async def list_all(cursor: Annotated[FileCursor, Query()], store: TheStore) -> ListPage[FileObject]:
    return ListPage[FileObject].of(store.page(FileObject, **cursor.model_dump()))


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
async def delete(file_id: str, library: TheLibrary) -> FileDeleted:
    await library.delete_file(file_id)
    return FileDeleted(id=file_id, deleted=True, object="file")
