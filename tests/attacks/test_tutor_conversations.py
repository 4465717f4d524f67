"""Odd conversations, tools and formats: the tutor always ends, and says something that fits."""

import json

import pytest

from assistants_server.tutor import Conversation, JsonFormat, Message, Tool, ToolCall
from tests.attacks.test_tutor_questions import ask  # noqa: F401

FUNCTION = Tool("look", {"type": "object", "properties": {}})
USER, HI = Message("user", "Hello"), Message("assistant", "Hi")
CALL = ToolCall("look", "{}", "nothing there")


@pytest.mark.parametrize(
    "turns",
    [
        (),
        (USER, HI),
        (HI,),
        (HI, HI),
        (Message("user", ""),),
        (USER, CALL, HI),
        (USER, HI, USER, HI),
    ],
)
@pytest.mark.parametrize("only_tool", [None, "look"])
def test_a_required_call_is_made_once_whatever_was_said(ask, turns, only_tool):  # noqa: F811
    required = {"tools": (FUNCTION,), "choice": "required", "only_tool": only_tool}
    reply = ask(*turns, **required)
    assert [call.name for call in reply.calls] == ["look"]
    after = ask(*turns, CALL, **required)
    assert (after.text, after.calls) == ("look answered: nothing there", ())


@pytest.mark.parametrize(
    "output",
    [
        "NaN",
        "[1e999]",
        "-Infinity",
        "[" * 9000,
        "1" * 9000,
        '{"a": {"a": 1}}',
        "[[[1]]]",
        "",
        "null",
        '"\\ud800"',
        '{"a": "' + "x" * 99_000 + '"}',
        str(list(range(20_000))),
    ],
    ids=lambda output: output[:20],
)
@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        {"properties": {"a": {"enum": [[], {}, 1]}, "b": {"$ref": "#"}, "c": {"type": ["null"]}}},
        {"$ref": "#"},
    ],
    ids=str,
)
def test_whatever_a_function_returns_the_answer_is_json(ask, output, schema):  # noqa: F811
    call = ToolCall("look", "{}", output)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    reply = ask(USER, call, call, format=JsonFormat(schema))
    json.loads(reply.text, parse_constant=refuse)
    reply.text.encode()


@pytest.mark.parametrize("turns", [(CALL,), (CALL, CALL), (HI, CALL), (USER, HI, CALL, HI)])
@pytest.mark.parametrize("question", ["Why?", "Are you sure?", "What is the sum of those?", ""])
def test_calls_without_a_question_lead_to_an_answer(ask, turns, question):  # noqa: F811
    assert ask(*turns, Message("user", question)).text


def test_what_came_before_is_always_shorter():
    kinds = (USER, HI, CALL)
    for number in range(3**6):
        turns = tuple(kinds[number // 3**place % 3] for place in range(6))
        conversation = Conversation("", turns)
        while conversation.turns:
            earlier = conversation.earlier()
            assert len(earlier.turns) < len(conversation.turns)
            conversation = earlier


def test_a_run_without_a_new_message_ends_after_its_call(client, assistant, thread):
    messages, runs = client.beta.threads.messages, client.beta.threads.runs
    for role in ("user", "assistant"):
        messages.create(thread.id, role=role, content="Hello")
    tool = {"type": "function", "function": {"name": "look"}}
    for _ in range(2):
        run = runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, tools=[tool], tool_choice="required"
        )
        assert run.status == "requires_action"
        (call,) = run.required_action.submit_tool_outputs.tool_calls
        output = {"tool_call_id": call.id, "output": "done"}
        run = runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=thread.id, tool_outputs=[output]
        )
        assert run.status == "completed"


DEEP: dict = {}
for _ in range(150):
    DEEP = {"type": "object", "properties": {"inner": DEEP}}
