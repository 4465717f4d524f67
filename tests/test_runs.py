"""Runs against the offline upstream: how they go, what they record, how they end."""

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.attacks.waiting import until

WORKING = ("queued", "in_progress", "cancelling")


@pytest.fixture
def ask(client: OpenAI, assistant, thread):
    """Return a function that asks in the thread, waits, and returns the run and the answer."""

    def ask(question, **settings):
        client.beta.threads.messages.create(thread.id, role="user", content=question)
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5, **settings
        )
        newest = client.beta.threads.messages.list(thread.id, limit=1).data[0]
        return run, newest.content[0].text.value if newest.content else ""

    return ask


@pytest.fixture
def slow_run(client: OpenAI, assistant, thread):
    client.beta.threads.messages.create(thread.id, role="user", content="Count slowly to 100")
    return client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)


def wait(client, run):
    def ended():
        now = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        return now if now.status not in WORKING else None

    return until(ended)


def test_a_run_is_queued_at_once_and_completes_by_itself(client, assistant, thread, ask):
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    assert (run.status, run.started_at, run.usage) == ("queued", None, None)
    assert run.expires_at - run.created_at == 600
    run = wait(client, run)
    assert run.status == "completed"
    assert run.completed_at >= run.started_at >= run.created_at


def test_the_answer_is_a_message_with_the_runs_id(client, thread, assistant, ask):
    run, answer = ask("Solve 3x + 11 = 14")
    assert "x = 1" in answer
    message = client.beta.threads.messages.list(thread.id, limit=1).data[0]
    assert (message.role, message.run_id, message.assistant_id) == (
        "assistant",
        run.id,
        assistant.id,
    )


def test_the_step_points_to_the_message_and_has_the_usage(client, thread, ask):
    run, _ = ask("Solve 3x + 11 = 14")
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    message = client.beta.threads.messages.list(thread.id, limit=1).data[0]
    assert step.step_details.message_creation.message_id == message.id
    assert (step.type, step.status) == ("message_creation", "completed")
    assert step.usage == type(step.usage)(**run.usage.to_dict())


def test_the_conversation_is_sent_whole(ask):
    ask("Solve 3x + 11 = 14")
    _, explanation = ask("Could you explain this to me?")
    assert "ubtract 11" in explanation


def test_usage_grows_with_the_thread_and_is_the_same_every_time(client, assistant):
    def usages():
        thread = client.beta.threads.create()
        for _ in range(3):
            client.beta.threads.messages.create(thread.id, role="user", content="Solve 2x = 8")
            run = client.beta.threads.runs.create_and_poll(
                thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
            )
            yield run.usage.prompt_tokens

    first, again = list(usages()), list(usages())
    assert first == again
    assert first == sorted(set(first))


def test_settings_of_the_run_win_over_the_assistants(client, thread, ask):
    run, answer = ask(
        "Solve 2x = 8",
        model="another-model",
        instructions="Show every step.",
        temperature=0.1,
        top_p=0.2,
        metadata={"a": "b"},
    )
    assert (run.model, run.instructions) == ("another-model", "Show every step.")
    assert (run.temperature, run.top_p, run.metadata) == (0.1, 0.2, {"a": "b"})
    assert "1. Divide both sides by 2" in answer


def test_additional_instructions_are_added(ask, assistant):
    run, answer = ask(
        "Solve 2x = 8", additional_instructions="Please address the user as Jane Doe."
    )
    assert run.instructions.startswith(assistant.instructions)
    assert answer.startswith("Jane Doe: ")


def test_additional_messages_join_the_thread(client, assistant, thread):
    client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        additional_messages=[{"role": "user", "content": "Solve 2x = 8"}],
        poll_interval_ms=5,
    )
    texts = [
        message.content[0].text.value
        for message in client.beta.threads.messages.list(thread.id, order="asc")
    ]
    assert texts[0] == "Solve 2x = 8"
    assert "x = 4" in texts[1]


def test_json_that_fits_the_schema(ask):
    import json

    schema = {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"type": "string"}},
            "final_answer": {"type": "string"},
            "number": {"type": "number"},
        },
    }
    _, answer = ask(
        "Solve 3x + 11 = 14",
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
    )
    assert json.loads(answer) == {
        "steps": ["3x = 3", "x = 1"],
        "final_answer": "1",
        "number": 1.0,
    }


