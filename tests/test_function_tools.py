"""Function tools: requires_action, submit_tool_outputs, and what can go wrong between them."""

import json
import sqlite3
import time
from contextlib import closing

import pytest
from openai import BadRequestError, OpenAI

from helpers import DISPLAY_QUIZ_TOOL, answer_tool_calls, display_quiz
from tests.conftest import MODEL
from tests.serving import connected
from tests.strict import check
from tests.upstream import completed, send_events, upstream

ONE_QUIZ = "Make a quiz about fractions with one multiple choice question."


@pytest.fixture
def quiz_tutor(client: OpenAI):
    tools = [{"type": "code_interpreter"}, DISPLAY_QUIZ_TOOL]
    return client.beta.assistants.create(model=MODEL, tools=tools)


@pytest.fixture
def ask(client: OpenAI, quiz_tutor, thread):
    """Return a function that asks and polls until the run is at an end, or waits."""

    def ask(question, **settings):
        client.beta.threads.messages.create(thread.id, role="user", content=question)
        return client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=quiz_tutor.id, poll_interval_ms=5, **settings
        )

    return ask


def pending(run):
    return run.required_action.submit_tool_outputs.tool_calls


def newest(client, thread):
    return client.beta.threads.messages.list(thread.id, limit=1).data[0].content[0].text.value


def test_a_run_waits_goes_on_and_completes(client, thread, ask):
    run = ask(ONE_QUIZ)
    assert run.status == "requires_action"
    assert run.usage is None
    (call,) = pending(run)
    right = "abcd"[json.loads(call.function.arguments)["questions"][0]["choices"].index("fraction")]
    resumed = client.beta.threads.runs.submit_tool_outputs(
        run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": call.id, "output": json.dumps([right])}],
    )
    check(resumed.to_dict(), type(run))
    assert (resumed.status, resumed.required_action) == ("queued", None)
    ended = client.beta.threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=5)
    assert ended.status == "completed"
    assert newest(client, thread).startswith("You got 1 of 1 right.")


def test_a_response_format_is_kept_after_the_outputs(client, thread, ask):
    run = ask(ONE_QUIZ, response_format={"type": "json_object"})
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": pending(run)[0].id, "output": '["a"]'}],
        poll_interval_ms=5,
    )
    answer = json.loads(newest(client, thread))
    assert "of 1 right" in answer["answer"]
    assert answer["value"] == ["a"]


def test_the_step_is_open_while_the_run_waits(client, thread, ask):
    run = ask(ONE_QUIZ)
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert (step.type, step.status, step.completed_at) == ("tool_calls", "in_progress", None)
    assert step.step_details.tool_calls[0].function.output is None
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": pending(run)[0].id, "output": "[]"}],
        poll_interval_ms=5,
    )
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert [step.type for step in steps] == ["tool_calls", "message_creation"]
    assert {step.status for step in steps} == {"completed"}
    assert steps[0].step_details.tool_calls[0].function.output == "[]"
    run = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
    assert run.usage.total_tokens == sum(step.usage.total_tokens for step in steps)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([], "is missing"),
        ([{"tool_call_id": "call_nobody", "output": "x"}], "call_nobody"),
        ("twice", "two outputs"),
    ],
)
def test_outputs_must_fit_the_calls(client, thread, ask, outputs, words):
    run = ask(ONE_QUIZ)
    if outputs == "twice":
        outputs = [{"tool_call_id": pending(run)[0].id, "output": "x"}] * 2
    with pytest.raises(BadRequestError, match=words) as error:
        client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=thread.id, tool_outputs=outputs
        )
    assert error.value.param == "tool_outputs"
    again = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
    assert again == run


def test_a_run_that_does_not_wait_takes_no_outputs(client, thread, ask):
    run = ask("What is 2 + 2?")
    with pytest.raises(BadRequestError, match="'completed' do not accept tool outputs"):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread.id, tool_outputs=[])


def test_a_waiting_run_locks_its_thread_until_it_is_cancelled(client, thread, ask):
    run = ask(ONE_QUIZ)
    with pytest.raises(BadRequestError, match=run.id):
        client.beta.threads.messages.create(thread.id, role="user", content="x")
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    ended = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
    assert (ended.status, ended.required_action) == ("cancelled", None)
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.status == "cancelled"
    client.beta.threads.messages.create(thread.id, role="user", content="free again")


