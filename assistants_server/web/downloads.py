"""Sends an open file, in full or one range of bytes. The file may be deleted meanwhile."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse
from openai.types import FileObject
from starlette.datastructures import Headers

from assistants_server.web.errors import ApiError

PIECE = 256 * 1024
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def answer(opened: BinaryIO, file: FileObject, asked: Headers) -> Response:
    """Return a response that sends a file's content and then closes the file.

    A request for one range of bytes, such as ``Range: bytes=5-9``, is answered with 206, or with 416
    if the file has no such bytes. Several ranges and malformed ranges are ignored, and the whole
    file is sent, as RFC 9110 allows (https://www.rfc-editor.org/rfc/rfc9110#section-14.2).
    """
    size = os.fstat(opened.fileno()).st_size
    tag = f'"{file.id}"'  # the content of a file never changes
    headers = {
        "accept-ranges": "bytes",
        "etag": tag,
        "content-disposition": _disposition(file.filename),
    }
    part = RANGE.fullmatch(asked.get("range", ""))
    if part and (part[1] or part[2]) and asked.get("if-range", tag) == tag:
        first, last = _bounds(part[1], part[2], size)
        if not 0 <= first <= last:
            opened.close()
            message = f"The file has {size} bytes, so there is no range '{asked['range']}'."
            code = "range_not_satisfiable"
            refusal = ApiError(416, message, param="range", code=code).response()
            refusal.headers["content-range"] = f"bytes */{size}"
            return refusal
        headers["content-range"] = f"bytes {first}-{last}/{size}"
        status = 206
    else:
        first, last, status = 0, size - 1, 200
    opened.seek(first)
    headers["content-length"] = str(last - first + 1)
    return StreamingResponse(
        _pieces(opened, last - first + 1), status, headers, media_type="application/octet-stream"
    )


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte of a range such as "5-9", "5-" or "-9" (the last nine).

    The result of a range without bytes has `last` before `first`.
    """
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (0, -1)
    end = min(int(last), size - 1) if last else size - 1
    return int(first), end


def _disposition(name: str) -> str:
    quoted = quote(name, errors="replace")
    return (
        f"attachment; filename*=utf-8''{quoted}"
        if quoted != name
        else f'attachment; filename="{name}"'
    )


async def _pieces(opened: BinaryIO, left: int) -> AsyncIterator[bytes]:
    with opened:
        while left > 0 and (piece := await asyncio.to_thread(opened.read, min(left, PIECE))):
            left -= len(piece)
            yield piece
