"""Every answer says which request it belongs to, and so do the lines of the log."""

import logging
import re
import socket
from urllib.parse import urlsplit

import httpx2
from openai import OpenAI

from assistants_server.store import Store
from assistants_server.web import body_limits
from tests.attacks.waiting import until
from tests.recordings.headers import PATTERNS
from tests.serving import serving
from tests.upstream import upstream


def check(headers: httpx2.Headers) -> str:
    """Return the id of a request, if its answer has all the headers."""
    for name, pattern in PATTERNS.items():
        assert re.fullmatch(pattern, headers[name]), name
    return headers["x-request-id"]


def logged(caplog, event: str, **fields: object) -> list[str]:
    """Return the ids in the lines of an event that have these fields."""
    lines = [record.fields for record in caplog.records if record.msg == event]
    return [line["request"] for line in lines if fields.items() <= line.items()]


def test_errors_have_the_headers_too(server, client, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("unexpected")

    address, token = server.base_url, {"Authorization": f"Bearer {server.token}"}
    answers = [
        httpx2.get(f"{address}/assistants"),
        httpx2.get(f"{address}/nonsense", headers=token),
        httpx2.put(f"{address}/assistants", headers=token),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Store, "page", fail)
        answers.append(httpx2.get(f"{address}/assistants", headers=token))
    with monkeypatch.context() as patch:
        patch.setattr(body_limits, "OBJECT_LIMIT", 1)
        answers.append(httpx2.post(f"{address}/threads", headers=token, json={"a": 1}))
    assert [answer.status_code for answer in answers] == [401, 404, 405, 500, 413]
    assert len({check(answer.headers) for answer in answers}) == 5


def test_what_is_no_request_is_answered_with_the_headers(server):
    port = urlsplit(server.base_url).port
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        head = raw.makefile("rb").read().partition(b"\r\n\r\n")[0].decode()
    lines = [line.split(": ", 1) for line in head.splitlines()[1:]]
    check(httpx2.Headers([(name, value) for name, value in lines]))


def test_a_stream_its_request_and_its_run_have_one_id(client: OpenAI, assistant, caplog):
    caplog.set_level(logging.INFO, logger="assistants_server")
    with client.beta.threads.with_streaming_response.create_and_run(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Solve 2x = 8"}]},
        stream=True,
    ) as answer:
        request_id = check(answer.headers)
        answer.read()
    until(lambda: logged(caplog, "request", path="/v1/threads/runs"))
    assert logged(caplog, "request", path="/v1/threads/runs") == [request_id]
    assert logged(caplog, "run", status="completed") == [request_id]


def test_a_models_server_says_its_own_id(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="assistants_server")

    def answer(handler, _) -> None:
        handler.send_response_only(200)
        handler.send_header("X-Request-Id", "req_of_theirs")
        handler.send_header("OpenAI-Organization", "theirs")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with upstream(answer) as model, serving(tmp_path / "a.db", upstream=model) as server:
        token = {"Authorization": f"Bearer {server.token}"}
        got = httpx2.get(f"{server.base_url}/models", headers=token)
        assert got.headers.get_list("x-request-id") == ["req_of_theirs"]
        assert got.headers.get_list("openai-organization") == ["theirs"]
        assert got.headers["openai-version"] == "2020-10-01"
        until(lambda: logged(caplog, "request", path="/v1/models"))
    assert logged(caplog, "request", path="/v1/models") == ["req_of_theirs"]
