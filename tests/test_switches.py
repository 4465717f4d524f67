"""Which texts leave, and are kept, under which switch: looked for in the raw bytes."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers.tracing.spans import Span
from helpers.tracing.storage import Storage
from tests import traced
from tests.agentops_service import AgentOpsService, Received, decode

INSTRUCTIONS, PROMPT = "canaryinstructions", "canaryprompt"
ARGUMENT, OUTPUT, ERROR = "canaryargument", "canaryoutput", "canaryerror"
CODE, ATTRIBUTE, PRINTED = "canarycode", "canaryattribute", "canaryprinted"
ENVIRONMENT, LIBRARY, RUN = "canaryenvironment", "canarylibrary", "canaryrun"
CONTENTS = {INSTRUCTIONS, PROMPT, ARGUMENT, OUTPUT, ERROR, CODE, ATTRIBUTE, RUN}

SET_UP = f"""
import types
{LIBRARY} = types.ModuleType("{LIBRARY}")
{traced.SET_UP}
"""
PROGRAM = f"""
start_trace("traced", tags=["test"])
session = latest()
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


SWITCHES: dict[str, dict[str, str]] = {
    "as it is": {},
    "no contents": {"TRACELOOP_TRACE_CONTENT": "false"},
    "no machine": {"AGENTOPS_ENV_DATA_OPT_OUT": "true"},
    "prints": {"TRACE_PRINTS": "true"},
    "neither": {"TRACELOOP_TRACE_CONTENT": "false", "AGENTOPS_ENV_DATA_OPT_OUT": "true"},
}
ARRIVE = {
    "as it is": CONTENTS | {LIBRARY},
    "no contents": {LIBRARY},
    "no machine": CONTENTS,
    "prints": CONTENTS | {LIBRARY, PRINTED},
    "neither": set(),
}
A_TRACE_CALLED_SESSION = 'start_trace("session")\nend_trace()\n'
PRINTS = """
print("before")
with trace("first") as first:
    print("within the first")
    print("in a file", file=open(os.devnull, "w"))
with trace("second") as second:
    print("within the second")
    with trace("inner") as inner:
        print("within the inner")
print("after")
assert first.uploaded_prints() == "within the first\\n"
assert second.uploaded_prints().startswith("within the second\\nTrace inner:")
assert second.uploaded_prints().count("\\n") == 2
assert inner.uploaded_prints() == "within the inner\\n"
print("seen")
"""
# What is sent under other switches comes after this.
ARRIVED = """
import urllib.request
from helpers.tracing import startup

assert startup.start().delivery.undelivered(60) is None
mark = urllib.request.Request(os.environ["AGENTOPS_API_ENDPOINT"] + "/mark", method="POST", data=b"")
urllib.request.urlopen(mark).close()
"""


def _under(switches: dict[str, str], program: str) -> str:
    switched_back = dict.fromkeys(switches, "")
    return f"os.environ.update({switches})\n{program}\nos.environ.update({switched_back}){ARRIVED}"


class Arrived(NamedTuple):
    """What came while a program ran."""

    printed: str
    received: list[Received]

    @property
    def spans(self) -> list[Span]:
        traces = (request for request in self.received if request.path == "/v1/traces")
        return [span for request in traces for span in decode(request.body)]

    @property
    def bytes(self) -> bytes:
        return b"".join(request.body for request in self.received)


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    return {
        **{name: _under(switches, PROGRAM) for name, switches in SWITCHES.items()},
        "called session": _under({}, A_TRACE_CALLED_SESSION),
        "called session, no machine": _under(SWITCHES["no machine"], A_TRACE_CALLED_SESSION),
        "prints of two traces": _under(SWITCHES["prints"], PRINTS),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("switches")


@pytest.fixture(scope="module")
def arrived(programs: dict[str, str], folder: Path) -> dict[str, Arrived]:
    """What each of the programs printed and sent; one process runs them all."""
    everywhere = {ENVIRONMENT.upper(): ENVIRONMENT, "OPENAI_ORGANIZATION": ENVIRONMENT}
    with AgentOpsService() as agentops:
        env = {**agentops.environment, **everywhere}
        printed = traced.run_programs(folder, {"start": ARRIVED, **programs}, env, SET_UP)
    received: list[list[Received]] = [[]]
    for request in agentops.received:
        if request.path == "/mark":
            received.append([])
        else:
            received[-1].append(request)
    assert len(received) == len(printed) + 1, printed
    return {name: Arrived(*each) for name, each in zip(printed, zip(printed.values(), received))}


@pytest.mark.parametrize("switches", SWITCHES)
def test_what_arrives(switches: str, arrived: dict[str, Arrived]):
    bodies, expected = arrived[switches].bytes, ARRIVE[switches]
    canaries = CONTENTS | {LIBRARY, PRINTED, ENVIRONMENT}
    assert {canary for canary in canaries if canary.encode() in bodies} == expected
    assert (b"gen_ai.completion" in bodies) == (b"Subtract 11" in bodies) == (PROMPT in expected)
    # Names, ids, tokens and statuses come in any case: that is what tracing is for.
    spans = arrived[switches].spans
    runs = [span for span in spans if span.name == "openai.run"]
    assert len(runs) == 4
    for run in runs:
        assert run.attributes["gen_ai.usage.total_tokens"] > 0
        assert run.attributes["gen_ai.run.status"] == "completed"
        assert run.attributes["gen_ai.run.id"].startswith("run_")
    assert [span.status for span in spans if span.name == "failing.tool"] == ["error"]
    (session,) = [span for span in spans if span.name == "traced.session"]
    assert session.attributes["agentops.tags"] == ["cookbook", "test"]


def test_what_is_kept_here_is_what_arrives(arrived: dict[str, Arrived], folder: Path):
    storage = Storage(folder / "assistants.db.traces")
    try:
        kept = {span.span_id: span for span in storage.everything()}
    finally:
        storage.close()
    sent = {span.span_id: span for each in arrived.values() for span in each.spans}
    assert sent == kept


def test_a_trace_called_session_sends_data_about_the_machine_unless_told_not_to(
    arrived: dict[str, Arrived],
):
    """AgentOps adds them under that name only."""
    for name, expected in (("called session", True), ("called session, no machine", False)):
        (span,) = arrived[name].spans
        about = {key for key in span.attributes if key.startswith(("host.", "cpu.", "memory."))}
        assert bool(about) is expected
        if expected:
            assert span.attributes["host.name"] == os.uname().nodename


def test_prints_go_with_their_trace_and_only_while_it_lasts(arrived: dict[str, Arrived]):
    printed, received = arrived["prints of two traces"]
    lines = printed.splitlines()
    assert lines[-1] == "seen"
    for line in ("before", "within the first", "within the second", "within the inner", "after"):
        assert lines.count(line) == 1
    logs = [json.loads(each.body)["body"] for each in received if each.path == "/v4/logs/upload/"]
    assert [log.splitlines()[0] for log in logs] == [
        "within the first",
        "within the inner",
        "within the second",
    ]
