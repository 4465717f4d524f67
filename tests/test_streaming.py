"""Runs with ``stream=True``: which events, in which order, and what the SDK makes of them."""

import asyncio
import json
from collections.abc import Iterable
from itertools import groupby

import httpx2
import pytest
from openai import AssistantEventHandler, AsyncAssistantEventHandler, AsyncOpenAI, OpenAI
from openai.types.beta import AssistantStreamEvent, Thread
from openai.types.beta.threads import Message, MessageDeltaEvent, Run
from openai.types.beta.threads.runs import RunStep, RunStepDeltaEvent
from typing_extensions import override

from assistants_server.engine.deltas import text
from assistants_server.engine.feed import MOST_WAITING, Feed
from assistants_server.tools import Shown
from assistants_server.tools.code_interpreter import CodeReader
from tests.conftest import MODEL
from tests.serving import client_of, connected, serving
from tests.strict import check
from tests.upstream import completed, send_events, send_json, upstream

TYPES = {
    "thread.message.delta": MessageDeltaEvent,
    "thread.run.step.delta": RunStepDeltaEvent,
    "thread.run.step": RunStep,
    "thread.message": Message,
    "thread.run": Run,
    "thread.created": Thread,
}
SAID = [
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
]
BEGUN = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
CALLED = ["thread.run.step.created", "thread.run.step.in_progress", "thread.run.step.delta"]
FUNCTION = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def sequence(names: Iterable[str]) -> list[str]:
    """Return the names of events, with neighbours of one name as one."""
    return [name for name, _ in groupby(names)]


def stream_over_http(client: OpenAI, path: str, body: dict) -> list[tuple[str, dict | str]]:
    """Return name and data of each event as it came over the wire, all of them validated."""
    events = []
    headers = {"Authorization": f"Bearer {client.api_key}"}
    address = f"{client.base_url}{path}"
    sent = {"json": {**body, "stream": True}, "headers": headers, "timeout": 60}
    with httpx2.stream("POST", address, **sent) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    for name, data in zip(lines[::2], lines[1::2], strict=True):
        assert name.startswith("event: ")
        name, data = name.removeprefix("event: "), data.removeprefix("data: ")
        if name == "done":
            assert data == "[DONE]"
            events.append((name, data))
            continue
        model = next(TYPES[prefix] for prefix in TYPES if name.startswith(prefix))
        if name.endswith(".delta"):
            model.model_validate_json(data, strict=True)
        else:
            check(json.loads(data), model)
        events.append((name, json.loads(data)))
    return events


def ask(client: OpenAI, content: str, **assistant: object) -> tuple[str, dict]:
    """Return path and body of a request that runs a new assistant on a new thread."""
    created = client.beta.assistants.create(model=MODEL, **assistant)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": content}])
    return f"threads/{thread.id}/runs", {"assistant_id": created.id}


def test_text(client):
    events = stream_over_http(client, *ask(client, "Solve 3x + 11 = 14"))
    names = [name for name, _ in events]
    assert sequence(names) == [*BEGUN, *SAID, "thread.run.completed", "done"]
    deltas = [data["delta"]["content"][0] for name, data in events if name.endswith("sage.delta")]
    (message,) = [data for name, data in events if name == "thread.message.completed"]
    assert {delta["index"] for delta in deltas} == {0}
    said = "".join(delta["text"]["value"] for delta in deltas)
    assert said == message["content"][0]["text"]["value"]
    assert len(deltas) > 3, "the tutor streams too"


def test_a_thread_and_its_run(client):
    assistant = client.beta.assistants.create(model=MODEL)
    body = {
        "assistant_id": assistant.id,
        "thread": {"messages": [{"role": "user", "content": "Solve 2x = 8"}]},
    }
    names = [name for name, _ in stream_over_http(client, "threads/runs", body)]
    assert sequence(names) == ["thread.created", *BEGUN, *SAID, "thread.run.completed", "done"]


