"""Everything that is not ours goes to the upstream, in live mode: one client serves a whole program.

A client has a token of ours and must not get hold of the upstream's key. So the address is made
from the upstream's and a path that cannot leave it, redirects are not followed, headers that
belong to one connection or to one of the two sides stay there, and the key is taken out of
whatever comes back.
"""

import re
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import unquote

import httpx2
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from assistants_server.engine import Guard, Upstream
from assistants_server.web.errors import ApiError
from assistants_server.web.event_headers import EVENT_STREAM, UNBUFFERED

router = APIRouter(prefix="/v1")

PREFIX = b"/v1/"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
SECONDS = httpx2.Timeout(600, connect=10, pool=30)
AT_ONCE = httpx2.Limits(max_connections=100)
MOST_ENCODINGS = 3  # %2e, %252e, %25252e

# RFC 9110, 7.6.1: these belong to one connection, and so do those that Connection names.
HOP_BY_HOP = """
connection expect http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection
te trailer transfer-encoding upgrade
"""
# What clients prove themselves with to us, and what tells where they are. An accept-encoding is not
# sent on because the answer is read here.
NOT_SENT_ON = """
accept-encoding api-key authorization cookie forwarded host x-api-key x-forwarded-for
x-forwarded-host x-forwarded-proto x-real-ip
"""
# What an upstream says of its own address, or of the length before the key was taken out.
NOT_SENT_BACK = """
alt-svc content-encoding content-length date server set-cookie strict-transport-security
"""


def client_for(upstream: Upstream) -> httpx2.AsyncClient:
    """Return the HTTP client that `pass_through` uses: without cookies, without redirects."""
    return httpx2.AsyncClient(
        timeout=SECONDS,
        limits=AT_ONCE,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        event_hooks={"response": [Guard(upstream.api_key, bounded=False)]},
        follow_redirects=False,
        trust_env=upstream.uses_proxies,
    )


@router.api_route("/{path:path}", methods=METHODS, include_in_schema=False)
async def pass_through(request: Request) -> Response:
    http: httpx2.AsyncClient = request.app.state.pass_through
    upstream: Upstream = request.app.state.upstream
    headers = _kept(request.headers.raw, NOT_SENT_ON)
    has_body = {"content-length", "transfer-encoding"} & set(request.headers)
    sent = http.build_request(
        request.method,
        target(upstream, request.scope["raw_path"], request.scope["query_string"]),
        headers=[*headers, (b"authorization", f"Bearer {upstream.api_key}".encode())],
        content=request.stream() if has_body else None,
    )
    try:
        answer = await http.send(sent, stream=True)
    except httpx2.PoolTimeout as error:
        raise ApiError(503, "Too many requests are under way. Try again in a while.") from error
    except httpx2.TransportError as error:
        raise ApiError(
            502,
            f"The model's server at {upstream.shown} does not answer ({type(error).__name__}). "
            "Look at OPENAI_BASE_URL.",
        ) from error
    if answer.has_redirect_location:
        await answer.aclose()
        raise ApiError(
            502,
            f"The model's server at {upstream.shown} answers with a redirect "
            f"({answer.status_code}), and the key goes nowhere else. Set OPENAI_BASE_URL to the "
            "address that it redirects to, if you trust that.",
        )
    response = StreamingResponse(
        answer.aiter_raw(),
        status_code=answer.status_code,
        background=BackgroundTask(answer.aclose),
    )
    response.raw_headers = _kept(answer.headers.raw, NOT_SENT_BACK)
    if answer.headers.get("content-type", "").startswith(EVENT_STREAM):
        response.headers.update(UNBUFFERED)
    return response


def target(upstream: Upstream, path: bytes, query: bytes) -> httpx2.URL:
    """Return the upstream's address for a request to us.

    Args:
        path: as it was sent, with its percent signs, for example ``/v1/models/a%2Fb``.
        query: as it was sent, without the question mark.

    Raises:
        ApiError: 400, the path could lead out of the upstream's base path.
    """
    base = httpx2.URL(upstream.base_url)
    room = base.raw_path.partition(b"?")[0].rstrip(b"/") + b"/"
    below, query = path.removeprefix(PREFIX), b"&".join(filter(None, (base.query, query)))
    if below == path or not _stays_below(below):
        raise _refusal()
    try:
        url = base.copy_with(raw_path=room + below + (b"?" + query if query else b""))
    except (httpx2.InvalidURL, UnicodeDecodeError):
        raise _refusal() from None
    origin, wanted = ((each.scheme, each.userinfo, each.netloc) for each in (url, base))
    if origin != wanted or not url.raw_path.startswith(room):
        raise _refusal()
    return url


def _refusal() -> ApiError:
    return ApiError(
        400,
        "Invalid URL: its path could lead out of the model's server's address. Send one without "
        "empty segments, '.', '..', backslashes and control characters, encoded or not.",
    )


def _stays_below(path: bytes) -> bool:
    """Return whether no server can take a path for one that leads up or elsewhere.

    Some decode twice, take backslashes for slashes, or drop what follows a semicolon.
    """
    try:
        read = path.decode("ascii")
        for _ in range(MOST_ENCODINGS):
            read = unquote(read, errors="strict")
        if unquote(read) != read:
            return False
    except UnicodeDecodeError:
        return False
    if re.search(r"[\x00-\x1f\x7f-\x9f\\]", read):
        return False
    *inner, last = (segment.partition(";")[0].strip() for segment in read.split("/"))
    return last not in (".", "..") and not {"", ".", ".."} & set(inner)


def _kept(headers: list[tuple[bytes, bytes]], dropped: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that go on, without those that Connection names either."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    left = {name.strip().lower() for name in named.split(b",")}
    left.update((HOP_BY_HOP + dropped).encode().split())
    return [(name, value) for name, value in headers if name.lower() not in left]
