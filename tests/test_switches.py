"""Which texts reach the collector under which switch: looked for in the raw bytes that arrived."""

import os
from pathlib import Path

import pytest

from tests import traced
from tests.agentops_service import AgentOpsService

INSTRUCTIONS, PROMPT = "canaryinstructions", "canaryprompt"
ARGUMENT, OUTPUT, ERROR = "canaryargument", "canaryoutput", "canaryerror"
CODE, ATTRIBUTE, PRINTED = "canarycode", "canaryattribute", "canaryprinted"
ENVIRONMENT, LIBRARY, RUN = "canaryenvironment", "canarylibrary", "canaryrun"
CONTENTS = {INSTRUCTIONS, PROMPT, ARGUMENT, OUTPUT, ERROR, CODE, ATTRIBUTE, RUN}

PROGRAM = f"""
import types
{LIBRARY} = types.ModuleType("{LIBRARY}")
{traced.SET_UP}
from opentelemetry import trace as otel

named = client.beta.assistants.create(model=MODEL, instructions="{INSTRUCTIONS}")
thread, run = create_thread_and_run(client, named.id, "Solve 3x + 11 = 14. {PROMPT}")
wait_on_run(client, run, progress=False)

run = submit_message(client, tutor.id, thread, "Make a quiz about fractions with 2 questions.")

@tool
def display_quiz(**arguments):
    return ["{OUTPUT}"]

answer_tool_calls(client, run, {{"display_quiz": display_quiz}}, progress=False)

@tool
def failing(argument):
    raise ValueError("{ERROR}")

try:
    failing("{ARGUMENT}")
except ValueError:
    pass

thread, run = create_thread_and_run(
    client, tutor.id, "Run this code:\\n```python\\nprint('{CODE}')\\n```"
)
wait_on_run(client, run, progress=False)
run = client.beta.threads.runs.create(thread.id, assistant_id=tutor.id, instructions="{RUN}")
wait_on_run(client, run, progress=False)

with otel.get_tracer("reader").start_as_current_span("by hand") as span:
    span.set_attribute("note", "{ATTRIBUTE}")
print("{PRINTED}")
end_trace()
"""


@pytest.mark.parametrize(
    ("switches", "arrive"),
    [
        ({}, CONTENTS | {LIBRARY}),
        ({"TRACELOOP_TRACE_CONTENT": "false"}, {LIBRARY}),
        ({"AGENTOPS_ENV_DATA_OPT_OUT": "true"}, CONTENTS),
        ({"TRACE_PRINTS": "true"}, CONTENTS | {LIBRARY, PRINTED}),
        ({"TRACELOOP_TRACE_CONTENT": "false", "AGENTOPS_ENV_DATA_OPT_OUT": "true"}, set()),
    ],
    ids=["as it is", "no contents", "no machine", "prints", "neither contents nor machine"],
)
def test_what_arrives(switches: dict[str, str], arrive: set[str], tmp_path: Path):
    everywhere = {ENVIRONMENT.upper(): ENVIRONMENT, "OPENAI_ORGANIZATION": ENVIRONMENT}
    with AgentOpsService() as agentops:
        env = {**agentops.environment, **everywhere, **switches}
        done = traced.run_script(tmp_path, PROGRAM, env=env)
        assert done.returncode == 0, done.stderr
        bodies = b"".join(request.body for request in agentops.received)
        spans = agentops.spans()
    canaries = CONTENTS | {LIBRARY, PRINTED, ENVIRONMENT}
    assert {canary for canary in canaries if canary.encode() in bodies} == arrive
    assert (b"gen_ai.completion" in bodies) == (b"Subtract 11" in bodies) == (PROMPT in arrive)
    # Names, ids, tokens and statuses come in any case: that is what tracing is for.
    runs = [span for span in spans if span.name == "openai.run"]
    assert len(runs) == 4
    for run in runs:
        assert run.attributes["gen_ai.usage.total_tokens"] > 0
        assert run.attributes["gen_ai.run.status"] == "completed"
        assert run.attributes["gen_ai.run.id"].startswith("run_")
    assert [span.status for span in spans if span.name == "failing.tool"] == ["error"]
    (session,) = [span for span in spans if span.name == "traced.session"]
    assert session.attributes["agentops.tags"] == ["cookbook", "test"]


def test_a_trace_called_session_sends_data_about_the_machine_unless_told_not_to(tmp_path: Path):
    """AgentOps adds them under that name only."""
    program = 'start_trace("session")\nend_trace()'
    for opted_out in (False, True):
        folder = tmp_path / str(opted_out)
        folder.mkdir()
        with AgentOpsService() as agentops:
            switch = {"AGENTOPS_ENV_DATA_OPT_OUT": str(opted_out)}
            env = {**agentops.environment, **switch}
            done = traced.run_script(folder, traced.SET_UP, program, env=env)
            assert done.returncode == 0, done.stderr
            (span,) = [span for span in agentops.spans() if span.name == "session.session"]
        about = {key for key in span.attributes if key.startswith(("host.", "cpu.", "memory."))}
        assert bool(about) is not opted_out
        if not opted_out:
            assert span.attributes["host.name"] == os.uname().nodename


def test_prints_go_with_their_trace_and_only_while_it_lasts(tmp_path: Path):
    program = """
print("before")
with trace("first") as first:
    print("within the first")
with trace("second") as second:
    print("within the second")
print("after")
assert first.uploaded_prints().strip().endswith("within the first")
assert second.uploaded_prints().strip().endswith("within the second")
assert first.uploaded_prints().count("\\n") == second.uploaded_prints().count("\\n") == 1
"""
    set_up = traced.SET_UP.replace('start_trace("traced", tags=["test"])\nsession = latest()', "")
    done = traced.run_script(tmp_path, set_up, program, env={"TRACE_PRINTS": "true"})
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("before", "within the first", "within the second", "after"):
        assert done.stdout.splitlines().count(line) == 1
