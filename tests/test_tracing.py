"""What is traced, and reaches AgentOps as protobuf: from a script, a notebook and async code."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers.tracing.spans import Span
from helpers.tracing.storage import Storage
from tests import traced
from tests.agentops_service import KEY, AgentOpsService, Received

ERROR_IN_A_TRACE = """
try:
    with trace("inner", tags=["x"]) as inner:
        client.beta.threads.runs.create("thread_0", assistant_id=tutor.id)
except Exception:
    pass
by_name = {span.name: span for span in inner.spans()}
assert by_name["inner.session"].status == "error"
assert by_name["inner.session"].attributes["agentops.session.end_state"] == "Error"
assert by_name["openai.runs.create"].status == "error"
assert "No thread found" in by_name["openai.runs.create"].message
assert by_name["openai.runs.create"].parent_id == by_name["inner.session"].span_id
print("seen")
"""

TRACES_SIDE_BY_SIDE = """
start_trace("outer")
outer = latest()
with trace("inner") as inner:
    pass
with trace("next") as following:
    pass
assert len({outer.id, inner.id, following.id}) == 3
assert {span.parent_id for span in following.spans()} == {""}
get = client.beta.threads.create()
client.beta.threads.messages.list(get.id)
assert "openai.messages.list" in {span.name for span in outer.spans()}
end_trace()
print("seen")
"""

ENDS_OF_RUNS = """
from helpers import RunNotCompleted

def ended(content, **settings):
    thread = client.beta.threads.create(messages=[{"role": "user", "content": content}])
    run = client.beta.threads.runs.create(thread.id, assistant_id=tutor.id, **settings)
    try:
        wait_on_run(client, run, progress=False)
    except RunNotCompleted:
        pass

with trace("ends") as session:
    ended("Count to 2000", max_completion_tokens=256)
    slow = client.beta.threads.create(messages=[{"role": "user", "content": "Count slowly to 100"}])
    run = client.beta.threads.runs.create(slow.id, assistant_id=tutor.id)
    client.beta.threads.runs.cancel(run.id, thread_id=slow.id)
    try:
        wait_on_run(client, run, progress=False)
    except RunNotCompleted:
        pass
    unseen = client.beta.threads.create(messages=[{"role": "user", "content": "Count slowly to 9"}])
    client.beta.threads.runs.create(unseen.id, assistant_id=tutor.id)
for span in session.spans():
    if span.name == "openai.run":
        print(span.attributes["gen_ai.run.status"], span.status)
"""

TWO_SET_UP_CELLS = """
start_trace("first")
start_trace("second")
end_trace()
"""

NOTHING_TO_END = """
end_trace()
"""

A_WRONG_SWITCH = """
os.environ["TRACE_PRINTS"] = "maybe"
try:
    start_trace("not this way")
finally:
    os.environ["TRACE_PRINTS"] = ""
"""

FORKED = """
import multiprocessing
from opentelemetry import trace as otel

def work(number):
    with otel.get_tracer("test").start_as_current_span(f"child {number}"):
        return number

with trace("forked") as session:
    with otel.get_tracer("test").start_as_current_span("before"):
        pass
    children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in (1, 2)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        print("exit code", child.exitcode)
    with otel.get_tracer("test").start_as_current_span("after"):
        pass
for span in session.spans():
    print(span.name, span.status)
"""

STREAMS = """
import asyncio
from openai import AsyncOpenAI

with trace("streams") as streams:
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Solve 2x = 8"}])
    for event in client.beta.threads.runs.create(thread.id, assistant_id=tutor.id, stream=True):
        pass
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=tutor.id) as stream:
        stream.until_done()

    async def listen():
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as asking:
            async with asking.beta.threads.create_and_run_stream(
                assistant_id=tutor.id,
                thread={"messages": [{"role": "user", "content": "Make a quiz of 2 questions"}]},
            ) as stream:
                run = await stream.get_final_run()
            (call,) = run.required_action.submit_tool_outputs.tool_calls
            outputs = [{"tool_call_id": call.id, "output": "[]"}]
            async with asking.beta.threads.runs.submit_tool_outputs_stream(
                run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
            ) as stream:
                await stream.until_done()

    asyncio.run(listen())
print(*[span.name for span in streams.spans()], sep="\\n")
for span in streams.spans():
    if span.name == "openai.run":
        print(span.status, span.attributes["gen_ai.usage.total_tokens"] > 0, span.parent_id != "")
