"""A client of a live server wants the upstream's key, or the server to ask other addresses."""

import gzip
import http.client
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx2
import pytest

from assistants_server.api.pass_through import target
from assistants_server.engine import Upstream
from assistants_server.engine.guard import KeyFilter
from assistants_server.server import Server
from tests.recordings.headers import PATTERNS
from tests.serving import serving
from tests.upstream import CANARY_KEY, send_json, upstream


class Front:
    """A live server, and what its upstream was asked. `answer` is how the upstream answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.forget()

    def forget(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.answer = lambda handler, body: send_json(handler, 200, {"ok": True})

    def raw(self, method: str, path: str, headers: dict[str, str] | None = None, body=None):
        """Send a path as it is; return the status, the headers and the body."""
        address = urlsplit(self.server.base_url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {
            "Authorization": f"Bearer {self.server.token}",
            **({"Content-Length": str(len(body))} if body else {}),
            **(headers or {}),
        }.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content


@pytest.fixture(scope="module")
def shared_front(tmp_path_factory) -> Iterator[Front]:
    def answer(handler: BaseHTTPRequestHandler, body: dict) -> None:
        front.seen.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        front.answer(handler, body)

    with upstream(answer) as address:
        database = tmp_path_factory.mktemp("front") / "live.db"
        with serving(database, upstream=address) as server:
            front = Front(server)
            yield front


@pytest.fixture
def front(shared_front: Front) -> Front:
    shared_front.forget()
    return shared_front


@pytest.fixture
def thief() -> Iterator[tuple[str, list[str]]]:
    """Another server on this machine; yield its address, and the keys and paths that it got."""
    got: list[str] = []

    def answer(handler: BaseHTTPRequestHandler, body: dict) -> None:
        got.append(f"{handler.path} {handler.headers.get('Authorization')}")
        send_json(handler, 200, {})

    with upstream(answer) as address:
        yield address.base_url.removesuffix("/v1"), got


def send_raw(handler: BaseHTTPRequestHandler, pieces: list[bytes], **headers: str) -> None:
    handler.close_connection = True
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(piece)
        handler.wfile.flush()


def test_an_absolute_address_as_a_path_reaches_nobody(front, thief):
    address, got = thief
    spellings = [address, address.replace("://", "%3A%2F%2F"), address.removeprefix("http:")]
    for spelling in spellings:
        status, _, content = front.raw("GET", f"/v1/{spelling}/steal")
        assert status == 400
        assert "Invalid URL" in json.loads(content)["error"]["message"]
    assert got == []
    assert front.seen == []


@pytest.mark.parametrize(
    "path",
    [
        "../admin",
        "./x",
        "a/../../admin",
        "%2e%2e/admin",
        "%2E%2E%2Fadmin",
        ".%2e/admin",
        "%252e%252e/admin",
        "%25252e%25252e/admin",
        "a/..;x=1/admin",
        "..%3b/admin",
        "..\\admin",
        "..%5cadmin",
        "a\\b",
        "%2e%2e%20/admin",
        "a//b",
        "%2fadmin",
        "/admin",
        "a%00b",
        "a%0d%0aHost:%20evil",
        "a%7fb",
        "a%c2%85b",
        "%c0%ae%c0%ae/admin",
        "models/..",
        "models/.",
    ],
)
def test_no_path_leaves_the_base_path_of_the_upstream(front, path):
    status, _, content = front.raw("GET", f"/v1/{path}")
    assert status in (400, 404), content
    assert json.loads(content)["error"]["type"] == "invalid_request_error"
    assert front.seen == []


@pytest.mark.parametrize(
    "path",
    [
        "models",
        "models/",
        "models/meta-llama%2FLlama-3",
        "models/ft:gpt%3Aorg::id",
        "models/a.b..c",
        "x?a=1&a=2&u=http://evil/..//",
        "audio/speech;v=1",
        "a%20b",
        "http:",
    ],
)
def test_an_ordinary_path_arrives_as_it_was_sent(front, path):
    status, _, _ = front.raw("GET", f"/v1/{path}")
    assert status == 200
    assert [seen for seen, _ in front.seen] == [f"/v1/{path}"]


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        ("https://up.example/v1", b"https://up.example/v1/models?a=%2F"),
        ("https://up.example/v1/", b"https://up.example/v1/models?a=%2F"),
        ("https://u:p@up.example:8443/a/b/v1", b"https://u:p@up.example:8443/a/b/v1/models?a=%2F"),
        ("http://[::1]:8000", b"http://[::1]:8000/models?a=%2F"),
    ],
)
def test_the_target_is_the_upstream(base_url, wanted):
    url = target(Upstream(base_url, CANARY_KEY), b"/v1/models", b"a=%2F")
    assert str(url.copy_with(userinfo=b"")) == str(
        httpx2.URL(wanted.decode()).copy_with(userinfo=b"")
    )
    assert url.userinfo == httpx2.URL(base_url).userinfo


def test_a_redirect_takes_the_key_nowhere(front, thief):
    address, got = thief

    def redirect(handler, body):
        handler.send_response(307)
        handler.send_header("Location", f"{address}/steal?key={CANARY_KEY}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    front.answer = redirect
    status, headers, content = front.raw("GET", "/v1/models")
    assert status == 502
    assert "redirect" in json.loads(content)["error"]["message"]
    assert CANARY_KEY not in f"{headers} {content}"
    assert got == []


def test_headers_of_one_connection_or_one_side_stay_there(front):
    front.answer = lambda handler, body: send_raw(
        handler,
        [b"{}"],
        Content_Type="application/json",
        Connection="close, X-Only-Here",
        X_Only_Here="1",
        Keep_Alive="timeout=5",
        Proxy_Authenticate="Basic",
        Trailer="X",
        Set_Cookie="session=1",
        Strict_Transport_Security="max-age=99999999",
        Alt_Svc='h2="evil:443"',
        X_Request_Id="req_1",
    )
    sent = {
        "Connection": "close, TE, X-Mine",
        "TE": "trailers",
        "X-Mine": "1",
        "Upgrade": "h2c",
        "Proxy-Authorization": "Basic c2VjcmV0",
        "Cookie": "a=b",
        "api-key": "mine",
        "X-Api-Key": "mine",
        "X-Forwarded-For": "10.0.0.1",
        "Keep-Alive": "timeout=5",
        "OpenAI-Project": "proj_1",
    }
    _, back, _ = front.raw("GET", "/v1/models", sent)
    ((_, seen),) = front.seen
    stayed = {name.lower() for name in sent} - {"openai-project", "connection"}
    assert not stayed & set(seen)
    assert seen["openai-project"] == "proj_1"
    assert seen["authorization"] == f"Bearer {CANARY_KEY}"
    assert front.server.token not in str(seen)
    names = {name.lower() for name, _ in back}
    assert names <= {
        "date",
        "server",
        "content-type",
        "transfer-encoding",
        "connection",
        *PATTERNS,
    }
    assert "x-request-id" in names


def test_clients_share_no_cookies(front):
    front.answer = lambda handler, body: send_raw(handler, [b"{}"], Set_Cookie="session=of-ana")
    front.raw("GET", "/v1/models")
    front.raw("GET", "/v1/models")
    assert all("cookie" not in headers for _, headers in front.seen)


@pytest.mark.parametrize("status", [200, 401, 500])
def test_the_key_is_taken_out_of_headers_and_body(front, status):
    def echo(handler, body):
        content = json.dumps({"error": {"message": f"seen: {handler.headers['Authorization']}"}})
        handler.send_response(status)
        handler.send_header("X-Debug", handler.headers["Authorization"])
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content.encode())

    front.answer = echo
    got, headers, content = front.raw("GET", "/v1/models")
    assert got == status
    assert json.loads(content)["error"]["message"] == "seen: Bearer (the key)"
    assert dict(headers)["x-debug"] == "Bearer (the key)"


def test_a_key_cut_into_pieces_is_taken_out(front):
    key = CANARY_KEY.encode()
    front.answer = lambda handler, body: send_raw(
        handler, [b"a" + key[:7], key[7:8], key[8:] + b"b" + key[:-1], b"!"]
    )
    _, _, content = front.raw("GET", "/v1/models")
    assert content == b"a(the key)b" + key[:-1] + b"!"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_is_no_hiding_place(front, encoding):
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    content = compress(b"before " + CANARY_KEY.encode() + b" after")
    front.answer = lambda handler, body: send_raw(handler, [content], Content_Encoding=encoding)
    _, headers, said = front.raw("GET", "/v1/models")
    assert said == b"before (the key) after"
    assert "content-encoding" not in {name.lower() for name, _ in headers}


def test_events_are_not_held_back(front):
    """The upstream waits with its second event until the client has read the first."""
    read = threading.Event()

    def answer(handler, body):
        send_raw(handler, [b"data: 1\n\n"], Content_Type="text/event-stream")
        assert read.wait(30)
        handler.wfile.write(b"data: 2\n\n")

    front.answer = answer
    headers = {"Authorization": f"Bearer {front.server.token}"}
    address = f"{front.server.base_url}/chat/completions"
    with httpx2.stream("POST", address, json={}, headers=headers, timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "data: 1"
        read.set()
        assert [line for line in lines if line] == ["data: 2"]


@pytest.mark.parametrize("key", [CANARY_KEY, "aaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabcab"])
def test_a_key_is_found_wherever_it_is_cut(key):
    text = f"{key[:5]}x{key}{key}y{key[:-1]}".encode()
    wanted = text.replace(key.encode(), b"(the key)")
    for size in (1, 2, 3, len(key) - 1, len(key), len(key) + 1, len(text)):
        filter = KeyFilter(key)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        found = b"".join(map(filter.feed, pieces)) + filter.rest()
        assert key.encode() not in found
        assert size < len(text) or found == wanted


def test_a_placeholder_is_no_key():
    assert KeyFilter("ollama").feed(b"run by ollama") == b"run by ollama"


def test_an_upload_is_passed_on_as_it_comes(tmp_path):
    """The client sends its second half when the upstream has the first; nobody keeps it all."""
    half, arrived = 4 * 2**20, threading.Event()

    class Slurp(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            for _ in range(2):
                self.rfile.read(half)
                arrived.set()
            send_json(self, 200, {"length": self.headers["Content-Length"]})

        def log_message(self, *_: object) -> None:
            pass

    def parts() -> Iterator[bytes]:
        yield b"x" * half
        assert arrived.wait(30)
        yield b"x" * half

    with ThreadingHTTPServer(("127.0.0.1", 0), Slurp) as slow:
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        address = Upstream(f"http://127.0.0.1:{slow.server_port}/v1", CANARY_KEY)
        try:
            with serving(tmp_path / "live.db", upstream=address) as server:
                headers = {"Authorization": f"Bearer {server.token}"}
                headers["Content-Length"] = str(2 * half)
                answer = httpx2.post(
                    f"{server.base_url}/uploads", content=parts(), headers=headers, timeout=60
                )
        finally:
            slow.shutdown()
    assert answer.json() == {"length": str(2 * half)}


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "OPTIONS", "HEAD"])
def test_other_methods_are_not_passed_on(front, method):
    address = urlsplit(front.server.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as raw:
        head = f"{method} /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        raw.sendall(f"{head}Authorization: Bearer {front.server.token}\r\n\r\n".encode())
        assert raw.makefile("rb").readline().split()[1] in (b"400", b"405")
    assert front.seen == []
