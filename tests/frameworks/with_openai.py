"""OpenAI's own package for Python, as in its README and helpers.md: old and new versions alike.

https://github.com/openai/openai-python/blob/main/helpers.md
"""

import asyncio
import json
from contextlib import suppress

from examples import (
    EQUATION,
    GRADED,
    MEAN,
    MEAN_FOUND,
    MODEL,
    QUIZ,
    QUOTE,
    REFUND,
    SOLUTION,
    TUTOR,
    example,
    play,
    right_choices,
    write_document,
    write_table,
)
from openai import AssistantEventHandler, AsyncOpenAI, NotFoundError, OpenAI

client = OpenAI()
vector_stores = getattr(client, "vector_stores", None) or client.beta.vector_stores
QUIZ_TOOL = {
    "type": "function",
    "function": {
        "name": "display_quiz",
        "parameters": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "questions": {"type": "array"}},
        },
    },
}


def assistant(**settings):
    return client.beta.assistants.create(model=MODEL, instructions=TUTOR, **settings)


def thread_of(text: str, **settings):
    return client.beta.threads.create(messages=[{"role": "user", "content": text, **settings}])


def newest(thread_id: str):
    """Return the text of the newest message, with its annotations."""
    return client.beta.threads.messages.list(thread_id, limit=1).data[0].content[0].text


def outputs(run) -> list[dict]:
    """Carry out the calls that a run waits for."""
    return [
        {
            "tool_call_id": call.id,
            "output": right_choices(json.loads(call.function.arguments)["questions"]),
        }
        for call in run.required_action.submit_tool_outputs.tool_calls
    ]


class Handler(AssistantEventHandler):
    """Keeps the pieces of text, and goes on after calls of functions."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = []

    def on_text_delta(self, delta, snapshot):
        self.pieces.append(delta.value or "")

    def on_event(self, event):
        if event.event == "thread.run.requires_action":
            follower = Handler()
            with client.beta.threads.runs.submit_tool_outputs_stream(
                thread_id=event.data.thread_id,
                run_id=event.data.id,
                tool_outputs=outputs(event.data),
                event_handler=follower,
            ) as stream:
                stream.until_done()
            self.pieces += follower.pieces


@example
def assistants():
    made = assistant(name="one", metadata={"kind": "test"}, temperature=0.5)
    changed = client.beta.assistants.update(made.id, name="two", description=None)
    assert (changed.name, changed.metadata) == ("two", {"kind": "test"})
    assert client.beta.assistants.retrieve(made.id).name == "two"
    assert made.id in [each.id for each in client.beta.assistants.list(limit=1, order="desc")]
    assert client.beta.assistants.delete(made.id).deleted
    with suppress(NotFoundError):
        raise AssertionError(client.beta.assistants.retrieve(made.id))


@example
def threads_and_messages():
    thread = client.beta.threads.create(metadata={"user": "ana"})
    message = client.beta.threads.messages.create(thread.id, role="user", content="Hi!")
    client.beta.threads.messages.update(message.id, thread_id=thread.id, metadata={"read": "yes"})
    assert [each.metadata for each in client.beta.threads.messages.list(thread.id)] == [
        {"read": "yes"}
    ]
    client.beta.threads.update(thread.id, metadata={"user": "ben"})
    assert client.beta.threads.retrieve(thread.id).metadata == {"user": "ben"}
    assert client.beta.threads.delete(thread.id).deleted


@example
def a_run():
    thread = thread_of(EQUATION)
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant().id, poll_interval_ms=20
    )
    assert (run.status, run.thread_id) == ("completed", thread.id)
    assert run.usage.total_tokens > 0
    assert SOLUTION in newest(thread.id).value
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.type == "message_creation"


@example
def a_function():
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant(tools=[QUIZ_TOOL]).id,
        thread={"messages": [{"role": "user", "content": QUIZ}]},
        poll_interval_ms=20,
    )
    assert run.status == "requires_action"
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run), poll_interval_ms=20
    )
    assert GRADED in newest(run.thread_id).value


@example
def a_stream():
    thread, handler = thread_of(EQUATION), Handler()
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant().id, event_handler=handler
    ) as stream:
        stream.until_done()
    assert len(handler.pieces) > 1
    assert "".join(handler.pieces) == newest(thread.id).value


@example
def a_stream_with_a_function():
    thread, handler = thread_of(QUIZ), Handler()
    with client.beta.threads.runs.stream(
        thread_id=thread.id,
        assistant_id=assistant(tools=[QUIZ_TOOL]).id,
        event_handler=handler,
    ) as stream:
        stream.until_done()
    assert GRADED in "".join(handler.pieces) == newest(thread.id).value


@example
def a_stream_of_plain_events():
    thread = thread_of(EQUATION)
    events = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant().id, stream=True
    )
    names = [event.event for event in events]
    assert names[0] == "thread.run.created"
    assert names[-1] == "thread.run.completed"


@example
def the_code_interpreter():
    file = client.files.create(file=write_table(), purpose="assistants")
    attachments = [{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}]
    thread = thread_of(MEAN, attachments=attachments)
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant(tools=[{"type": "code_interpreter"}]).id,
        poll_interval_ms=20,
    )
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert steps[0].step_details.tool_calls[0].type == "code_interpreter"
    assert MEAN_FOUND in newest(thread.id).value
    assert client.files.delete(file.id).deleted


@example
def file_search():
    store = vector_stores.create(name="terms")
    batch = vector_stores.file_batches.upload_and_poll(
        vector_store_id=store.id, files=[write_document()], poll_interval_ms=20
    )
    assert batch.file_counts.completed == 1
    searcher = assistant(
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    )
    thread = thread_of(REFUND)
    client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=searcher.id, poll_interval_ms=20
    )
    said = newest(thread.id)
    assert QUOTE in said.value
    assert client.files.retrieve(said.annotations[0].file_citation.file_id).filename == "terms.md"
    assert vector_stores.delete(store.id).deleted


@example
def many_at_once_with_asyncio():
    async def ask(there: AsyncOpenAI, assistant_id: str, number: int) -> str:
        question = {"role": "user", "content": f"Solve x + 1 = {number}."}
        run = await there.beta.threads.create_and_run_poll(
            assistant_id=assistant_id, thread={"messages": [question]}, poll_interval_ms=20
        )
        messages = await there.beta.threads.messages.list(run.thread_id, limit=1)
        return messages.data[0].content[0].text.value

    async def ask_all(assistant_id: str) -> list[str]:
        async with AsyncOpenAI() as there:
            return await asyncio.gather(*(ask(there, assistant_id, n) for n in range(1, 6)))

    said = asyncio.run(ask_all(assistant().id))
    assert all(f"x = {number}" in text for number, text in enumerate(said))


play()