def test_a_program(client):
    request = ask(client, "The first 4 primes, with code", tools=[{"type": "code_interpreter"}])
    events = stream_over_http(client, *request)
    names = [name for name, _ in events]
    assert sequence(names) == [
        *BEGUN,
        *CALLED,
        "thread.run.step.completed",
        *SAID,
        "thread.run.completed",
        "done",
    ]
    calls = [
        data["delta"]["step_details"]["tool_calls"][0]
        for name, data in events
        if name == "thread.run.step.delta"
    ]
    step = next(data for name, data in events if name == "thread.run.step.completed")
    (whole,) = step["step_details"]["tool_calls"]
    assert calls[0]["id"] == whole["id"]
    written = [call["code_interpreter"].get("input", "") for call in calls]
    assert "".join(written) == whole["code_interpreter"]["input"]
    assert sum(map(bool, written)) > 2, "the program comes piece by piece"
    assert calls[-1]["code_interpreter"]["outputs"] == [
        {"index": 0, "type": "logs", "logs": "[2, 3, 5, 7]"}
    ]


def test_a_figure_is_in_the_message_before_its_text(client):
    request = ask(client, "Plot x**2 with code", tools=[{"type": "code_interpreter"}])
    events = stream_over_http(client, *request)
    blocks = [data["delta"]["content"][0] for name, data in events if name.endswith("sage.delta")]
    assert (blocks[0]["index"], blocks[0]["type"]) == (0, "image_file")
    assert {(block["index"], block["type"]) for block in blocks[1:]} == {(1, "text")}
    (message,) = [data for name, data in events if name == "thread.message.completed"]
    assert [block["type"] for block in message["content"]] == ["image_file", "text"]
    assert message["content"][0]["image_file"]["file_id"] == blocks[0]["image_file"]["file_id"]


def test_a_function_and_its_output(client):
    from helpers import DISPLAY_QUIZ_TOOL

    path, body = ask(client, "Make a quiz with 2 questions", tools=[DISPLAY_QUIZ_TOOL])
    events = stream_over_http(client, path, body)
    names = [name for name, _ in events]
    assert sequence(names) == [*BEGUN, *CALLED, "thread.run.requires_action", "done"]
    run = events[-2][1]
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    pieces = [
        data["delta"]["step_details"]["tool_calls"][0]["function"]
        for name, data in events
        if name == "thread.run.step.delta"
    ]
    assert pieces[0]["name"] == "display_quiz"
    arguments = "".join(piece["arguments"] for piece in pieces)
    assert arguments == call["function"]["arguments"]

    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": '["a", "a"]'}]}
    submitted = f"{path}/{run['id']}/submit_tool_outputs"
    events = stream_over_http(client, submitted, outputs)
    assert sequence(name for name, _ in events) == [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
        *SAID,
        "thread.run.completed",
        "done",
    ]
    assert events[0][1]["step_details"]["tool_calls"][0]["function"]["output"] == '["a", "a"]'


def test_a_run_that_is_cancelled(client):
    path, body = ask(client, "Count slowly to 100")
    run = None
    names = []
    stream = client.beta.threads.runs.create(
        path.split("/")[1], assistant_id=body["assistant_id"], stream=True
    )
    for event in stream:
        names.append(event.event)
        if event.event == "thread.run.created":
            run = event.data
        if event.event == "thread.message.delta" and "thread.run.cancelling" not in names:
            client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
            names.append("thread.run.cancelling")
    seen = [name for name in sequence(names) if name != "thread.run.cancelling"]
    assert sequence(seen) == [
        *BEGUN,
        *SAID[:5],
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]


def test_a_run_that_fails(tmp_path):
    def break_off(handler, _):
        send_events(handler, completed("Half an answer")[:1])

    with upstream(break_off) as address, connected(tmp_path / "a.db", upstream=address) as client:
        events = stream_over_http(client, *ask(client, "Hello"))
    assert sequence(name for name, _ in events) == [
        *BEGUN,
        *SAID[:5],
        "thread.message.incomplete",
        "thread.run.step.failed",
        "thread.run.failed",
        "done",
    ]
    assert "ended its stream" in events[-2][1]["last_error"]["message"]


def test_a_run_whose_upstream_refuses(tmp_path):
    def refuse(handler, _):
        send_json(handler, 401, {"error": {"message": "no"}})

    with upstream(refuse) as address, connected(tmp_path / "a.db", upstream=address) as client:
        events = stream_over_http(client, *ask(client, "Hello"))
    assert sequence(name for name, _ in events) == [*BEGUN, "thread.run.failed", "done"]


