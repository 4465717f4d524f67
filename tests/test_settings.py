"""Settings of the upstream as people get them wrong, and what stands between it and the clients."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from assistants_server.engine import SettingsError, Upstream, trouble, unused_address
from assistants_server.engine.upstream import ModelServer
from tests.conftest import MODEL
from tests.serving import client_of, connected, serving
from tests.upstream import completed, send_events, send_json, upstream

SECRET = "canary-of-a-secret"
NOWHERE = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture
def env(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "key",
    [f"{SECRET}\n", f"\n{SECRET}", f'"{SECRET}"', f"'{SECRET}'", f"{SECRET}\u00e9", f"{SECRET} x"],
)
def test_a_key_that_cannot_be_sent_is_refused_at_once_and_not_shown(env, key):
    env.setenv("OPENAI_API_KEY", key)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY has a line break") as error:
        Upstream.from_environment()
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "nowhere",
        "api.openai.com/v1",
        "http://",
        "http://[::1",
        "/v1",
        "http://up.example/v1\n",
        "http://up.example:99999/v1",
        "http://[1]/v1",
        "http://up.example/v1 ",
        "http://a/v1#b",
    ],
)
def test_what_is_no_address_is_refused_at_once(env, address):
    env.setenv("OPENAI_API_KEY", SECRET)
    env.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL is no address"):
        Upstream.from_environment()


@pytest.mark.parametrize(
    "address",
    ["http://localhost:11434/v1", "https://u:p@up.example:8443/a/v1/", "http://[::1]:8000"],
)
def test_an_address_is_taken(env, address):
    env.setenv("OPENAI_API_KEY", SECRET)
    env.setenv("OPENAI_BASE_URL", address)
    assert Upstream.from_environment() == Upstream(address, SECRET)


def test_a_secret_in_an_address_is_not_shown():
    upstream = Upstream(f"https://user:{SECRET}@up.example/v1?code={SECRET}", SECRET)
    assert upstream.shown == "https://up.example/v1"
    assert upstream.query == {"code": SECRET}


def test_an_address_without_a_key_is_spoken_of(env):
    assert unused_address() is None
    env.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    assert "OPENAI_API_KEY is not" in unused_address()
    env.setenv("OPENAI_API_KEY", "ollama")
    assert unused_address() is None


def test_a_socks_proxy_says_what_it_needs(env):
    env.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    env.setenv("OPENAI_API_KEY", SECRET)
    with pytest.raises(SettingsError, match="pip install socksio"):
        Upstream.from_environment()
    env.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")  # which needs no proxy
    here = Upstream.from_environment()
    assert ModelServer(here)
    assert "It does not answer" in trouble(here, MODEL)


def test_no_proxy_is_asked_for_an_upstream_on_this_machine(env, tmp_path):
    def answer(handler, body):
        if handler.path.endswith("/models"):
            send_json(handler, 200, {"data": [], "object": "list"})
        else:
            send_events(handler, completed("Hi."))

    for name in PROXIES[:2]:
        env.setenv(name, NOWHERE)
    with upstream(answer) as address:
        here = Upstream(address.base_url.replace("127.0.0.1", "localhost"), address.api_key)
        assert trouble(here, None) is None
        with connected(tmp_path / "a.db", upstream=here) as client:
            assistant = client.beta.assistants.create(model=MODEL)
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id, poll_interval_ms=5
            )
            assert run.status == "completed", run.last_error
            assert client.models.list().data == []


def test_the_query_of_an_address_goes_with_every_request(tmp_path):
    asked = []

    def answer(handler, body):
        asked.append(urlsplit(handler.path))
        if "/models" in handler.path:
            send_json(handler, 200, {"data": [], "object": "list"})
        else:
            send_events(handler, completed("Hi."))

    with upstream(answer) as address:
        azure = Upstream(f"{address.base_url}/?api-version=preview", address.api_key)
        assert trouble(azure, None) is None
        with connected(tmp_path / "a.db", upstream=azure) as client:
            assistant = client.beta.assistants.create(model=MODEL)
            client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
            client.models.list(extra_query={"limit": "5"})
    assert [each.path for each in asked] == ["/v1/models", "/v1/responses", "/v1/models"]
    assert [parse_qs(each.query)["api-version"] for each in asked] == [["preview"]] * 3
    assert parse_qs(asked[-1].query)["limit"] == ["5"]


def test_an_address_without_v1_is_said_at_once():
    def answer(handler, body):
        send_json(handler, 404, {"detail": "Not Found"})

    with upstream(answer) as address:
        bare = Upstream(address.base_url.removesuffix("/v1"), address.api_key)
        assert trouble(bare, MODEL) == (
            "It does not know /models. The address in OPENAI_BASE_URL usually ends in /v1."
        )
        assert trouble(address, MODEL) is None


def test_health_answers_head(server):
    with httpx2.Client(trust_env=False) as http:
        answer = http.head(server.base_url.replace("/v1", "/health"))
    assert (answer.status_code, answer.content) == (200, b"")


def test_no_stream_is_held_back_by_a_proxy_in_front(server, tmp_path):
    """Of a run, of the tutor, and of what is passed through."""
    streamed = {"model": MODEL, "stream": True}
    chat = {"messages": [{"role": "user", "content": "Hello"}]}
    with serving(tmp_path / "a.db", upstream=Upstream(server.base_url, server.token)) as front:
        for asked, path, body in (
            (server, "/responses", {"input": "Hello"}),
            (server, "/chat/completions", chat),
            (front, "/chat/completions", chat),
            (server, "/threads/runs", {}),
        ):
            with client_of(asked) as client, httpx2.Client(trust_env=False) as http:
                if path == "/threads/runs":
                    body = {"assistant_id": client.beta.assistants.create(model=MODEL).id}
                headers = {"Authorization": f"Bearer {asked.token}"}
                answer = http.post(
                    f"{asked.base_url}{path}", json={**streamed, **body}, headers=headers
                )
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers.get_list("x-accel-buffering") == ["no"], path
