"""Cursor pages: limit, order, after, before, has_more."""

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Thread


@pytest.fixture
def names(client: OpenAI, thread: Thread) -> dict[str, str]:
    """Seven messages, 1 to 7, all of the same second: text by id."""
    messages = [
        client.beta.threads.messages.create(thread.id, role="user", content=str(number))
        for number in range(1, 8)
    ]
    return {message.id: message.content[0].text.value for message in messages}


@pytest.fixture
def listed(client, thread, names):
    """Return a function that lists messages and gives their texts and has_more."""
    ids = {text: id for id, text in names.items()}

    def listed(**query):
        for cursor in ("after", "before"):
            if cursor in query:
                query[cursor] = ids[query[cursor]]
        page = client.beta.threads.messages.list(thread.id, **query)
        return "".join(names[message.id] for message in page.data), page.has_more

    return listed


@pytest.mark.parametrize(
    ("query", "texts", "has_more"),
    [
        ({}, "7654321", False),
        ({"order": "asc"}, "1234567", False),
        ({"limit": 3}, "765", True),
        ({"limit": 7}, "7654321", False),
        ({"order": "asc", "limit": 3, "after": "3"}, "456", True),
        ({"order": "asc", "after": "7"}, "", False),
        ({"order": "desc", "after": "3"}, "21", False),
        ({"order": "asc", "before": "3"}, "12", False),
        ({"order": "asc", "before": "6", "limit": 2}, "45", True),
        ({"order": "desc", "before": "3", "limit": 2}, "54", True),
        ({"order": "asc", "after": "2", "before": "5"}, "34", False),
    ],
)
def test_pages(listed, query, texts, has_more):
    assert listed(**query) == (texts, has_more)


def test_iterating_walks_through_every_page(client, thread, names):
    walked = [message.id for message in client.beta.threads.messages.list(thread.id, limit=2)]
    assert walked == list(reversed(names))


def test_first_and_last_id_frame_the_page(client, thread, names):
    page = client.beta.threads.messages.list(thread.id, limit=3)
    assert [page.first_id, page.last_id] == [page.data[0].id, page.data[-1].id]
    empty = client.beta.threads.runs.list(thread.id)
    assert [empty.first_id, empty.last_id, empty.data] == [None, None, []]


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_limit_out_of_bounds_is_refused(client, thread, limit):
    with pytest.raises(BadRequestError) as error:
        client.beta.threads.messages.list(thread.id, limit=limit)
    assert error.value.param == "limit"


def test_a_cursor_from_another_list_is_not_found(client, thread, names):
    other = client.beta.threads.create(messages=[{"role": "user", "content": "x"}])
    stranger = client.beta.threads.messages.list(other.id).data[0].id
    with pytest.raises(NotFoundError, match=stranger):
        client.beta.threads.messages.list(thread.id, after=stranger)


def test_messages_of_one_run(client, assistant, thread, names):
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    (answer,) = client.beta.threads.messages.list(thread.id, run_id=run.id).data
    assert (answer.role, answer.run_id) == ("assistant", run.id)
