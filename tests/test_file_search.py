"""The file search tool of runs: what is found, cited and streamed, and what the tutor makes of it."""

import json

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import FileSearchToolCall

from assistants_server.tools import annotations
from assistants_server.tools.file_search import FileSearchTool
from tests.conftest import MODEL
from tests.serving import connected
from tests.test_streaming import BEGUN, CALLED, SAID, sequence, stream_over_http
from tests.test_vector_stores import FOURIER, GROUPS, add, upload
from tests.upstream import completed, send_events, upstream

TOOLS = [{"type": "file_search"}]
INCLUDE = ["step_details.tool_calls[*].file_search.results[*].content"]


@pytest.fixture
def library(client: OpenAI):
    """An assistant that knows two documents."""
    store = client.vector_stores.create()
    add(client, store, "groups.md", GROUPS)
    add(client, store, "fourier.md", FOURIER)
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    return client.beta.assistants.create(model=MODEL, tools=TOOLS, tool_resources=resources)


def ask(client: OpenAI, assistant, content: str, **settings: object) -> tuple[Run, Message]:
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": content}]},
        poll_interval_ms=5,
        **settings,
    )
    assert run.status == "completed", run.last_error
    return run, client.beta.threads.messages.list(run.thread_id).data[0]


def names(client: OpenAI, message: Message) -> list[str]:
    return [
        client.files.retrieve(annotation.file_citation.file_id).filename
        for annotation in message.content[0].text.annotations
    ]


def test_an_answer_quotes_and_cites(client, library):
    _, message = ask(client, library, "What does the paper say about the Fourier transform?")
    text = message.content[0].text
    assert "“The Fourier transform turns a signal into its frequencies.”" in text.value
    assert names(client, message)[0] == "fourier.md"
    for annotation in text.annotations:
        assert annotation.type == "file_citation"
        assert text.value[annotation.start_index : annotation.end_index] == annotation.text
        assert annotation.text.startswith("【0:")


def test_the_number_of_sentences_is_kept_to(client, library):
    question = "What do the documents say about groups, in {} sentence{}?"
    for number, word in ((1, "one"), (2, "two")):
        _, message = ask(client, library, question.format(word, "s" * (number > 1)))
        assert message.content[0].text.value.count("“") == number


def test_nothing_fits(client, library):
    _, message = ask(client, library, "What is the capital of Norway?")
    assert message.content[0].text.value.startswith("I found nothing about that")
    assert message.content[0].text.annotations == []


def test_what_needs_no_document_is_not_looked_up(client, library):
    run, message = ask(client, library, "Solve 2x = 8")
    assert "x = 4" in message.content[0].text.value
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id)
    assert step.type == "message_creation"


def test_contents_come_only_if_they_are_asked_for(client, library):
    run, _ = ask(client, library, "What do the documents say about groups?")
    steps = client.beta.threads.runs.steps
    (_, step) = steps.list(run.id, thread_id=run.thread_id).data
    (call,) = step.step_details.tool_calls
    assert [result.content for result in call.file_search.results] == [None]
    (_, whole) = steps.list(run.id, thread_id=run.thread_id, include=INCLUDE).data
    (result,) = whole.step_details.tool_calls[0].file_search.results
    assert "neutral element" in result.content[0].text
    assert 0 < result.score <= 1
    one = steps.retrieve(step.id, run_id=run.id, thread_id=run.thread_id, include=INCLUDE)
    assert one.step_details.tool_calls[0].file_search.results[0].content
    bare = steps.retrieve(step.id, run_id=run.id, thread_id=run.thread_id)
    assert bare.step_details.tool_calls[0].file_search.results[0].content is None


def test_options_of_the_tool(client, library):
    options = {"max_num_results": 1, "ranking_options": {"score_threshold": 0.2}}
    tools = [{"type": "file_search", "file_search": options}]
    question = "What do the documents say about groups and the Fourier transform?"
    run, _ = ask(client, library, question, tools=tools)
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    (call,) = steps[-1].step_details.tool_calls
    assert len(call.file_search.results) == 1
    assert call.file_search.ranking_options.score_threshold == 0.2


def test_the_stream(client, library):
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "What do the documents say about groups?"}]
    )
    events = stream_over_http(client, f"threads/{thread.id}/runs", {"assistant_id": library.id})
    assert sequence(name for name, _ in events) == [
        *BEGUN,
        *CALLED,
        "thread.run.step.completed",
        *SAID,
        "thread.run.completed",
        "done",
    ]
    (found,) = [
        call["file_search"]["results"]
        for name, data in events
        if name == "thread.run.step.delta"
        for call in data["delta"]["step_details"]["tool_calls"]
        if call["file_search"].get("results")
    ]
    assert found[0]["file_name"] == "groups.md"
    assert "content" not in found[0]
    (message,) = [data for name, data in events if name == "thread.message.completed"]
    assert message["content"][0]["text"]["annotations"]


