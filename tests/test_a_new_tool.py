"""A new built-in tool is one file and one line: this adds one to a copy of the server, and uses it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI

from tests.conftest import MODEL, ROOT
from tests.upstream import completed, send_events, send_json, upstream

FILE = "unit_converter.py"
SCHEMA_LINE = 'TYPES = ("code_interpreter", "file_search", "function")'
TOOL = {"type": "unit_converter"}
ARGUMENTS = json.dumps({"length": 3, "unit": "mile", "to": "km"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the server in which the tool is added."""
    folder = tmp_path_factory.mktemp("with_a_tool")
    shutil.copytree(
        ROOT / "assistants_server",
        folder / "assistants_server",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    tools = folder / "assistants_server" / "tools"
    shutil.copy(Path(__file__).parent / "toy_tool" / FILE, tools)
    kinds = (tools / "kinds.py").read_text(encoding="utf-8")
    assert kinds.count(SCHEMA_LINE) == 1
    line = SCHEMA_LINE.replace(")", ', "unit_converter")')
    (tools / "kinds.py").write_text(kinds.replace(SCHEMA_LINE, line), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def asked():
    """What the upstream was asked, a request for each turn."""
    return []


@pytest.fixture(scope="module")
def client(folder, asked):
    """A client of that server, whose upstream calls the tool once and then answers."""

    def answer(handler, request):
        if "input" not in request:  # which models it has
            return send_json(handler, 200, {"data": []})
        asked.append(request)
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": TOOL["type"]}
        said = {"type": "function_call_output"}.items() <= request["input"][-1].items()
        events = completed("It is 4.83 km.") if said else completed("")
        if not said:
            written = {"item_id": "fc_1", "delta": ARGUMENTS}
            events[0] = {"type": "response.output_item.added", "item": {**call, "arguments": ""}}
            events.insert(1, {"type": "response.function_call_arguments.delta", **written})
            events[-1]["response"]["output"] = [{**call, "arguments": ARGUMENTS}]
        return send_events(handler, events)

    with upstream(answer) as model:
        settings = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": model.api_key}
        process = subprocess.Popen(
            [sys.executable, "-m", "assistants_server", "--port", "0", "--db", folder / "a.db"],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        try:
            exports = (line.split("=", 1)[1].strip() for line in process.stdout if "export" in line)
            yield OpenAI(base_url=next(exports), api_key=next(exports), max_retries=0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="module")
def events(client):
    """The events of a run that calls the tool."""
    assistant = client.beta.assistants.create(model=MODEL, tools=[TOOL])
    thread = {"messages": [{"role": "user", "content": "How far are 3 miles in km?"}]}
    stream = client.beta.threads.create_and_run(
        assistant_id=assistant.id, thread=thread, tool_choice=TOOL, stream=True
    )
    return list(stream)


def test_it_is_stored(client):
    created = client.beta.assistants.create(model=MODEL, tools=[TOOL])
    assert client.beta.assistants.retrieve(created.id).to_dict(warnings=False)["tools"] == [TOOL]


def test_it_is_offered_and_chosen(events, asked):
    (offer,) = asked[0]["tools"]
    assert offer["name"] == TOOL["type"]
    assert offer["parameters"]["required"] == ["length", "unit", "to"]
    assert asked[0]["tool_choice"] == {"type": "function", "name": TOOL["type"]}


def test_its_call_is_recorded(client, events):
    run = events[-1].data if events[-1].event == "thread.run.completed" else events[-2].data
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data
    assert [step.type for step in steps] == ["tool_calls", "message_creation"]
    (call,) = steps[0].to_dict(warnings=False)["step_details"]["tool_calls"]
    outcome = {"input": ARGUMENTS, "output": "4.82803 km"}
    assert call == {"id": "call_1", "type": TOOL["type"], TOOL["type"]: outcome}


def test_its_call_is_streamed(events):
    deltas = [event.data.delta for event in events if event.event == "thread.run.step.delta"]
    calls = [delta.to_dict(warnings=False)["step_details"]["tool_calls"][0] for delta in deltas]
    shown = [call[TOOL["type"]] for call in calls]
    assert "".join(piece.get("input") or "" for piece in shown) == ARGUMENTS
    assert shown[-1]["output"] == "4.82803 km"


def test_the_model_reads_its_outcome(events, asked):
    call, output = asked[1]["input"][-2:]
    assert (call["name"], call["arguments"]) == (TOOL["type"], ARGUMENTS)
    assert output == {"type": "function_call_output", "call_id": "call_1", "output": "4.82803 km"}


def test_a_setting_that_it_does_not_have_is_refused(client):
    with pytest.raises(BadRequestError, match="colour"):
        client.beta.assistants.create(model=MODEL, tools=[{**TOOL, "colour": "red"}])
