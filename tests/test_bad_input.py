"""Wrong requests get a 400 that names the parameter, and change nothing."""

import socket

import httpx2
import pytest
from openai import APIStatusError, AuthenticationError, OpenAI

from tests.conftest import MODEL

FUNCTION = {"type": "function", "function": {"name": "f"}}

# What is created or changed, the body, and the parameter that the error must name.
WRONG = [
    ("assistants", {}, "model"),
    ("assistants", {"model": 5}, "model"),
    ("assistants", {"model": ""}, "model"),
    ("assistants", {"model": MODEL, "foo": 1}, "foo"),
    ("assistants", {"model": MODEL, "name": "x" * 257}, "name"),
    ("assistants", {"model": MODEL, "description": "x" * 513}, "description"),
    ("assistants", {"model": MODEL, "instructions": "x" * 256_001}, "instructions"),
    ("assistants", {"model": MODEL, "metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ("assistants", {"model": MODEL, "metadata": {"k": "x" * 513}}, "metadata.k"),
    ("assistants", {"model": MODEL, "metadata": {"k": 1}}, "metadata.k"),
    ("assistants", {"model": MODEL, "tools": [FUNCTION] * 129}, "tools"),
    ("assistants", {"model": MODEL, "tools": [{"type": "retrieval"}]}, "tools[0]"),
    ("assistants", {"model": MODEL, "tools": [{}]}, "tools[0].type"),
    (
        "assistants",
        {"model": MODEL, "tools": [{"type": "function", "function": {"name": "two words"}}]},
        "tools[0].function.name",
    ),
    ("assistants", {"model": MODEL, "temperature": 2.1}, "temperature"),
    ("assistants", {"model": MODEL, "temperature": "hot"}, "temperature"),
    ("assistants", {"model": MODEL, "top_p": -0.1}, "top_p"),
    ("assistants", {"model": MODEL, "response_format": {"type": "xml"}}, "response_format"),
    ("threads", {"messages": "hello"}, "messages"),
    ("threads", {"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
    ("threads/{thread}/messages", {"role": "user"}, "content"),
    ("threads/{thread}/messages", {"role": "user", "content": []}, "content"),
    (
        "threads/{thread}/messages",
        {"role": "user", "content": [{"type": "text", "text": 5}]},
        "content[0].text",
    ),
    ("threads/{thread}/runs", {}, "assistant_id"),
    (
        "threads/{thread}/runs",
        {"assistant_id": "{assistant}", "max_prompt_tokens": 5},
        "max_prompt_tokens",
    ),
    (
        "threads/{thread}/runs",
        {"assistant_id": "{assistant}", "truncation_strategy": {"type": "last_messages"}},
        "truncation_strategy",
    ),
]


@pytest.mark.parametrize(("path", "body", "param"), WRONG, ids=[f"{p} {q}" for p, _, q in WRONG])
def test_the_error_names_the_parameter(client: OpenAI, assistant, thread, path, body, param):
    if body.get("assistant_id"):
        body = {**body, "assistant_id": assistant.id}
    with pytest.raises(APIStatusError) as error:
        client.post(f"/{path.format(thread=thread.id)}", body=body, cast_to=object)
    assert error.value.status_code == 400
    assert error.value.param == param
    assert param in error.value.body["message"]
    assert error.value.type == "invalid_request_error"


def test_nothing_wrong_was_stored(client: OpenAI, assistant, thread):
    before = client.beta.assistants.list().data
    for path, body, _ in WRONG:
        with pytest.raises(APIStatusError):
            client.post(f"/{path.format(thread=thread.id)}", body=body, cast_to=object)
    assert client.beta.assistants.list().data == before
    assert client.beta.threads.messages.list(thread.id).data == []
    assert client.beta.threads.runs.list(thread.id).data == []


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'"text"', b"{", b"\xff\xfe", b"null"])
def test_a_body_that_is_not_a_json_object(server, body):
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    answer = httpx2.post(f"{server.base_url}/assistants", content=body, headers=headers)
    assert answer.status_code == 400
    assert "not a JSON object" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["wrong", "sk-" + "x" * 40])
def test_a_wrong_token_is_refused_and_not_repeated(server, key):
    with pytest.raises(AuthenticationError) as error:
        OpenAI(base_url=server.base_url, api_key=key).beta.assistants.list()
    assert error.value.code == "invalid_api_key"
    assert key not in str(error.value)


def test_no_token(server):
    answer = httpx2.get(f"{server.base_url}/assistants")
    assert answer.status_code == 401
    assert "OPENAI_API_KEY" in answer.json()["error"]["message"]


def test_a_token_is_asked_for_before_the_body_is_read(server):
    answer = httpx2.post(f"{server.base_url}/assistants", content=b"not json")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nonsense", 404), ("PUT", "/assistants", 405), ("DELETE", "/threads", 405)],
)
def test_an_unknown_route(server, method, path, status):
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx2.request(method, server.base_url + path, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].startswith("Invalid")


def test_garbage_on_the_socket_does_not_take_the_server_down(server, client):
    port = int(server.base_url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"\x00\x01garbage\r\n\r\n")
        raw.recv(1000)
    assert client.beta.assistants.list()


def test_an_unknown_query_parameter(client):
    with pytest.raises(APIStatusError) as error:
        client.beta.assistants.list(extra_query={"sort": "name"})
    assert error.value.param == "sort"


def test_file_ids_must_exist(client):
    with pytest.raises(APIStatusError, match="No file found with id 'file-x'"):
        client.beta.assistants.create(
            model=MODEL, tool_resources={"code_interpreter": {"file_ids": ["file-x"]}}
        )
