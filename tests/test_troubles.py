"""The troubles of an upstream, one by one, made by a proxy between it and the engine."""

from collections.abc import Callable, Iterator

import anyio
import pytest
from openai.types.beta.threads import Message, Run

from assistants_server.engine import Upstream
from assistants_server.server import Server
from tests.conftest import MODEL
from tests.fault_proxy import FaultProxy
from tests.serving import connected

QUESTION = "Solve 3x + 11 = 14"
CODE = "The first 4 primes, with code"


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(Upstream(server.base_url, server.token)) as proxy:
        yield proxy


@pytest.fixture
def ask(proxy: FaultProxy, tmp_path) -> Iterator[Callable[..., tuple[Run, list[Message]]]]:
    """Return a function that asks a question by way of the proxy."""
    with connected(tmp_path / "front.db", upstream=proxy.upstream) as client:
        assistant = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])

        def ask(question: str = QUESTION, **settings):
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": question}]},
                poll_interval_ms=5,
                **settings,
            )
            return run, client.beta.threads.messages.list(run.thread_id, run_id=run.id).data

        yield ask


def text(messages: list[Message]) -> str:
    return messages[0].content[0].text.value


def test_nothing_is_wrong(ask, proxy):
    run, messages = ask()
    assert (run.status, len(proxy.seen)) == ("completed", 1)
    assert "x = 1" in text(messages)


@pytest.mark.parametrize("with_reset", [True, False], ids=["reset", "end"])
def test_a_stream_cut_after_each_event(ask, proxy, with_reset):
    sent = []
    proxy.change = lambda events: (sent.append(event) or event for event in events)
    ask()
    proxy.change = None
    assert sent[-1]["type"] == "response.completed"
    assert len(sent) > 5
    proxy.cut_with_reset = with_reset
    for count in range(len(sent)):
        proxy.cut_after = count
        run, messages = ask()
        assert (run.status, run.last_error.code) == ("failed", "server_error")
        where = f"at {proxy.upstream.base_url}" if with_reset else "ended its stream"
        assert where in run.last_error.message
        said = "".join(
            event["delta"] for event in sent[:count] if event["type"].endswith("t.delta")
        )
        # What had arrived by then is there, marked as cut short.
        assert [each.status for each in messages] in ([], ["incomplete"])
        kept = text(messages) if messages else ""
        if with_reset:  # it may overtake what was sent before
            assert said.startswith(kept)
        else:
            assert kept == said


@pytest.mark.parametrize(
    "event", ["{not json", "[1, 2]", "null", '"text"', "{}", '{"type": 7}', '{"type": "other"}']
)
def test_an_event_that_makes_no_sense(ask, proxy, event):
    """Not JSON ends the run; what is JSON but unknown is passed over, as the SDK does."""

    def with_nonsense(events):
        for number, each in enumerate(events):
            if number == 2:
                yield event
            yield each

    proxy.change = with_nonsense
    run, messages = ask()
    if event == "{not json":
        assert run.status == "failed"
        assert "not JSON" in run.last_error.message
    else:
        assert run.status == "completed", run.last_error
        assert "x = 1" in text(messages)


@pytest.mark.parametrize("output", [[{"type": "message", "content": 5}], [7], {"a": 1}])
def test_an_answer_that_makes_no_sense(ask, proxy, output):
    def spoiled(events):
        for each in events:
            if each["type"] == "response.completed":
                each["response"]["output"] = output
            yield each

    proxy.change = spoiled
    run, _ = ask()
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert "cannot be read" in run.last_error.message


def test_too_many_requests_are_tried_again_when_the_upstream_says(ask, proxy, monkeypatch):
    slept, sleep = [], anyio.sleep  # which the SDK waits with

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0 if seconds == 7 else seconds)

    monkeypatch.setattr(anyio, "sleep", note)
    proxy.statuses, proxy.headers = [429], {"Retry-After": "7"}
    run, _ = ask()
    assert run.status == "completed"
    assert slept.count(7) == 1
    assert len(proxy.seen) == 2