"""

PROGRAMS = {
    "an error in a trace": ERROR_IN_A_TRACE,
    "traces side by side": TRACES_SIDE_BY_SIDE,
    "ends of runs": ENDS_OF_RUNS,
    "two set-up cells": TWO_SET_UP_CELLS,
    "nothing to end": NOTHING_TO_END,
    "a wrong switch": A_WRONG_SWITCH,
    "forked": FORKED,
    "streams": STREAMS,
}


class Executed(NamedTuple):
    """A program that has run, what it printed, and what AgentOps has got from it."""

    done: subprocess.CompletedProcess[str]
    printed: list[tuple[str, str]]
    left: set[str]
    received: list[Received]
    spans: list[Span]


@pytest.fixture(scope="module", params=["script", "nbconvert"])
def executed(request, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    folder = tmp_path_factory.mktemp(request.param)
    with AgentOpsService() as agentops:
        if request.param == "script":
            done = traced.run_script(folder, *traced.SCRIPT, env=agentops.environment)
            printed = [("stdout", done.stdout)]
        else:
            done = traced.run_notebook(folder, *traced.CELLS, env=agentops.environment)
            assert done.returncode == 0, done.stderr
            printed = traced.outputs(folder)
        left = {path.name.partition(".")[0] for path in folder.iterdir()}
        return Executed(done, printed, left, agentops.received, agentops.spans())


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each of the programs printed."""
    return traced.run_programs(tmp_path_factory.mktemp("programs"), PROGRAMS)


def test_everything_is_one_trace(executed: Executed):
    assert executed.done.returncode == 0, executed.done.stderr
    _authenticated_before_the_first_span(executed.received)
    assert len({span.trace_id for span in executed.spans}) == 1
    assert len({span.span_id for span in executed.spans}) == len(executed.spans)
    _tells_the_story(executed.spans)


def _authenticated_before_the_first_span(received: list[Received]) -> None:
    first, *others = received
    assert first.path == "/v3/auth/token"
    assert KEY.encode() in first.body
    for request in others:
        assert request.path == "/v1/traces"
        assert request.headers["content-type"] == "application/x-protobuf"
        assert request.headers["authorization"] == "Bearer a-token-for-spans"
        assert KEY.encode() not in request.body


def _tells_the_story(spans: list[Span]) -> None:
    by_name: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start):
        by_name.setdefault(span.name, []).append(span)
    (session,) = by_name["traced.session"]
    assert session.parent_id == ""
    assert session.attributes["agentops.tags"] == ["cookbook", "test"]
    assert session.attributes["agentops.span.kind"] == "session"
    assert session.attributes["agentops.session.end_state"] == "Success"
    assert session.status == "ok"
    assert all(session.start <= span.start <= span.end <= session.end for span in spans)

    solve, quiz, in_async = by_name["openai.run"]
    (operation,) = by_name["ask_for_a_quiz.task"]
    (tool,) = by_name["display_quiz.tool"]
    (step,) = by_name["openai.run.display_quiz"]
    (created,) = by_name["openai.assistants.create"]
    (listed,) = by_name["openai.messages.list"]
    assert {each.parent_id for each in (solve, operation, in_async, created, listed)} == {
        session.span_id
    }
    assert quiz.parent_id == operation.span_id
    assert tool.parent_id == step.parent_id == quiz.span_id
    written = by_name["openai.run.message_creation"]
    assert [each.parent_id for each in written] == [
        solve.span_id,
        quiz.span_id,
        in_async.span_id,
    ]
    assert len(spans) == 12, "polling made spans, or something else did"

    for run in (solve, quiz, in_async):
        said = run.attributes
        assert run.status == "ok"
        assert said["agentops.span.kind"] == "llm"
        assert said["gen_ai.run.status"] == "completed"
        assert said["gen_ai.request.model"] == said["gen_ai.response.model"] == "gpt-6-luna"
        tokens = [said[f"gen_ai.usage.{kind}_tokens"] for kind in ("prompt", "completion", "total")]
        assert min(tokens) > 0
        assert tokens[0] + tokens[1] == tokens[2]
    assert solve.attributes["gen_ai.prompt.0.content"] == "Solve 3x + 11 = 14"
    assert "x = 1" in solve.attributes["gen_ai.completion.0.content"]
    assert "x = 4" in in_async.attributes["gen_ai.completion.0.content"]
    assert step.attributes["tool.name"] == "display_quiz"
    assert '"title"' in step.attributes["tool.parameters"]
    assert step.attributes["tool.result"] == '["a", "a"]'


