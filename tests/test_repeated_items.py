"""What the model gets to read of its own turns: its items in their order, with what belongs to them."""

import pytest

from tests.talking import answered, talking
from tests.upstream import completed

CODE = [{"type": "code_interpreter"}]
LOOK_UP = [{"type": "function", "function": {"name": "look_up"}}]


def thought(number: int) -> dict:
    secret = {"encrypted_content": f"secret-{number}"}
    return {"type": "reasoning", "id": f"rs_{number}", "summary": [], **secret}


def call(number: int, name: str = "nowhere", arguments: str = "{}") -> dict:
    ids = {"id": f"fc_{number}", "call_id": f"call_{number}"}
    made = {"name": name, "arguments": arguments, "status": "completed"}
    return {"type": "function_call", **ids, **made}


def message(text: str, **more: object) -> dict:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {**said, "content": content, **more}


def in_turn(*replies: list[dict]):
    """Return a reply that gives each of these in turn, and the last from then on."""
    left = list(replies)
    return lambda _: left.pop(0) if left[1:] else left[0]


def without_outputs(asked: dict) -> list[dict]:
    return [item for item in asked["input"] if item.get("type") != "function_call_output"]


def test_thoughts_comments_and_calls_keep_their_order_and_ids(tmp_path):
    comment = message("I look it up.", phase="commentary")
    turn = [thought(1), comment, thought(2), call(1), thought(3), call(2)]
    with talking(tmp_path / "a.db", in_turn(answered(*turn), completed("Done."))) as talk:
        run = talk.ask()
        said = [each.content[0].text.value for each in talk.messages(run)]
    assert (run.status, said) == ("completed", ["I look it up.", "Done."])
    assert without_outputs(talk.seen[1])[1:] == turn
    kinds = [item.get("type", item.get("role")) for item in talk.seen[1]["input"]]
    after = "reasoning message reasoning function_call function_call_output reasoning"
    assert kinds == ["user", *after.split(), "function_call", "function_call_output"]


def test_a_later_run_reads_the_same_and_the_answer_behind_it(tmp_path):
    turn = [thought(1), message("I look it up."), call(1)]
    with talking(tmp_path / "a.db", in_turn(answered(*turn), completed("Done."))) as talk:
        run = talk.ask("One")
        talk.ask("Two", thread=run.thread_id)
    _, second, third = (asked["input"] for asked in talk.seen)
    assert third[: len(second)] == second
    assert third[len(second) :] == [
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": [{"type": "input_text", "text": "Two"}]},
    ]


def test_another_model_reads_no_thoughts_and_no_ids_of_this_one(tmp_path):
    turn = [thought(1), message("I look it up."), call(1)]
    with talking(tmp_path / "a.db", in_turn(answered(*turn), completed("Done."))) as talk:
        run = talk.ask("One")
        talk.ask("Two", thread=run.thread_id, model="gpt-6-sol")
    bare = [{key: item[key] for key in item if key != "id"} for item in turn[1:]]
    assert without_outputs(talk.seen[-1])[1:3] == bare


def test_thoughts_that_the_upstream_cannot_read_are_left_out(tmp_path):
    """Those of another account: the key was changed since."""
    turn, error = [thought(1), call(1)], {"code": "invalid_encrypted_content", "message": "No."}
    with talking(
        tmp_path / "a.db",
        in_turn(answered(*turn), completed("Done."), (400, {"error": error}), completed("Yes.")),
    ) as talk:
        run = talk.ask("One")
        assert talk.ask("Two", thread=run.thread_id).status == "completed"
    assert [item.get("type") for item in talk.seen[-2]["input"]][1] == "reasoning"
    assert "rs_1" not in str(talk.seen[-1])


def test_the_phase_of_an_answer_is_sent_back_and_its_thoughts_are_not(tmp_path):
    turn = [thought(1), message("Done.", phase="final_answer")]
    with talking(tmp_path / "a.db", in_turn(answered(*turn))) as talk:
        run = talk.ask("One")
        talk.ask("Two", thread=run.thread_id)
    (_, answer, _) = talk.seen[1]["input"]
    assert (answer["phase"], answer["content"][0]["text"]) == ("final_answer", "Done.")
    assert "id" not in answer


