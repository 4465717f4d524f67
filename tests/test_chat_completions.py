"""Chat Completions offline: the same tutor, with functions and formats."""

import json

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel

from helpers import DISPLAY_QUIZ_TOOL
from tests.conftest import MODEL

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
QUIZ = {"role": "user", "content": "Make a quiz with 2 questions"}
SOLVE = {"role": "user", "content": "Solve 3x + 11 = 14"}


class Weather(BaseModel):
    city: str
    temperature: float
    sunny: bool


def called(name: str, arguments: str, id: str = "call_1") -> dict:
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "tool_calls": [{"id": id, "type": "function", "function": function}],
    }


def output(content: object, id: str = "call_1") -> dict:
    return {"role": "tool", "tool_call_id": id, "content": content}


def test_a_function_is_called_and_its_output_is_read(client: OpenAI):
    made = client.chat.completions.create(model=MODEL, messages=[QUIZ], tools=[DISPLAY_QUIZ_TOOL])
    (choice,) = made.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (call,) = choice.message.tool_calls
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert len(json.loads(call.function.arguments)["questions"]) == 2
    answered = client.chat.completions.create(
        model=MODEL,
        messages=[QUIZ, choice.message, output('["a", "a"]', call.id)],
        tools=[DISPLAY_QUIZ_TOOL],
    )
    assert answered.choices[0].finish_reason == "stop"
    assert "of 2 right" in answered.choices[0].message.content
    assert answered.usage.prompt_tokens > made.usage.prompt_tokens


def test_a_call_is_streamed(client: OpenAI):
    request = {"model": MODEL, "messages": [QUIZ], "tools": [DISPLAY_QUIZ_TOOL]}
    whole = client.chat.completions.create(**request)
    with client.chat.completions.stream(**request) as stream:
        events = [event.type for event in stream]
        streamed = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in events
    (expected,), (call,) = (each.choices[0].message.tool_calls for each in (whole, streamed))
    assert call.function.arguments == expected.function.arguments
    assert streamed.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_a_call_can_be_demanded(client: OpenAI, choice):
    tools = [WEATHER] if choice == "required" else [DISPLAY_QUIZ_TOOL, WEATHER]
    made = client.chat.completions.create(
        model=MODEL, messages=[QUIZ], tools=tools, tool_choice=choice
    )
    (call,) = made.choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}


def test_a_call_can_be_forbidden(client: OpenAI):
    made = client.chat.completions.create(
        model=MODEL, messages=[QUIZ], tools=[DISPLAY_QUIZ_TOOL], tool_choice="none"
    )
    assert (made.choices[0].finish_reason, made.choices[0].message.tool_calls) == ("stop", None)


def test_an_object(client: OpenAI):
    made = client.chat.completions.create(
        model=MODEL, messages=[SOLVE], response_format={"type": "json_object"}
    )
    assert json.loads(made.choices[0].message.content)["value"] == ["1"]


def test_an_output_in_the_callers_class(client: OpenAI):
    weather = {"city": "Oslo", "temperature": -3.5, "sunny": True}
    asked = {"role": "user", "content": "What is the weather in Oslo?"}
    made = client.chat.completions.parse(
        model=MODEL,
        messages=[
            {"role": "system", "content": "Be brief."},
            asked,
            called("get_weather", '{"city": "Oslo"}'),
            output([{"type": "text", "text": json.dumps(weather)}]),
        ],
        response_format=Weather,
    )
    assert made.choices[0].message.parsed == Weather(**weather)


def test_a_stream_tells_its_usage_if_it_is_asked(client: OpenAI):
    request = {"model": MODEL, "messages": [SOLVE]}
    usage = client.chat.completions.create(**request).usage
    chunks = client.chat.completions.create(
        **request, stream=True, stream_options={"include_usage": True}
    )
    *_, last = chunks
    assert (last.choices, last.usage.total_tokens) == ([], usage.total_tokens)
    plain = client.chat.completions.create(**request, stream=True)
    assert [chunk for chunk in plain if chunk.usage or not chunk.choices] == []