def test_a_run_that_waits_too_long_expires(client, thread, ask, database):
    run = ask(ONE_QUIZ)
    with closing(sqlite3.connect(database)) as file, file:  # as if ten minutes had gone by
        file.execute(
            "UPDATE objects SET body = json_set(body, '$.expires_at', ?) WHERE id = ?",
            (int(time.time()) - 1, run.id),
        )
    ended = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
    assert ended.status == "expired"
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert (step.status, bool(step.expired_at)) == ("expired", True)
    with pytest.raises(BadRequestError, match="'expired' do not accept"):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread.id, tool_outputs=[])


def test_another_server_on_the_same_file_can_take_up_a_waiting_run(client, thread, ask, database):
    run = ask(ONE_QUIZ)
    with connected(database) as other:
        ended = other.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=thread.id,
            tool_outputs=[{"tool_call_id": pending(run)[0].id, "output": '["a"]'}],
            poll_interval_ms=5,
        )
    assert ended.status == "completed"


@pytest.mark.parametrize(
    ("request_", "questions"),
    [
        ("Make a quiz with 2 questions: One open ended, one multiple choice.", 2),
        ("Make a quiz with 10 questions about probability.", 10),
        ("Make a quiz with 3 multiple choice questions without choices.", 3),
        ("Make a quiz with 3 questions without question types.", 3),
        ("Make a quiz with no questions.", 0),
    ],
)
def test_any_quiz_is_shown_and_graded(client, thread, ask, request_, questions):
    run = ask(request_)
    (call,) = pending(run)
    assert len(json.loads(call.function.arguments)["questions"]) == questions
    ended = answer_tool_calls(client, run, {"display_quiz": display_quiz}, timeout=20)
    assert ended.status == "completed"
    feedback = newest(client, thread)
    assert f"of {questions} right" in feedback or "no questions" in feedback


def test_arguments_that_are_not_json_become_an_error_and_not_a_dead_run(client, thread, ask):
    run = ask("Make a quiz with broken JSON.")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(pending(run)[0].function.arguments)
    ended = answer_tool_calls(client, run, {"display_quiz": display_quiz}, timeout=20)
    assert ended.status == "completed"
    assert "JSONDecodeError" in newest(client, thread)


def test_two_calls_in_one_turn_need_two_outputs(client, thread, ask):
    run = ask("Make two quizzes, one on fractions and one on prime numbers.")
    first, second = pending(run)
    with pytest.raises(BadRequestError, match=second.id):
        client.beta.threads.runs.submit_tool_outputs(
            run.id,
            thread_id=thread.id,
            tool_outputs=[{"tool_call_id": first.id, "output": "[]"}],
        )
    shown = []
    answer_tool_calls(client, run, {"display_quiz": lambda title, questions: shown.append(title)})
    assert len(shown) == 2


def test_no_parallel_calls_if_they_are_not_wanted(ask):
    run = ask(
        "Make two quizzes, one on fractions and one on prime numbers.", parallel_tool_calls=False
    )
    assert len(pending(run)) == 1


def test_a_function_that_fails_or_is_missing_does_not_kill_the_run(client, thread, ask):
    def broken(title, questions):
        raise RuntimeError("the screen is dark")

    answer_tool_calls(client, ask(ONE_QUIZ), {"display_quiz": broken})
    assert "RuntimeError: the screen is dark" in newest(client, thread)
    answer_tool_calls(client, ask(ONE_QUIZ), {})
    assert "no function display_quiz" in newest(client, thread)


def test_tool_choice_none_and_a_named_function(ask):
    assert ask(ONE_QUIZ, tool_choice="none").status == "completed"
    named = {"type": "function", "function": {"name": "display_quiz"}}
    forced = ask("Solve 2x = 8", tool_choice=named)
    assert pending(forced)[0].function.name == "display_quiz"
    assert set(json.loads(pending(forced)[0].function.arguments)) == {"title", "questions"}