def test_a_file_attached_to_a_message(client):
    file = upload(client, "fourier.md", FOURIER)
    attached = {"file_id": file.id, "tools": TOOLS}
    assistant = client.beta.assistants.create(model=MODEL, tools=TOOLS)
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(
        thread.id,
        role="user",
        content="What does this say about the Fourier transform?",
        attachments=[attached],
    )
    (store_id,) = client.beta.threads.retrieve(
        thread.id
    ).tool_resources.file_search.vector_store_ids
    assert client.vector_stores.retrieve(store_id).expires_after.days == 7
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    message = client.beta.threads.messages.list(thread.id, run_id=run.id).data[0]
    assert names(client, message) == ["fourier.md"] * len(message.content[0].text.annotations)
    # Another one joins the same store, in whichever way it comes.
    other = {"file_id": upload(client, "groups.md", GROUPS).id, "tools": TOOLS}
    question = {"role": "user", "content": "What do they say about groups?"}
    client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        additional_messages=[{**question, "attachments": [other]}],
        poll_interval_ms=5,
    )
    assert client.vector_stores.retrieve(store_id).file_counts.completed == 2
    with_file = client.beta.threads.create(messages=[{**question, "attachments": [attached]}])
    assert with_file.tool_resources.file_search.vector_store_ids != [store_id]


def test_a_store_made_with_the_assistant(client):
    file = upload(client, "groups.md", GROUPS)
    wanted = {"file_search": {"vector_stores": [{"file_ids": [file.id], "metadata": {"a": "b"}}]}}
    assistant = client.beta.assistants.create(model=MODEL, tools=TOOLS, tool_resources=wanted)
    (store_id,) = assistant.tool_resources.file_search.vector_store_ids
    assert client.vector_stores.retrieve(store_id).metadata == {"a": "b"}
    _, message = ask(client, assistant, "What do the documents say about groups?")
    assert "neutral element" in message.content[0].text.value
    both = {"file_search": {"vector_store_ids": [store_id], "vector_stores": [{}]}}
    with pytest.raises(BadRequestError, match="one store only"):
        client.beta.threads.create(tool_resources=both)
    for wrong in ({"vector_store_ids": ["vs_0"]}, {"vector_stores": [{"file_ids": ["file-0"]}]}):
        with pytest.raises(NotFoundError):
            client.beta.assistants.create(model=MODEL, tool_resources={"file_search": wrong})


def test_two_assistants_share_a_store(client, library):
    other = client.beta.assistants.create(
        model=MODEL, tools=TOOLS, tool_resources=library.tool_resources.model_dump()
    )
    said = [
        ask(client, each, "What do the documents say about groups?")[1].content[0].text.value
        for each in (library, other)
    ]
    assert said[0] == said[1]


def test_what_a_model_is_told_and_what_it_may_cite(tmp_path):
    """It calls twice; its citations count through the calls, and made-up ones stay plain text."""
    asked, queries = [], ['{"query": "groups"}', '{"query": "Fourier"}']

    def answer(handler, body):
        asked.append(body)
        outputs = [item for item in body["input"] if item.get("type") == "function_call_output"]
        if len(outputs) < 2:
            query = queries[len(outputs)]
            call = {"type": "function_call", "id": "f", "name": "file_search", "arguments": query}
            call["call_id"] = f"call_{len(outputs)}"
            send_events(handler, completed("", output=[call])[1:])
        else:
            said = "Groups 【0:0†groups.md】, waves 【1:0†fourier.md】, lies 【7:3†lies.md】."
            send_events(handler, completed(said))

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        store = client.vector_stores.create()
        add(client, store, "groups.md", GROUPS)
        add(client, store, "fourier.md", FOURIER)
        resources = {"file_search": {"vector_store_ids": [store.id]}}
        assistant = client.beta.assistants.create(
            model=MODEL, tools=TOOLS, tool_resources=resources
        )
        _, message = ask(client, assistant, "Tell me.")
        cited = names(client, message)
        found = client.beta.threads.runs.steps.list(message.run_id, thread_id=message.thread_id)
        steps = [step.to_dict() for step in found if step.type == "tool_calls"]
    assert cited == ["groups.md", "fourier.md"]
    assert asked[0]["tools"][0]["name"] == "file_search"
    told = [i["output"] for i in asked[2]["input"] if i.get("type") == "function_call_output"]
    assert told[0].startswith('Search for "groups":\n\n【0:0†groups.md】\n# Groups')
    assert told[1].startswith('Search for "Fourier":\n\n【1:0†fourier.md】\nThe Fourier')
    calls = [item for item in asked[2]["input"] if item.get("type") == "function_call"]
    assert [call["arguments"] for call in calls] == queries, "the model reads its own calls"
    assert [step["step_details"]["tool_calls"][0].keys() for step in steps] == [
        {"id", "type", "file_search"}
    ] * 2, "and nobody else reads what it looked for"
    assert "Fourier" not in json.dumps(steps)


def test_a_mark_of_another_run_is_no_citation_of_this_one():
    """An earlier run found 【0:0†fourier.md】, and the model still reads it."""
    found = {"results": [{"file_id": "file-1", "file_name": "groups.md", "score": 1.0}]}
    record = {"id": "call_1", "type": "file_search", "file_search": found}
    calls = [FileSearchToolCall.model_validate(record)]
    text = "【0:0†groups.md】【0:0†fourier.md】【0:0†source】"
    places = FileSearchTool.places(None, calls)
    cited = [each.text for each in annotations([places], text)]
    assert cited == ["【0:0†groups.md】", "【0:0†source】"]
