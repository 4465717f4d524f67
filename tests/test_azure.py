"""Clients made for Azure OpenAI: its addresses, its header, and the version in each query."""

import asyncio
from collections.abc import Iterator
from urllib.parse import unquote

import httpx2
import pytest
from openai import AuthenticationError, AzureOpenAI, OpenAI

from assistants_server.server import Server
from assistants_server.web.azure import AzureAddresses
from tests.conftest import MODEL
from tests.serving import serving
from tests.upstream import send_json, upstream

VERSION = "2024-05-01-preview"


def address(server: Server) -> str:
    return server.base_url.removesuffix("/v1")


def azure(server: Server, **settings: object) -> AzureOpenAI:
    given = {"azure_endpoint": address(server), "api_key": server.token, "api_version": VERSION}
    return AzureOpenAI(**{**given, "max_retries": 0, **settings})


@pytest.fixture(params=["azure", "azure, a deployment", "openai/v1"])
def client(server: Server, request) -> Iterator[OpenAI]:
    if request.param == "openai/v1":
        made: OpenAI = OpenAI(base_url=f"{address(server)}/openai/v1", api_key=server.token)
    else:
        more = {"azure_deployment": "my-gpt"} if "deployment" in request.param else {}
        made = azure(server, **more)
    with made:
        yield made


def test_assistants_threads_and_runs(client):
    assistant = client.beta.assistants.create(model=MODEL, name="Tutor")
    assert client.beta.assistants.update(assistant.id, name="Coach").name == "Coach"
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Solve 2x = 8"}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    assert run.status == "completed"
    newest, _ = client.beta.threads.messages.list(thread.id)
    assert "x = 4" in newest.content[0].text.value
    assert len(client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data) == 1
    assert client.beta.threads.delete(thread.id).deleted
    assert client.beta.assistants.delete(assistant.id).deleted


def test_a_stream(client):
    assistant = client.beta.assistants.create(model=MODEL)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Solve 2x = 8"}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        text = "".join(stream.text_deltas)
    assert "x = 4" in text


def test_lists_go_from_page_to_page(client):
    thread = client.beta.threads.create()
    for number in range(3):
        client.beta.threads.messages.create(thread.id, role="user", content=str(number))
    pages = client.beta.threads.messages.list(thread.id, limit=1, order="asc")
    assert [message.content[0].text.value for message in pages] == ["0", "1", "2"]


def test_files_and_vector_stores(client):
    file = client.files.create(file=("groups.md", b"A group is a set."), purpose="assistants")
    assert client.files.content(file.id).read() == b"A group is a set."
    made = client.vector_stores.create(name="documents")
    added = client.vector_stores.files.create_and_poll(
        file.id, vector_store_id=made.id, poll_interval_ms=5
    )
    assert added.status == "completed"
    (hit,) = client.vector_stores.search(made.id, query="group").data
    assert hit.file_id == file.id


def test_a_chat_goes_to_its_deployment(client):
    answer = client.chat.completions.create(
        model="my-gpt", messages=[{"role": "user", "content": "Solve 2x = 8"}]
    )
    assert "x = 4" in answer.choices[0].message.content


@pytest.mark.parametrize("key", ["wrong", "sk-" + "x" * 40])
def test_a_wrong_key_is_refused_and_not_repeated(server, key):
    with azure(server, api_key=key) as client, pytest.raises(AuthenticationError) as error:
        client.beta.assistants.list()
    assert error.value.code == "invalid_api_key"
    assert key not in str(error.value)


@pytest.mark.parametrize("other", ["Bearer", "Bearer wrong", "Basic dTpw"])
def test_a_right_key_counts_beside_another_header(server, other):
    with azure(server, default_headers={"Authorization": other}) as client:
        assert client.beta.assistants.list().object == "list"


def test_another_unknown_parameter_is_still_refused(server):
    query = f"api-version={VERSION}&sort=name"
    answer = httpx2.get(
        f"{address(server)}/openai/assistants?{query}", headers={"api-key": server.token}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "sort")


def test_key_and_version_do_not_reach_the_models_server(tmp_path):
    seen = []

    def answer(handler, _):
        seen.append((handler.path, {name.lower(): v for name, v in handler.headers.items()}))
        send_json(handler, 200, {"object": "list", "data": []})

    with upstream(answer) as model, serving(tmp_path / "a.db", upstream=model) as server:
        with azure(server) as client:
            client.models.list(extra_query={"limit": 5})
            client.embeddings.create(model="my-embedding", input="x", encoding_format="float")
        paths = [path for path, _ in seen]
        assert paths == ["/v1/models?limit=5", "/v1/embeddings"]
        for _, headers in seen:
            assert headers["authorization"] == f"Bearer {model.api_key}"
            assert "api-key" not in headers
            assert server.token not in str(headers)


@pytest.mark.parametrize(
    ("asked", "routed"),
    [
        ("/openai/threads", "/v1/threads"),
        ("/openai/v1/threads/a%2Fb", "/v1/threads/a%2Fb"),
        ("/openai/deployments/a%2Fb/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/deployments/x/models", "/v1/models"),
        ("/openai/deployments/..", "/v1/deployments/.."),
        ("/openai", "/openai"),
        ("/openaix/threads", "/openaix/threads"),
        ("/v1/openai/threads", "/v1/openai/threads"),
        ("/health", "/health"),
    ],
)
@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ""),
        (f"api-version={VERSION}", ""),
        (f"limit=1&api%2Dversion={VERSION}&after=x", "limit=1&after=x"),
        ("api-versions=1", "api-versions=1"),
    ],
)
def test_where_an_address_leads(asked, routed, query, left):
    scopes = []

    async def note(scope, receive, send) -> None:
        scopes.append(scope)

    scope = {"type": "http", "path": unquote(asked), "raw_path": asked.encode()}
    scope["query_string"] = query.encode()
    asyncio.run(AzureAddresses(note)(scope, None, None))
    (got,) = scopes
    assert (got["raw_path"], got["query_string"]) == (routed.encode(), left.encode())
    assert got["path"] == unquote(routed)
