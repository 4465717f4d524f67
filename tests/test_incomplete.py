"""Answers that end before they are whole: what the run, its messages and its steps say then."""

import pytest

from tests.talking import answered, talking

THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
TEXT = {"type": "message", "content": [{"type": "output_text", "text": "The answer is"}]}
LOOK_UP = [{"type": "function", "function": {"name": "look_up"}}]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def call(name: str, arguments: str, **more: object) -> dict:
    made = {"call_id": "call_1", "name": name, "arguments": arguments}
    return {"type": "function_call", **made, **more}


@pytest.fixture
def cut(tmp_path):
    """Return a function that asks a model whose answer of these items is cut short."""

    def cut(*items: dict, reason: str = "max_output_tokens", tools: list[dict] = LOOK_UP):
        events = answered(*items, status="incomplete", reason=reason)
        with talking(tmp_path / "a.db", lambda _: events) as talk:
            run = talk.ask(tools=tools)
            steps = talk.client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
            again = talk.client.beta.threads.runs.list(run.thread_id).data
            assert [each.id for each in again] == [run.id]  # what is stored can be read
            return run, talk.messages(run), steps

    return cut


def test_only_thoughts_are_incomplete_and_keep_their_usage(cut):
    run, messages, steps = cut(THOUGHT)
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert USAGE.items() <= run.usage.to_dict().items()
    assert (run.last_error, messages, steps) == (None, [], [])


def test_a_call_that_is_cut_inside_its_arguments_is_nobodys_to_carry_out(cut):
    run, _, (step,) = cut(THOUGHT, call("look_up", '{"what": "th', status="incomplete"))
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert run.required_action is None
    assert USAGE.items() <= run.usage.to_dict().items()
    assert step.status == "cancelled"
    assert step.step_details.tool_calls[0].function.output is None


def test_code_that_is_cut_is_not_run(cut):
    code = call("code_interpreter", '{"code": "print(1)')
    run, _, (step,) = cut(code, tools=[{"type": "code_interpreter"}])
    assert (run.status, step.status) == ("incomplete", "cancelled")
    assert step.step_details.tool_calls[0].code_interpreter.outputs == []


@pytest.mark.parametrize(
    ("reason", "of_run", "of_message"),
    [
        ("content_filter", "content_filter", "content_filter"),
        ("max_output_tokens", "max_completion_tokens", "max_tokens"),
    ],
)
def test_a_text_that_is_cut_says_by_what(cut, reason, of_run, of_message):
    run, (message,), (step,) = cut(TEXT, reason=reason)
    assert (run.status, run.incomplete_details.reason) == ("incomplete", of_run)
    assert (message.status, message.incomplete_details.reason) == ("incomplete", of_message)
    assert message.content[0].text.value == "The answer is"
    assert step.status == "completed"
    assert USAGE.items() <= run.usage.to_dict().items()


@pytest.mark.parametrize("status", ["incomplete", "completed"])
def test_a_text_is_kept_though_the_last_event_does_not_repeat_it(tmp_path, status):
    item = {"type": "message", "id": "msg_1", "content": []}
    events = [
        {"type": "response.output_item.added", "item": item, "output_index": 0},
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "The answer is"},
        *answered(status=status, reason="max_output_tokens"),
    ]
    with talking(tmp_path / "a.db", lambda _: events) as talk:
        run = talk.ask()
        (message,) = talk.messages(run)
    assert run.status == status, run.last_error
    assert message.content[0].text.value == "The answer is"


def test_a_filter_that_lets_nothing_pass(cut):
    run, messages, _ = cut(reason="content_filter")
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "content_filter")
    assert messages == []