TREE = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}}
SCHEMAS = {
    "a number": 5,
    "a list": [1],
    "empty": {},
    "no properties": {"type": "object", "properties": 5},
    "no type known": {"type": "quaternion"},
    "no types": {"type": []},
    "a type of odd type": {"type": {"type": "string"}},
    "itself": {"$ref": "#"},
    "a tree of itself": TREE,
    "nowhere": {"$ref": "#/definitions/nowhere/at/all"},
    "a reference that is a number": {"$ref": 7},
    "a choice of none": {"anyOf": []},
    "a choice of odd type": {"anyOf": 3},
    "items of odd type": {"type": "array", "items": 7},
    "an enum of odd type": {"enum": 5},
    "deep": DEEP,
    "wide": {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(50_000)}},
    "a long constant": {"const": "x" * 1_000_000},
    "a lone surrogate": {"const": "\ud800"},
    "a number for what has none": {"type": "number"},
    "an integer": {"type": "integer"},
}
QUESTIONS = ("Solve 3x + 11 = 14", "What is 0/0?", "What is 10^400?", "Hello")


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_any_schema_is_filled_or_declined_in_words(ask, schema):  # noqa: F811
    for question in QUESTIONS:
        text = ask(Message("user", question), format=JsonFormat(schema)).text
        text.encode()
        if "offline tutor will work on" not in text:
            json.loads(text, parse_constant=pytest.fail)
        call = ask(
            Message("user", question),
            tools=(Tool("look", schema),),
            choice="required",
        )
        assert call.calls or call.text


@pytest.mark.parametrize(
    "settings",
    [
        {"tools": (), "choice": "required"},
        {"tools": (FUNCTION,), "choice": "auto", "only_tool": "other"},
        {"tools": (FUNCTION,), "choice": "required", "only_tool": "other"},
    ],
)
def test_odd_settings_lead_to_an_answer(ask, settings):  # noqa: F811
    reply = ask(Message("user", "Solve 3x + 11 = 14"), **settings)
    assert reply.text or reply.calls


QUIZ = json.dumps({"questions": [{"question_text": "What is a matrix?", "choices": ["a", "b"]}]})
FORGED = {
    "a number for questions": ('{"questions": 5}', "[]"),
    "a number for a question": ('{"questions": [5]}', "[]"),
    "a list for the quiz": ("[]", "[]"),
    "a number for choices": ('{"questions": [{"question_text": "x", "choices": 5}]}', '["a"]'),
    "nothing for text": ('{"questions": [{}]}', "[[[]]]"),
    "a digit that is none": (QUIZ, '["²"]'),
    "a number of 5,000 digits": (QUIZ, json.dumps(["9" * 5_000])),
    "many signs": (QUIZ, json.dumps(["?" * 100_000 + "x"])),
    "a very long response": (QUIZ, json.dumps(["x " * 1_000_000])),
    "a hard question": (
        json.dumps({"questions": [{"question_text": "expand (a+b+c+d+f+g)^60 = 1"}]}),
        '["1"]',
    ),
    "many questions": (json.dumps({"questions": [{}] * 50_000}), "[]"),
    "deep": (QUIZ, "[" * 100_000),
}


@pytest.mark.parametrize(("arguments", "output"), FORGED.values(), ids=FORGED)
def test_a_forged_quiz_is_graded_or_declined_in_words(ask, arguments, output):  # noqa: F811
    assert ask(Message("user", "A quiz"), ToolCall("display_quiz", arguments, output)).text


@pytest.mark.parametrize("name", ["file_search", "code_interpreter", "look"])
@pytest.mark.parametrize(
    "output",
    [None, "", "【1:1†" * 100_000, "【1:1†a】\n" * 50_000, "\n" * 300_000, "a" * 300_000, "\ud800"],
    ids=["none", "empty", "open marks", "marks", "line breaks", "one word", "a lone surrogate"],
)
def test_any_output_of_a_tool_leads_to_an_answer(ask, name, output):  # noqa: F811
    reply = ask(Message("user", "What does it say about matrices?"), ToolCall(name, "{}", output))
    reply.text.encode()
    assert reply.text


def test_a_long_conversation_is_as_quick_as_its_end(ask):  # noqa: F811
    turns = (Message("user", "first 5 primes"), HI) * 5_000
    assert ask(*turns, Message("user", "Why is the sum of those prime?")).text
