"""Messages: content of every kind, and what belongs to a thread goes with it."""

import sqlite3

import pytest
from openai import BadRequestError, NotFoundError, OpenAI


def test_text_images_and_attachments(client: OpenAI, thread):
    file = client.files.create(file=("cat.png", b"png"), purpose="vision")
    message = client.beta.threads.messages.create(
        thread.id,
        role="user",
        content=[
            {"type": "text", "text": "What is this?"},
            {"type": "image_file", "image_file": {"file_id": file.id}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
        attachments=[{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}],
    )
    assert [block.type for block in message.content] == ["text", "image_file", "image_url"]
    assert message.attachments[0].file_id == file.id
    assert client.beta.threads.messages.retrieve(message.id, thread_id=thread.id) == message


def test_a_text_of_256000_characters_is_the_longest(client: OpenAI, thread):
    longest = "é" * 256_000
    create = client.beta.threads.messages.create
    message = create(thread.id, role="user", content=longest)
    assert message.content[0].text.value == longest
    for content in (f"{longest}.", [{"type": "text", "text": f"{longest}."}]):
        with pytest.raises(BadRequestError, match="256000"):
            create(thread.id, role="user", content=content)
    assert len(client.beta.threads.messages.list(thread.id).data) == 1


def test_a_message_is_found_in_its_own_thread_only(client: OpenAI, thread):
    message = client.beta.threads.messages.create(thread.id, role="user", content="x")
    other = client.beta.threads.create()
    with pytest.raises(NotFoundError, match=message.id):
        client.beta.threads.messages.retrieve(message.id, thread_id=other.id)


def test_messages_and_runs_go_with_their_thread(client: OpenAI, assistant, thread):
    client.beta.threads.messages.create(thread.id, role="user", content="2 + 2?")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    client.beta.threads.delete(thread.id)
    with pytest.raises(NotFoundError, match=run.id):
        client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)


def test_a_thread_with_a_bad_message_is_not_created_at_all(fresh_client: OpenAI, tmp_path):
    with pytest.raises(NotFoundError):
        fresh_client.beta.threads.create(
            messages=[
                {"role": "user", "content": "fine"},
                {
                    "role": "user",
                    "content": "not fine",
                    "attachments": [{"file_id": "file-no", "tools": []}],
                },
            ]
        )
    database = sqlite3.connect(tmp_path / "assistants.db")
    assert database.execute("SELECT count(*) FROM objects").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize("text", ["", "\x00", "é" * 10_000, "line\nline", "😀 \u202e"])
def test_any_text_comes_back_as_it_was(client: OpenAI, thread, text):
    message = client.beta.threads.messages.create(thread.id, role="user", content=text)
    found = client.beta.threads.messages.retrieve(message.id, thread_id=thread.id)
    assert found.content[0].text.value == text