def test_a_wrong_request_is_an_error_and_no_stream(client, thread):
    with pytest.raises(Exception, match="No assistant found"):
        client.beta.threads.runs.create(thread.id, assistant_id="asst_0", stream=True)


def test_two_calls_in_one_turn_and_a_word_before(tmp_path):
    """A message, then two functions: what lenient servers leave out is in the last event."""
    calls = [
        {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": "look_up"}
        for n in (1, 2)
    ]

    def answer(handler, _):
        events = [{"type": "response.output_text.delta", "item_id": "m", "delta": "Let me see."}]
        for call in calls:
            events.append({"type": "response.output_item.added", "item": {**call}})
            delta = {"item_id": call["id"], "delta": '{"key": '}
            events.append({"type": "response.function_call_arguments.delta", **delta})
        whole = [{**call, "arguments": '{"key": 1}'} for call in calls]
        message = {"type": "message", "content": [{"type": "output_text", "text": "Let me see."}]}
        response = {"status": "completed", "output": [message, *whole]}
        send_events(handler, [*events, {"type": "response.completed", "response": response}])

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        events = stream_over_http(client, *ask(client, "Hello", tools=[FUNCTION]))
    names = [name for name, _ in events]
    assert sequence(names) == [*BEGUN, *SAID, *CALLED, "thread.run.requires_action", "done"]
    arguments = {0: "", 1: ""}
    for name, data in events:
        if name == "thread.run.step.delta":
            (call,) = data["delta"]["step_details"]["tool_calls"]
            arguments[call["index"]] += call["function"]["arguments"]
    assert arguments == {0: '{"key": 1}', 1: '{"key": 1}'}


class Listener(AssistantEventHandler):
    """Writes down what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.code = ""
        self.logs = ""

    @override
    def on_event(self, event: AssistantStreamEvent) -> None:
        self.heard.append(event.event)

    @override
    def on_text_created(self, text) -> None:
        self.heard.append("text created")

    @override
    def on_text_done(self, text) -> None:
        self.heard.append(f"text done: {text.value}")

    @override
    def on_tool_call_created(self, tool_call) -> None:
        self.heard.append(f"{tool_call.type} created")

    @override
    def on_tool_call_delta(self, delta, snapshot) -> None:
        if delta.code_interpreter:
            self.code += delta.code_interpreter.input or ""
            for output in delta.code_interpreter.outputs or []:
                self.logs += output.logs or ""

    @override
    def on_tool_call_done(self, tool_call) -> None:
        self.heard.append(f"{tool_call.type} done")


def test_the_handler_of_the_sdk(client, thread):
    assistant = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
    client.beta.threads.messages.create(
        thread.id, role="user", content="The first 4 primes, with code"
    )
    listener = Listener()
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=listener
    ) as stream:
        stream.until_done()
        run = stream.get_final_run()
        (message,) = stream.get_final_messages()
        steps = stream.get_final_run_steps()
    assert run.status == "completed"
    assert "[2, 3, 5, 7]" in message.content[0].text.value
    assert [step.type for step in steps] == ["tool_calls", "message_creation"]
    assert (listener.logs, "code_interpreter created" in listener.heard) == ("[2, 3, 5, 7]", True)
    kept = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert listener.code == kept[0].step_details.tool_calls[0].code_interpreter.input
    assert f"text done: {message.content[0].text.value}" in listener.heard


def test_text_deltas_and_a_stream_with_a_thread(client, assistant):
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Solve 3x + 11 = 14"}]},
    ) as stream:
        said = "".join(stream.text_deltas)
        (message,) = stream.get_final_messages()
    assert "x = 1" in said
    assert message.content[0].text.value == said


def test_submitting_outputs_with_a_stream(client):
    from helpers import DISPLAY_QUIZ_TOOL

    assistant = client.beta.assistants.create(model=MODEL, tools=[DISPLAY_QUIZ_TOOL])
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Make a quiz with 2 questions"}]},
    ) as stream:
        run = stream.get_final_run()
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    with client.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": '["a", "a"]'}],
    ) as stream:
        said = "".join(stream.text_deltas)
    assert stream.get_final_run().status == "completed"
    assert "of 2 right" in said


def test_the_async_handler(server):
    class AsyncListener(AsyncAssistantEventHandler):
        said = ""

        @override
        async def on_text_delta(self, delta, snapshot) -> None:
            self.said += delta.value
            assert snapshot.value == self.said

    async def listen() -> tuple[str, Run]:
        async with AsyncOpenAI(base_url=server.base_url, api_key=server.token) as client:
            assistant = await client.beta.assistants.create(model=MODEL)
            listener = AsyncListener()
            async with client.beta.threads.create_and_run_stream(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": "Solve 2x = 8"}]},
                event_handler=listener,
            ) as stream:
                run = await stream.get_final_run()
            return listener.said, run

    said, run = asyncio.run(listen())
    assert "x = 4" in said
    assert run.status == "completed"


def test_a_client_that_goes_away_does_not_stop_the_run(client, thread, assistant):
    client.beta.threads.messages.create(thread.id, role="user", content="Count slowly to 20")
    with client.beta.threads.runs.create(
        thread.id, assistant_id=assistant.id, stream=True
    ) as stream:
        for event in stream:
            if event.event == "thread.message.delta":
                break
    (run,) = client.beta.threads.runs.list(thread.id).data
    run = client.beta.threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=50)
    assert run.status == "completed"
    assert "20" in client.beta.threads.messages.list(thread.id).data[0].content[0].text.value


def test_the_text_comes_while_the_run_works(client, thread, assistant):
    """How soon it does is measured by tests.benchmarks.streams."""
    client.beta.threads.messages.create(thread.id, role="user", content="Count slowly to 1000")
    names = []
    for event in client.beta.threads.runs.create(thread.id, assistant_id=assistant.id, stream=True):
        names.append(event.event)
        if event.event == "thread.message.delta" and names.count(event.event) == 2:
            (run,) = client.beta.threads.runs.list(thread.id).data
            assert run.status == "in_progress"
            client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    assert names[-1] == "thread.run.cancelled"


def test_stopping_the_server_ends_its_streams(tmp_path):
    with serving(tmp_path / "a.db") as server:
        client = client_of(server)
        path, body = ask(client, "Count slowly to 100")
        names = []
        for event in client.beta.threads.runs.create(
            path.split("/")[1], assistant_id=body["assistant_id"], stream=True
        ):
            names.append(event.event)
            if event.event == "thread.message.delta" and names.count(event.event) == 2:
                server._uvicorn.should_exit = True
    assert names[-1] == "thread.run.failed"


def test_a_reader_that_is_slow_gets_its_pieces_joined():
    async def read() -> tuple[list, ...]:
        feed = Feed()
        with feed.subscribe("run_1") as slow, feed.subscribe("run_1") as other:
            for number in range(10_000):
                feed.publish_piece("run_1", text("msg_1", 0, Shown(f"{number} ", None)))
            feed.close("run_1", "no more")
            assert len(slow._waiting) <= MOST_WAITING + 2
            told = [[event async for event in reader] for reader in (slow, other)]
            assert [events.pop()[0] for events in told] == ["error", "error"]
            return tuple([data for _, data in events] for events in told)

    slow, other = asyncio.run(read())
    assert slow == other
    pieces = [json.loads(data)["delta"]["content"][0]["text"]["value"] for data in slow]
    assert "".join(pieces).split() == [str(number) for number in range(10_000)]


def test_nobody_listens():
    feed = Feed()
    feed.publish_piece("run_1", text("msg_1", 0, Shown("said", None)))
    feed.close("run_1", "no more")
    assert feed._subscriptions == {}


@pytest.mark.parametrize(
    "code", ['print("hi")\n', "x = '\\\\'\n", "# \u00e9 \U0001f600 \t\n", 'a = "\\u0041"', ""]
)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_program_can_be_read_before_it_is_whole(code, size):
    for arguments in (json.dumps({"code": code}), json.dumps({"code": code}, ensure_ascii=False)):
        reader, read = CodeReader(), ""
        for start in range(0, len(arguments), size):
            read += reader.read(arguments[start : start + size])
            assert code.startswith(read)
        assert read == code


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"other": 1}', ""),
        ("nonsense", ""),
        ("", ""),
        ('{"code": "a\\ud83d b\\ude00 c"}', "a? b? c"),
        ('{"code": "a\\q"}', "a"),
    ],
)
def test_what_is_no_program_is_not_shown(arguments, read):
    assert CodeReader().read(arguments) == read
    reader = CodeReader()
    assert "".join(map(reader.read, arguments)) == read