def test_too_many_requests_for_too_long(ask, proxy):
    proxy.statuses, proxy.headers = [429] * 9, {"Retry-After": "0.01"}
    run, _ = ask()
    assert (run.status, run.last_error.code) == ("failed", "rate_limit_exceeded")
    assert "Wait a while" in run.last_error.message


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "answered 400: a 400 of the proxy."),
        (401, "Look at OPENAI_API_KEY."),
        (403, "Look at OPENAI_API_KEY."),
        (404, "does not know /responses at this address"),
        (500, "Try again."),
        (503, "Try again."),
    ],
)
def test_a_status_says_what_to_do(ask, proxy, status, words):
    proxy.statuses, proxy.headers = [status] * 9, {"Retry-After": "0.01"}
    run, _ = ask()
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert words in run.last_error.message
    assert proxy.upstream.api_key not in run.last_error.message


def test_one_bad_moment_is_not_the_end(ask, proxy):
    proxy.statuses, proxy.headers = [503], {"Retry-After": "0.01"}
    run, _ = ask()
    assert run.status == "completed"


def test_no_event_lines_and_no_sequence_numbers(ask, proxy):
    def lenient(events):
        for each in events:
            each.pop("sequence_number", None)
            yield each

    proxy.named, proxy.change = False, lenient
    run, messages = ask(CODE)
    assert run.status == "completed"
    assert "[2, 3, 5, 7]" in text(messages)


@pytest.mark.parametrize("keep", ["delta", "done"])
def test_arguments_in_one_kind_of_event_only(ask, proxy, keep):
    """Neither the items nor the last event have them; the pieces, or the whole, are enough."""

    def bare(events):
        for each in events:
            kind = each["type"]
            if "function_call_arguments" in kind and not kind.endswith(keep):
                continue
            for item in [each.get("item"), *each.get("response", {}).get("output", [])]:
                if item and item.get("type") == "function_call":
                    item["arguments"] = ""
            yield each

    proxy.change = bare
    run, messages = ask(CODE)
    assert run.status == "completed"
    assert "[2, 3, 5, 7]" in text(messages)


def test_a_last_event_without_items(ask, proxy):
    def without(events):
        for each in events:
            if each["type"] == "response.completed":
                each["response"]["output"] = []
            yield each

    proxy.change = without
    run, messages = ask(CODE)
    assert run.status == "completed"
    assert "[2, 3, 5, 7]" in text(messages)


def test_two_items_on_one_index(ask, proxy):
    def on_one_index(events):
        for each in events:
            if "output_index" in each:
                each["output_index"] = 0
            yield each

    proxy.change = on_one_index
    run, messages = ask(CODE)
    assert run.status == "completed"
    assert "[2, 3, 5, 7]" in text(messages)


def test_reasoning_goes_back_with_the_outputs_and_nowhere_else(ask, proxy):
    thought = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "encrypted_content": "c2VjcmV0IHRob3VnaHQ=",
    }

    def thinking(events):
        for each in events:
            if each["type"] == "response.completed":
                each["response"]["output"].insert(0, thought)
            yield each

    proxy.change = thinking
    run, messages = ask(CODE)
    # The tutor refuses items that it does not know, which is how we see that it was sent.
    assert run.status == "failed"
    first, second = proxy.seen
    assert first["include"] == ["reasoning.encrypted_content"]
    assert first["store"] is False
    assert thought not in first["input"]
    kinds = [item.get("type", item.get("role")) for item in second["input"]]
    assert kinds == ["user", "reasoning", "function_call", "function_call_output"]
    assert second["input"][1] == thought
    assert "encrypted" not in str(messages) + run.to_json()


def test_a_key_in_an_error_of_the_upstream_is_taken_out(ask, proxy, monkeypatch):
    def blab(handler, status):
        key = handler.headers["Authorization"].removeprefix("Bearer ")
        content = f'{{"error": {{"message": "Incorrect key: {key}"}}}}'.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    monkeypatch.setattr(proxy._server.RequestHandlerClass, "_refuse", blab)
    proxy.statuses = [401]
    run, _ = ask()
    assert "Incorrect key: (the key)." in run.last_error.message
    assert proxy.upstream.api_key not in run.to_json()


def test_the_model_is_told_which_files_its_code_can_read(proxy, tmp_path):
    with connected(tmp_path / "files.db", upstream=proxy.upstream) as client:
        tools = [{"type": "code_interpreter"}]
        assistant = client.beta.assistants.create(model=MODEL, tools=tools)
        file = client.files.create(file=("grades.csv", b"a,b\n1,2\n"), purpose="assistants")
        client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": QUESTION}]},
            tool_resources={"code_interpreter": {"file_ids": [file.id]}},
            poll_interval_ms=5,
        )
    assert "There are these files: grades.csv." in proxy.seen[0]["tools"][0]["description"]
