"""Turns exceptions into error responses: ``{"error": {"message", "type", "param", "code"}}``."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from assistants_server.store import Busy, NotFound, StoreError, Unstorable, Unwritable
from assistants_server.web.envelope import envelope
from assistants_server.web.validation import explain


class ApiError(Exception):
    """An error response. Raise it anywhere below an endpoint.

    Args:
        type: if it is not "server_error" for a status from 500 on, or else "invalid_request_error".
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        type: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = type or ("server_error" if status >= 500 else "invalid_request_error")
        self.body = envelope(message, type=kind, param=param, code=code)

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status)


def refusal(errors: Sequence[Any], body: Any) -> ApiError:
    """Return the error for a request that pydantic has found these faults in."""
    message, param, code = explain(errors, body)
    return ApiError(400, message, param=param, code=code)


def install(app: FastAPI) -> None:
    """Register exception handlers, so that `app` answers every error with OpenAI's JSON body."""

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(NotFound)
    async def not_found(request: Request, error: NotFound) -> JSONResponse:
        return ApiError(404, str(error)).response()

    @app.exception_handler(StoreError)
    async def store_error(request: Request, error: StoreError) -> JSONResponse:
        if isinstance(error, Unstorable):
            return ApiError(400, str(error), code="invalid_value").response()
        again = isinstance(error, (Busy, Unwritable))  # OpenAI's clients retry a 503
        answer = ApiError(503 if again else 500, str(error)).response()
        if again:
            answer.headers["Retry-After"] = "1"
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return refusal(error.errors(), error.body).response()

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        url = f"{request.method} {request.url.path}"
        messages = {
            404: f"Invalid URL ({url}). This server speaks /v1/assistants, /v1/threads and /v1/files.",
            405: f"Invalid method for URL ({url}).",
        }
        return ApiError(
            error.status_code, messages.get(error.status_code, str(error.detail))
        ).response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return ApiError(500, "The server had an error; its log says more.").response()
