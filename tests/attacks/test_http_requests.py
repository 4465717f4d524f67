"""Requests that are whole, but odd: JSON that cannot be given back, odd queries, invalid HTTP."""

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import pytest

from assistants_server.api import (
    assistants,
    files,
    messages,
    run_steps,
    runs,
    threads,
    tool_outputs,
    vector_store_files,
    vector_stores,
)
from assistants_server.offline import chat_completions, embeddings, responses
from assistants_server.web.json_body import MOST_LEVELS, MOST_VALUES
from assistants_server.web.strict_route import StrictRoute
from tests.conftest import MODEL

JSON = {"Content-Type": "application/json"}


def nested(levels: int) -> str:
    return '{"a":' * levels + "{}" + "}" * levels


def with_parameters(parameters: str) -> str:
    function = f'{{"name": "f", "parameters": {parameters}}}'
    return f'{{"model": "m", "tools": [{{"type": "function", "function": {function}}}]}}'


@pytest.fixture
def post(server) -> Callable[..., httpx2.Response]:
    def post(path: str, content: str | bytes, **headers: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {server.token}", **JSON, **headers}
        return httpx2.post(f"{server.base_url}{path}", content=content, headers=headers, timeout=30)

    return post


def refused(answer: httpx2.Response) -> tuple[str | None, str]:
    """Return the parameter that a 400 names, and its message."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["param"], error["message"]


# What is sent, and the parameter that the answer must name.
UNKEEPABLE = {
    "NaN": ('{"model": "m", "temperature": NaN}', "temperature"),
    "Infinity": ('{"model": "m", "metadata": {"a": Infinity}}', "metadata.a"),
    "-Infinity": ('{"model": "m", "top_p": -Infinity}', "top_p"),
    "1e999": ('{"model": "m", "temperature": 1e999}', "temperature"),
    "NaN inside": (with_parameters('{"default": NaN}'), "tools[0].function.parameters.default"),
    "half a pair": (r'{"model": "m", "name": "\ud800"}', "name"),
    "other half": (r'{"model": "m", "name": "x\udc00y"}', "name"),
    "half in a key": (r'{"model": "m", "metadata": {"\ud800": "x"}}', "metadata.?"),
    "half in a list": (
        with_parameters(r'{"enum": ["\udfff"]}'),
        "tools[0].function.parameters.enum",
    ),
    "65 bits": (
        with_parameters('{"maximum": 18446744073709551616}'),
        "tools[0].function.parameters.maximum",
    ),
    "twice": ('{"model": "m", "model": "n"}', "model"),
    "twice inside": ('{"model": "m", "metadata": {"k": "1", "k": "2"}}', "k"),
    "too deep": (with_parameters(nested(MOST_LEVELS)), "tools[0].function.parameters.a"),
    "197 levels": (with_parameters(nested(197)), "tools[0].function.parameters.a"),
    "250 levels": (with_parameters(nested(250)), "tools[0].function.parameters.a"),
}


@pytest.mark.parametrize("path", ["/assistants", "/responses", "/chat/completions"])
@pytest.mark.parametrize(("content", "param"), UNKEEPABLE.values(), ids=UNKEEPABLE)
def test_json_that_could_not_be_given_back_is_refused(post, client, path, content, param):
    before = client.beta.assistants.list().data
    assert refused(post(path, content))[0] == param
    assert client.beta.assistants.list().data == before


@pytest.mark.parametrize(
    "content",
    [
        nested(100_000),
        "[" * 8_000_000,
        '{"a": 1' + "0" * 5000 + "}",
        '{"a": [' + "[]," * (MOST_VALUES + 1) + "1]}",
        '{"a": [' + '"",' * 5_000_000 + "1]}",
        "{" + ",".join(f'"{n}": 1' for n in range(MOST_VALUES + 1)) + "}",
        '{"a": "' + r"\"" * 7_000_000,
        "{" + ",".join(f'"{n}": 1' for n in range(MOST_VALUES - 2)) + ', "0": 2}',
        '"' * 100_000,
        "[" + ", " * 1_000_000 + "]",
    ],
    ids=["deep", "open", "digits", "lists", "texts", "keys", "quoted", "twice", "quotes", "commas"],
)
def test_json_of_absurd_size_is_refused(post, content):
    refused(post("/responses", content))  # which takes the largest bodies


def test_deep_schemas_within_the_limit_come_back(client):
    levels = MOST_LEVELS - 4  # the body, tools, the tool and its function
    parameters = json.loads(nested(levels - 1))
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    made = client.beta.assistants.create(model=MODEL, tools=[tool])
    assert client.beta.assistants.list().data[0].tools[0].function.parameters == parameters
    assert client.beta.assistants.update(made.id, name="x").tools[0].function.name == "f"


@pytest.mark.parametrize("text", ["😀", "\x00", "\ufeff", "e\u0301", "\u202e", "\U0010ffff"])
def test_odd_characters_come_back_as_they_were(client, thread, text):
    made = client.beta.threads.messages.create(thread.id, role="user", content=f"a{text}b")
    listed = client.beta.threads.messages.list(thread.id).data[0]
    assert made.content[0].text.value == listed.content[0].text.value == f"a{text}b"


def test_a_text_with_very_many_commas_is_one_value(post):
    content = "a,[{" * 60_000
    answer = post("/threads", json.dumps({"messages": [{"role": "user", "content": content}]}))
    assert answer.status_code == 200


def test_pairs_of_surrogates_are_characters(post):
    assert post("/assistants", r'{"model": "m", "name": "\ud83d\ude00"}').json()["name"] == "😀"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"model": "m"}', "text/plain"),
        ('{"model": "m"}', "multipart/form-data; boundary=x"),
        ('{"model": "m"}', "application/x-www-form-urlencoded"),
        ('{"model": "m"}'.encode("utf-16"), "application/json"),
        (b'{"model": "\xff"}', "application/json"),
        (b'{"model": "\xed\xa0\x80"}', "application/json"),
        ('{"model": "m"} x', "application/json"),
        ("{'model': 'm'}", "application/json"),
    ],
)
def test_what_is_not_json_is_refused(post, content, kind):
    assert "not a JSON object" in refused(post("/assistants", content, **{"Content-Type": kind}))[1]


def test_a_byte_order_mark_is_passed_over(post):
    assert post("/assistants", b'\xef\xbb\xbf{"model": "m"}').status_code == 200


def test_an_upload_is_not_read_where_json_is_wanted(server):
    """500 MB are announced; the answer comes before they are sent."""
    answer = say(
        server,
        "POST /v1/assistants HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n",
    )
    assert answer[0] == 400


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/assistants?after=a&after=b", "after"),
        ("/assistants?limit=1&order=asc&limit=2", "limit"),
        ("/assistants?limit=", "limit"),
        ("/assistants?limit=1.5", "limit"),
        ("/assistants?limit=99999999999999999999", "limit"),
        ("/assistants?order=", "order"),
        ("/assistants?sort=name", "sort"),
        ("/assistants?=1", ""),
        ("/assistants/asst_x?foo=1", "foo"),
        ("/threads/thread_x?limit=1", "limit"),
        ("/threads/thread_x/messages?run_id=a&run_id=b", "run_id"),
        ("/files?purpose=a&purpose=b", "purpose"),
    ],
)
def test_an_odd_query_is_refused(server, path, param):
    headers = {"Authorization": f"Bearer {server.token}"}
    assert refused(httpx2.get(f"{server.base_url}{path}", headers=headers))[0] == param


def say(server, head: str, rest: bytes = b"") -> tuple[int, dict]:
    """Send a request by hand; return the status and the error."""
    address = urlsplit(server.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        head += f"Authorization: Bearer {server.token}\r\n\r\n"
        client.sendall(head.encode("latin-1") + rest)
        answer = client.makefile("rb")
        status = int(answer.readline().split()[1])
        length = 0
        while (line := answer.readline().strip()) != b"":
            name, _, value = line.partition(b": ")
            length = int(value) if name.lower() == b"content-length" else length
        content = answer.read(length)
    error = json.loads(content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return status, error


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        ("\x00\x01garbage", [400]),
        ("GET", [400]),
        ("FOO /v1/assistants HTTP/1.1", [400]),
        ("CONNECT evil:443 HTTP/1.1", [400]),
        ("OPTIONS * HTTP/1.1", [404, 405]),
        ("TRACE /v1/assistants HTTP/1.1", [405]),
        ("GET /v1/assistants/ HTTP/1.1", [404]),
        ("POST /v1/threads/ HTTP/1.1", [404]),
        ("GET //v1/assistants HTTP/1.1", [404]),
        ("GET /v1/assistants/%00%0a%ff%ed%a0%80 HTTP/1.1", [404]),
        ("GET /v1/assistants/%zz HTTP/1.1", [404]),
        ("GET /v1/assistants/..%2f..%2fetc HTTP/1.1", [404]),
        ("GET /v1/\xff HTTP/1.1", [400]),
        ("GET /v1/assistants?after=\xff HTTP/1.1", [400]),
        ("GET /v1/assistants HTTP/9.9", [400]),
        ("GET /" + "a" * 100_000 + " HTTP/1.1", [431]),
        ("GET / HTTP/1.1\r\nX-Long: " + "a" * 100_000, [431]),
        ("POST /v1/threads HTTP/1.1\r\nContent-Length: -1", [400]),
        ("POST /v1/threads HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", [400]),
        ("POST /v1/threads HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked", [400]),
        ("POST /v1/threads HTTP/1.1\r\nContent-Length: 99999999999999", [413]),
    ],
    ids=lambda value: str(value)[:40].encode("unicode_escape").decode(),
)
def test_odd_http_is_answered_in_the_envelope(server, line, statuses):
    status, error = say(server, f"{line}\r\nHost: x\r\n")
    assert status in statuses
    assert error["type"] == "invalid_request_error"


def test_a_head_without_an_end_is_refused(server):
    address = urlsplit(server.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        sent = 0
        try:
            while sent < 50 * 2**20:
                sent += client.send(b"a" * 2**16)
        except OSError:
            pass
    assert sent < 50 * 2**20


@pytest.mark.parametrize("path", ["//health", "/health/", "/health/x", "/Health", "/health%20"])
def test_only_health_itself_needs_no_token(server, path):
    answer = httpx2.get(server.base_url.removesuffix("/v1") + path)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/docs", "/v1/nothing", "/"])
def test_without_a_token_nothing_is_told(server, path):
    base = server.base_url.removesuffix("/v1")
    wrong = ["", "Bearer", "Basic x", f"Basic {server.token}", "Bearer ä", "Bearer " + "x" * 9999]
    answers = [
        httpx2.get(base + path, headers={"Authorization": value.encode("latin-1")})
        for value in wrong
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert not any(server.token in answer.text for answer in answers)


def test_an_upgrade_is_passed_over(server):
    answer = httpx2.get(
        f"{server.base_url}/assistants",
        headers={
            "Authorization": f"Bearer {server.token}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "x",
        },
    )
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_every_route_of_ours_reads_strictly():
    """A route that does not would take what is refused above."""
    rooms = (assistants, files, messages, run_steps, runs, threads, tool_outputs)
    rooms += (vector_store_files, vector_stores, chat_completions, embeddings, responses)
    loose = [
        each.path
        for room in rooms
        for each in room.router.routes
        if not isinstance(each, StrictRoute)
    ]
    assert loose == []