def test_a_refusal_goes_back_as_a_refusal(tmp_path):
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
    with talking(tmp_path / "a.db", in_turn(answered(refusal))) as talk:
        run = talk.ask("One")
        talk.ask("Two", thread=run.thread_id)
        (kept,) = talk.messages(run)
    (_, refused, _) = talk.seen[1]["input"]
    assert refused == {
        "type": "message",
        "id": kept.id,
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": "I will not."}],
    }


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_calls_that_nobody_carried_out_are_not_repeated(tmp_path, ends):
    turn = [thought(1), message("I ask you."), call(1, "look_up")]
    with talking(tmp_path / "a.db", in_turn(answered(*turn), (400, {}), completed("Yes."))) as talk:
        run = talk.ask("One", tools=LOOK_UP)
        assert run.status == "requires_action"
        runs = talk.client.beta.threads.runs
        if ends == "cancelled":
            runs.cancel(run.id, thread_id=run.thread_id)
            talk.ask("Two", thread=run.thread_id)
        outputs = [{"tool_call_id": "call_1", "output": "x"}]
        if ends == "failed":
            runs.submit_tool_outputs_and_poll(
                run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs, poll_interval_ms=5
            )
        talk.ask("Three", thread=run.thread_id)
    asked = talk.seen[-1]["input"]
    assert [item.get("type", item.get("role")) for item in asked][:2] == ["user", "assistant"]
    assert not {"function_call", "function_call_output", "reasoning"} & {
        item.get("type") for item in asked
    }


def test_a_message_that_was_deleted_is_not_repeated_with_its_calls(tmp_path):
    turn = [thought(1), message("Secret."), thought(2), call(1)]
    with talking(tmp_path / "a.db", in_turn(answered(*turn), completed("Done."))) as talk:
        run = talk.ask("One")
        comment, _ = talk.messages(run)
        talk.client.beta.threads.messages.delete(comment.id, thread_id=run.thread_id)
        talk.ask("Two", thread=run.thread_id)
    assert without_outputs(talk.seen[-1])[1:3] == turn[2:]


def test_last_messages_never_keeps_half_of_a_call(tmp_path):
    replies = answered(call(1)), completed("First."), answered(call(2)), completed("Second.")
    with talking(tmp_path / "a.db", in_turn(*replies, completed("Third."))) as talk:
        run = talk.ask("One")
        talk.ask("Two", thread=run.thread_id)
        kept = {}
        for most in (2, 5):
            strategy = {"type": "last_messages", "last_messages": most}
            talk.ask("Next", thread=run.thread_id, truncation_strategy=strategy)
            kept[most] = [
                item.get("call_id") or item.get("role") for item in talk.seen[-1]["input"]
            ]
    assert kept[2] == ["assistant", "user"]
    assert kept[5] == ["user", "call_2", "call_2", "assistant", "user", "assistant", "user"]


def test_a_schema_and_every_effort_reach_the_upstream(tmp_path):
    schema = {"type": "object", "properties": {"x": {"type": "number"}}}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    with talking(tmp_path / "a.db", in_turn(completed("{}"))) as talk:
        run = talk.ask(response_format=form, reasoning_effort="max")
        assert run.status == "completed"
        assistant = talk.client.beta.assistants.create(
            model="m", response_format=form, reasoning_effort="max"
        )
        talk.client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
    for asked in talk.seen:
        assert asked["text"] == {
            "format": {"type": "json_schema", "name": "answer", "schema": schema}
        }
        assert asked["reasoning"] == {"effort": "max"}


@pytest.mark.parametrize("name", ["code_interpreter", "file_search"])
def test_a_function_may_have_the_name_of_a_tool(tmp_path, name):
    own = call(1, name, '{"code": "print(1)", "query": "x"}')
    built_in = call(2, f"built_in_{name}", '{"code": "print(6 * 7)", "query": "x"}')
    tools = [{"type": name}, {"type": "function", "function": {"name": name}}]
    with talking(tmp_path / "a.db", in_turn(answered(own, built_in), completed("Done."))) as talk:
        run = talk.ask(tools=tools)
        (waiting,) = run.required_action.submit_tool_outputs.tool_calls
        assert (waiting.id, waiting.function.name) == ("call_1", name)
        run = talk.client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=run.thread_id,
            tool_outputs=[{"tool_call_id": "call_1", "output": "mine"}],
            poll_interval_ms=5,
        )
    assert run.status == "completed"
    assert [tool["name"] for tool in talk.seen[0]["tools"]] == [f"built_in_{name}", name]
    outputs = [item["output"] for item in talk.seen[1]["input"] if "output" in item]
    assert outputs[0] == "mine"
    assert outputs[1] in ("42", 'Search for "x":\n\nNothing in the documents fits.')


def test_the_results_of_two_searches_say_what_was_looked_for(tmp_path):
    calls = [call(at, "file_search", f'{{"query": "{what}"}}') for at, what in ((1, "a"), (2, "b"))]
    with talking(tmp_path / "a.db", in_turn(answered(*calls), completed("Done."))) as talk:
        assert talk.ask(tools=[{"type": "file_search"}]).status == "completed"
    outputs = [item["output"] for item in talk.seen[1]["input"] if "output" in item]
    assert [output.splitlines()[0] for output in outputs] == ['Search for "a":', 'Search for "b":']