def test_a_limit_on_the_answer_ends_incomplete(client, thread, ask):
    run, answer = ask("Count from 1 to 500", max_completion_tokens=256)
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert run.usage.completion_tokens == 256
    assert answer.startswith("1, 2, 3")
    message = client.beta.threads.messages.list(thread.id, limit=1).data[0]
    assert (message.status, message.incomplete_details.reason) == ("incomplete", "max_tokens")


def test_a_limit_on_the_prompt_drops_messages_until_it_fits(ask):
    ask("x" * 400)
    ask("x" * 400)
    run, answer = ask("Solve 2x = 8", max_prompt_tokens=256)
    assert run.status == "completed"
    assert run.usage.prompt_tokens <= 256
    assert "x = 4" in answer


def test_a_message_beyond_the_limit_on_the_prompt_ends_incomplete(ask):
    run, _ = ask("x" * 2000, max_prompt_tokens=256)
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_prompt_tokens")


def test_last_messages_forgets_the_rest(ask):
    ask("Solve 3x + 11 = 14")
    strategy = {"type": "last_messages", "last_messages": 1}
    _, answer = ask("Could you explain this to me?", truncation_strategy=strategy)
    assert "did not understand" in answer


def test_cancelling(client, thread, slow_run):
    cancelling = client.beta.threads.runs.cancel(slow_run.id, thread_id=thread.id)
    assert cancelling.status == "cancelling"
    ended = wait(client, cancelling)
    assert ended.status == "cancelled"
    assert ended.cancelled_at >= ended.created_at
    for message in client.beta.threads.messages.list(thread.id, run_id=ended.id):
        assert (message.status, message.incomplete_details.reason) == (
            "incomplete",
            "run_cancelled",
        )


def test_a_finished_run_cannot_be_cancelled(client, thread, ask):
    run, _ = ask("2 + 2?")
    with pytest.raises(BadRequestError, match="Cannot cancel run with status 'completed'"):
        client.beta.threads.runs.cancel(run.id, thread_id=thread.id)


def test_an_active_run_locks_its_thread(client, assistant, thread, slow_run):
    for attempt in (
        lambda: client.beta.threads.runs.create(thread.id, assistant_id=assistant.id),
        lambda: client.beta.threads.messages.create(thread.id, role="user", content="x"),
    ):
        with pytest.raises(BadRequestError, match=slow_run.id):
            attempt()
    client.beta.threads.runs.cancel(slow_run.id, thread_id=thread.id)
    wait(client, slow_run)
    client.beta.threads.messages.create(thread.id, role="user", content="free again")


def test_other_threads_are_not_locked(client, assistant, slow_run):
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "2 + 2?"}]},
        poll_interval_ms=5,
    )
    assert run.status == "completed"


def test_changes_made_while_a_run_works_are_kept(client, thread, slow_run):
    client.beta.threads.runs.update(slow_run.id, thread_id=thread.id, metadata={"seen": "yes"})
    client.beta.threads.runs.cancel(slow_run.id, thread_id=thread.id)
    assert wait(client, slow_run).metadata == {"seen": "yes"}


def test_deleting_the_thread_of_a_working_run_harms_nobody(client, assistant, thread, slow_run):
    client.beta.threads.delete(thread.id)
    with pytest.raises(NotFoundError, match=slow_run.id):
        client.beta.threads.runs.retrieve(slow_run.id, thread_id=thread.id)
    assert client.beta.assistants.retrieve(assistant.id) == assistant
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "2 + 2?"}]},
        poll_interval_ms=5,
    )
    assert run.status == "completed"


def test_a_nonsensical_model_is_no_matter_offline(client, thread, ask):
    run, answer = ask("2 + 2?", model="no such model / ☃")
    assert (run.status, answer) == ("completed", "2 + 2 = 4.")


def test_forty_runs_at_once(client, assistant):
    runs = [
        client.beta.threads.create_and_run(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": f"Solve 2x = {2 * number}"}]},
        )
        for number in range(40)
    ]
    for number, run in enumerate(runs):
        assert wait(client, run).status == "completed"
        message = client.beta.threads.messages.list(run.thread_id, limit=1).data[0]
        assert f"x = {number}:" in message.content[0].text.value
