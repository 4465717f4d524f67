"""Odd requests to the offline endpoints: each is answered with 200 or a 400 that names its place."""

from collections.abc import Callable

import httpx2
import pytest

TOOL = {"type": "function", "name": "f"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "1"}
CHAT_TOOL = {"type": "function", "function": {"name": "f"}}
NAMED = {"type": "function", "function": {"name": "g"}}
CALLED = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
ANSWERED = {"role": "tool", "tool_call_id": "c", "content": "1"}
QUESTION = {"role": "user", "content": "What is 2 + 2?"}


def schema(content: object, **more: object) -> dict:
    return {"text": {"format": {"type": "json_schema", "name": "n", "schema": content, **more}}}


def tool(**changes: object) -> dict:
    return {"tools": [{**TOOL, **changes}]}


@pytest.fixture
def ask(server) -> Callable[..., httpx2.Response]:
    def ask(path: str, body: dict) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {server.token}"}
        return httpx2.post(f"{server.base_url}/{path}", json=body, headers=headers, timeout=30)

    return ask


# What is added to a request for a response, and the parameter that the answer must name.
WRONG = [
    ({"text": 5}, "text"),
    ({"text": {"format": 5}}, "text.format"),
    ({"text": {"format": []}}, "text.format"),
    ({"text": {"format": {}}}, "text.format.type"),
    ({"text": {"format": {"type": "xml"}}}, "text.format"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
    ({"text": {"format": {"type": "text"}, "x": 1}}, "text.x"),
    (schema(5), "text.format.schema"),
    (schema([]), "text.format.schema"),
    (schema({"type": 5}), "text.format.schema"),
    (schema({"type": "definition"}), "text.format.schema"),
    (schema({"properties": 5}), "text.format.schema"),
    (schema({"properties": {"a": 5}}), "text.format.schema"),
    (schema({"items": [5]}), "text.format.schema"),
    (schema({"enum": []}), "text.format.schema"),
    (schema({"enum": 5}), "text.format.schema"),
    (schema({"anyOf": {}}), "text.format.schema"),
    (schema({"required": "a"}), "text.format.schema"),
    (schema({"$ref": 5}), "text.format.schema"),
    (schema({"$ref": "#/nowhere"}), "text.format.schema"),
    (schema({"$ref": "#/anyOf/0", "anyOf": [{}]}), "text.format.schema"),
    (schema({"$ref": "http://127.0.0.1/x"}), "text.format.schema"),
    (schema({}, strict="yes"), "text.format.strict"),
    ({"tools": 5}, "tools"),
    ({"tools": [5]}, "tools[0]"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tools": [TOOL] * 129}, "tools"),
    (tool(name=5), "tools[0].name"),
    (tool(name="two words"), "tools[0].name"),
    (tool(parameters=5), "tools[0].parameters"),
    (tool(parameters={"properties": 5}), "tools[0].parameters"),
    (tool(type="web_search"), "tools[0].type"),
    ({"tool_choice": 5}, "tool_choice"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "sometimes", "tools": [TOOL]}, "tool_choice"),
    ({"tool_choice": {"type": "function"}, "tools": [TOOL]}, "tool_choice.name"),
    ({"tool_choice": {"type": "function", "name": "g"}, "tools": [TOOL]}, "tool_choice"),
    ({"input": 5}, "input"),
    ({"input": [5]}, "input[0]"),
    ({"input": [{"type": "reasoning"}]}, "input[0]"),
    ({"input": [{"type": {}}]}, "input[0]"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
    ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "input[0].content[0].text"),
    ({"input": [CALL]}, "input"),
    ({"input": [QUESTION, CALL]}, "input"),
    ({"input": [QUESTION, CALL, CALL, OUTPUT]}, "input"),
    ({"input": [QUESTION, OUTPUT]}, "input"),
    ({"input": [QUESTION, OUTPUT, CALL]}, "input"),
    ({"input": [QUESTION, CALL, OUTPUT, OUTPUT]}, "input"),
    ({"input": [QUESTION, {**CALL, "call_id": ""}]}, "input[1].call_id"),
    ({"model": ""}, "model"),
    ({"stream": "yes"}, "stream"),
    ({"max_output_tokens": 15}, "max_output_tokens"),
    ({"max_output_tokens": True}, "max_output_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"metadata": {"a": 1}}, "metadata.a"),
    ({"nonsense": 1}, "nonsense"),
]


@pytest.mark.parametrize(("change", "param"), WRONG, ids=[str(change)[:60] for change, _ in WRONG])
def test_an_odd_request_for_a_response(ask, change, param):
    answer = ask("responses", {"model": "m", "input": "What is 2 + 2?", **change})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": 5}, "messages"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [QUESTION, ANSWERED]}, "messages"),
        ({"messages": [QUESTION, CALLED]}, "messages"),
        ({"messages": [QUESTION, CALLED, CALLED, ANSWERED]}, "messages"),
        ({"messages": [QUESTION, CALLED, ANSWERED, ANSWERED]}, "messages"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -5}, "max_completion_tokens"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [TOOL]}, "tools[0].function"),
        ({"tools": [CHAT_TOOL] * 129}, "tools"),
        ({"tools": [{**CHAT_TOOL, "type": "custom"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes", "tools": [CHAT_TOOL]}, "tool_choice"),
        ({"tool_choice": NAMED, "tools": [CHAT_TOOL]}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": 5}}},
            "response_format.json_schema.schema",
        ),
        ({"stream_options": {"include": True}}, "stream_options.include"),
        ({"stream": 1}, "stream"),
    ],
    ids=str,
)
def test_an_odd_request_for_a_completion(ask, change, param):
    answer = ask("chat/completions", {"model": "m", "messages": [QUESTION], **change})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "change",
    [
        {"input": []},
        {"input": [QUESTION, CALL, OUTPUT], "tools": [TOOL]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        {"input": [QUESTION] * 2000},
        {"text": {"format": None, "verbosity": "low"}},
        tool(parameters={}),
        tool(parameters=None),
        schema({"type": "object", "properties": {"a": {"$ref": "#"}}}),
        schema({"$defs": {"n": {"type": ["string", "null"]}}, "$ref": "#/$defs/n"}),
        schema({"type": "array", "items": {"anyOf": [{"const": 1}, {}]}}),
    ],
    ids=lambda change: str(change)[:60],
)
def test_an_unusual_request_is_answered(ask, change):
    answer = ask("responses", {"model": "m", "input": "What is 2 + 2?", **change})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "completed"


def test_what_is_not_there_offline_is_a_404_in_the_envelope(ask):
    answer = ask("images/generations", {"model": "m", "prompt": "x"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith("Invalid URL (POST /v1/images/generations)")


def test_embeddings_are_refused_and_the_answer_says_what_to_do(ask):
    answer = ask("embeddings", {"model": "m", "input": "x"})
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    assert "OPENAI_API_KEY" in error["message"]


@pytest.mark.parametrize("parameters", [{"properties": 5}, {"type": "float"}, {"$ref": "#/x"}])
def test_an_assistant_with_a_broken_schema_is_refused_when_it_is_made(ask, parameters):
    function = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    answer = ask("assistants", {"model": "m", "tools": [function]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "tools[0].function.parameters"