def test_without_a_key_the_same_spans_stay_here(tmp_path: Path):
    done = traced.run_script(tmp_path, *traced.SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Kept on this machine." in done.stdout
    storage = Storage(tmp_path / "assistants.db.traces")
    try:
        spans = storage.everything()
        assert len({span.trace_id for span in spans}) == 1, "something made a trace of its own"
        _tells_the_story(spans)
    finally:
        storage.close()


def test_nothing_is_said_or_left_behind(executed: Executed):
    """No line on stderr, and no agentops.log."""
    assert {name for name, _ in executed.printed} == {"stdout"}
    lines = "".join(text for _, text in executed.printed).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Assistants API on this machine")
    assert lines[1].startswith("Trace traced: 3 runs, 2 tool calls, ")
    assert lines[1].split()[-1].startswith("https://app.agentops.ai/sessions?trace_id=")
    assert executed.left <= {"script", "notebook", "done", "assistants"}
    if "script" in executed.left:
        assert executed.done.stderr == ""


def test_a_trace_that_fails_says_so(said: dict[str, str]):
    assert said["an error in a trace"].endswith("seen\n")


def test_a_trace_within_another_is_one_of_its_own(said: dict[str, str]):
    assert said["traces side by side"].endswith("seen\n")


def test_a_run_says_how_it_ended(said: dict[str, str]):
    ends = ["incomplete error", "cancelled unset", "queued unset"]
    assert said["ends of runs"].splitlines()[-3:] == ends


def test_a_second_set_up_cell_ends_the_first_trace(said: dict[str, str]):
    first, second = said["two set-up cells"].splitlines()
    assert first.startswith("Trace first: 0 runs")
    assert second.startswith("Trace second: 0 runs")


def test_ending_what_was_not_started_says_what_to_do(said: dict[str, str]):
    expected = "There is no trace to end. Run the cell with start_trace first."
    assert expected in said["nothing to end"]


def test_a_switch_that_is_neither_on_nor_off_is_refused(said: dict[str, str]):
    assert "TRACE_PRINTS is 'maybe'; it must be true or false." in said["a wrong switch"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_ends_and_its_spans_are_kept_once(said: dict[str, str]):
    *ended, summary = said["forked"].splitlines()[:3]
    assert ended == ["exit code 0", "exit code 0"]
    assert summary.startswith("Trace forked:")
    names = ["after unset", "before unset", "child 1 unset", "child 2 unset", "forked.session ok"]
    assert sorted(said["forked"].splitlines()[3:]) == names


def test_a_streamed_run_is_one_span_too(said: dict[str, str]):
    lines = said["streams"].splitlines()[1:]
    assert sorted(lines[:8]) == [
        "openai.run",
        "openai.run",
        "openai.run",
        "openai.run.display_quiz",
        "openai.run.message_creation",
        "openai.run.message_creation",
        "openai.run.message_creation",
        "streams.session",
    ]
    assert lines[8:] == ["ok True True"] * 3


ONLY_A_TRACE = """
from helpers import connect, show_trace, trace
connect()
with trace("a trace") as session:
    pass
print(session.spans(), show_trace(session))
"""


def test_tracing_can_be_switched_off(tmp_path: Path):
    env = {**traced.REMOTE, "OTEL_SDK_DISABLED": "true"}
    done = traced.run_script(tmp_path, ONLY_A_TRACE, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["[] a trace: nothing has been traced yet."]
    assert not (tmp_path / "assistants.db.traces").exists()


UNUSABLE = {
    "an AgentOps that has changed": (
        "import agentops.sdk.core as core; del core.TracingCore.initialize",
        "AttributeError",
    ),
    "agentops.init() before connect()": (
        "import agentops; agentops.sdk.core.tracer._initialized = True",
        "call connect() first",
    ),
    "a file that is no database": (
        "import os; open(os.environ['ASSISTANTS_DB'] + '.traces', 'w').write('my notes ' * 999)",
        "file is not a database",
    ),
}


@pytest.mark.parametrize(("spoil", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_where_tracing_cannot_start_one_line_says_so_and_the_rest_works(
    spoil: str, reason: str, tmp_path: Path
):
    done = traced.run_script(tmp_path, spoil, ONLY_A_TRACE, env=traced.REMOTE)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, last = done.stdout.splitlines()
    assert first.startswith("Nothing is traced: ")
    assert reason in first
    assert second.startswith("Assistants API at")
    assert last == "[] a trace: nothing has been traced yet."