def test_tools_and_choices_reach_the_upstream(tmp_path):
    asked = []

    def answer(handler, body):
        asked.append(body)
        send_events(handler, completed("Done."))

    function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        assistant = client.beta.assistants.create(
            model=MODEL,
            tools=[{"type": "code_interpreter"}, {"type": "function", "function": function}],
        )
        for choice in (
            "none",
            "auto",
            "required",
            {"type": "function", "function": {"name": "f"}},
            {"type": "code_interpreter"},
        ):
            client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                tool_choice=choice,
                parallel_tool_calls=False,
                poll_interval_ms=5,
            )
    assert [body.get("tool_choice") for body in asked] == [
        "none",
        None,  # it is the default
        "required",
        {"type": "function", "name": "f"},
        {"type": "function", "name": "code_interpreter"},
    ]
    assert [tool["name"] for tool in asked[0]["tools"]] == ["code_interpreter", "f"]
    assert asked[0]["tools"][1] == {"type": "function", "strict": False, **function}
    assert asked[0]["parallel_tool_calls"] is False


def function_call(number, name, arguments):
    return {
        "type": "function_call",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments,
    }


def test_code_and_function_calls_in_one_turn(tmp_path):
    asked = []

    def answer(handler, body):
        asked.append(body["input"])
        calls = [
            function_call(1, "code_interpreter", '{"code": "print(6 * 7)"}'),
            function_call(2, "look_up", '{"what": "x"}'),
            function_call(3, "nowhere", "{}"),
            function_call(4, "code_interpreter", "not json"),
        ]
        done = any(item.get("type") == "function_call_output" for item in body["input"])
        send_events(handler, completed("Both done.") if done else completed("", output=calls)[1:])

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        tools = [{"type": "code_interpreter"}]
        tools.append({"type": "function", "function": {"name": "look_up"}})
        assistant = client.beta.assistants.create(model=MODEL, tools=tools)
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
        assert [call.id for call in pending(run)] == ["call_2"]
        run = client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=run.thread_id,
            tool_outputs=[{"tool_call_id": "call_2", "output": "found"}],
            poll_interval_ms=5,
        )
        steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
    assert run.status == "completed"
    assert [len(step.step_details.tool_calls) for step in steps.data[:1]] == [4]
    outputs = {
        item["call_id"]: item["output"]
        for item in asked[1]
        if item.get("type") == "function_call_output"
    }
    assert outputs["call_1"] == "42"
    assert outputs["call_2"] == "found"
    assert "no function 'nowhere'" in outputs["call_3"]
    assert "must be JSON" in outputs["call_4"]


def test_a_model_that_never_stops_calling_is_stopped(tmp_path):
    call = function_call(1, "nowhere", "{}")

    def answer(handler, _):
        send_events(handler, completed("", output=[call])[1:])

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        tools = [{"type": "function", "function": {"name": "f"}}]
        assistant = client.beta.assistants.create(model=MODEL, tools=tools)
        run = client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id, poll_interval_ms=20
        )
    assert run.status == "failed"
    assert "64 times" in run.last_error.message


def test_the_model_reads_its_own_items_in_their_order(tmp_path):
    """Also where it gives two calls one id, and writes arguments that are not JSON."""
    asked = []
    thoughts = [{"type": "reasoning", "id": f"r{number}", "summary": []} for number in (1, 2)]
    calls = [
        {"type": "function_call", "call_id": "same", "name": name, "arguments": arguments}
        for name, arguments in (("first", "{{{"), ("second", '{"a": "\\ud83d"}'))
    ]

    def answer(handler, body):
        asked.append(body)
        items = [thoughts[0], calls[0], thoughts[1], calls[1]]
        first = len(asked) == 1
        send_events(handler, completed("", output=items)[1:] if first else completed("Done."))

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        assistant = client.beta.assistants.create(model=MODEL)
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
    assert run.status == "completed", run.last_error
    outputs = [
        {
            "type": "function_call_output",
            "call_id": "same",
            "output": f"There is no function '{name}'. There are: none.",
        }
        for name in ("first", "second")
    ]
    assert asked[1]["input"] == [
        *(thoughts[0], calls[0], outputs[0]),
        *(thoughts[1], calls[1], outputs[1]),
    ]
