"""What reaches a collector over HTTP, as protobuf: from a script, a notebook and async code."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assistants_server.collector import Span
from assistants_server.collector.storage import Storage
from tests import traced
from tests.agentops_service import KEY, AgentOpsService

Program = Callable[..., subprocess.CompletedProcess[str]]


def _script(folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return traced.run_script(folder, *traced.SCRIPT, env=env)


def _notebook(folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return traced.run_notebook(folder, *traced.CELLS, env=env)


@pytest.mark.parametrize("program", [_script, _notebook], ids=["script", "nbconvert"])
def test_everything_is_one_trace(program: Program, tmp_path: Path):
    with AgentOpsService() as agentops:
        done = program(tmp_path, env=agentops.environment)
        assert done.returncode == 0, done.stderr
        spans = agentops.spans()
        _authenticated_before_the_first_span(agentops)
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == len(spans)
    _tells_the_story(spans)


def _authenticated_before_the_first_span(agentops: AgentOpsService) -> None:
    first, *others = agentops.received
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
    done = _script(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Kept on this machine." in done.stdout
    storage = Storage(tmp_path / "assistants.db.traces")
    try:
        ids = storage._connection.execute("SELECT DISTINCT trace_id FROM spans").fetchall()
        assert len(ids) == 1, "something made a trace of its own"
        _tells_the_story(storage.spans(ids[0][0]))
    finally:
        storage.close()


@pytest.mark.parametrize("program", [_script, _notebook], ids=["script", "nbconvert"])
def test_nothing_is_said_or_left_behind(program: Program, tmp_path: Path):
    """No line on stderr, and no agentops.log."""
    with AgentOpsService() as agentops:
        done = program(tmp_path, env=agentops.environment)
    assert done.returncode == 0, done.stderr
    if program is _script:
        assert done.stderr == ""
        said = done.stdout.splitlines()
    else:
        assert {name for name, _ in traced.outputs(tmp_path)} == {"stdout"}
        said = "".join(text for _, text in traced.outputs(tmp_path)).splitlines()
    assert len(said) == 2
    assert said[0].startswith("Assistants API on this machine")
    assert said[1].startswith("Trace traced: 3 runs, 2 tool calls, ")
    assert said[1].split()[-1].startswith("https://app.agentops.ai/sessions?trace_id=")
    left = {path.name.partition(".")[0] for path in tmp_path.iterdir()}
    assert left <= {"script", "notebook", "done", "assistants"}


def test_a_trace_that_fails_says_so(tmp_path: Path):
    program = """
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
with trace("next") as following:
    pass
assert following.id not in (inner.id, session.id)
assert {span.parent_id for span in following.spans()} == {""}
get = client.beta.threads.create()
client.beta.threads.messages.list(get.id)
assert "openai.messages.list" in {span.name for span in session.spans()}
client.beta.threads.delete(get.id)
end_trace()
"""
    done = traced.run_script(tmp_path, traced.SET_UP, program)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_says_how_it_ended(tmp_path: Path):
    program = """
import time
from helpers import RunNotCompleted

def ended(content, **settings):
    thread = client.beta.threads.create(messages=[{"role": "user", "content": content}])
    run = client.beta.threads.runs.create(thread.id, assistant_id=tutor.id, **settings)
    try:
        wait_on_run(client, run, progress=False)
    except RunNotCompleted:
        pass

ended("Count to 2000", max_completion_tokens=256)
slow = client.beta.threads.create(messages=[{"role": "user", "content": "Count slowly to 100"}])
run = client.beta.threads.runs.create(slow.id, assistant_id=tutor.id)
client.beta.threads.runs.cancel(run.id, thread_id=slow.id)
try:
    wait_on_run(client, run, progress=False)
except RunNotCompleted:
    pass
unseen = client.beta.threads.create(messages=[{"role": "user", "content": "Count slowly to 100"}])
client.beta.threads.runs.create(unseen.id, assistant_id=tutor.id)
end_trace()
for span in session.spans():
    if span.name == "openai.run":
        print(span.attributes["gen_ai.run.status"], span.status)
"""
    done = traced.run_script(tmp_path, traced.SET_UP, program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["incomplete error", "cancelled unset", "queued unset"]


def test_tracing_can_be_switched_off(tmp_path: Path):
    program = [*traced.SCRIPT, "assert session.spans() == []\nprint(show_trace(session))"]
    done = traced.run_script(tmp_path, *program, env={"OTEL_SDK_DISABLED": "true"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["traced: nothing has been traced yet."]
    assert not (tmp_path / "assistants.db.traces").exists()


def test_a_second_set_up_cell_ends_the_first_trace(tmp_path: Path):
    done = traced.run_script(tmp_path, traced.SET_UP, traced.SET_UP, "end_trace()")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Trace traced: 0 runs") == 2


def test_ending_what_was_not_started_says_what_to_do(tmp_path: Path):
    done = traced.run_script(tmp_path, traced.SET_UP, "end_trace()\nend_trace()")
    assert "There is no trace to end. Run the cell with start_trace first." in done.stderr


def test_a_switch_that_is_neither_on_nor_off_is_refused(tmp_path: Path):
    done = traced.run_script(tmp_path, traced.SET_UP, env={"TRACE_PRINTS": "maybe"})
    assert "TRACE_PRINTS is 'maybe'; it must be true or false." in done.stderr


def test_a_streamed_run_is_one_span_too(tmp_path: Path):
    program = """
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
end_trace()
print(*[span.name for span in streams.spans()], sep="\\n")
for span in streams.spans():
    if span.name == "openai.run":
        print(span.status, span.attributes["gen_ai.usage.total_tokens"] > 0, span.parent_id != "")
"""
    done = traced.run_script(tmp_path, traced.SET_UP, program)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()[3:]
    assert sorted(said[:8]) == [
        "openai.run",
        "openai.run",
        "openai.run",
        "openai.run.display_quiz",
        "openai.run.message_creation",
        "openai.run.message_creation",
        "openai.run.message_creation",
        "streams.session",
    ]
    assert said[8:] == ["ok True True"] * 3
