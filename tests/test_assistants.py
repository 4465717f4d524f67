"""Assistants keep what they are given."""

from openai import OpenAI

from tests.conftest import MODEL

EVERYTHING = {
    "model": MODEL,
    "name": "n" * 256,
    "description": "d" * 512,
    "instructions": "i" * 256_000,
    "metadata": {f"{n:064}": "v" * 512 for n in range(16)},
    "temperature": 0.5,
    "top_p": 1,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
    },
    "tools": [
        {"type": "code_interpreter"},
        {
            "type": "file_search",
            "file_search": {
                "max_num_results": 5,
                "ranking_options": {"score_threshold": 0.5, "ranker": "auto"},
            },
        },
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
        },
    ],
}


def test_everything_comes_back_as_it_was_given(client: OpenAI):
    created = client.beta.assistants.create(**EVERYTHING)
    found = client.beta.assistants.retrieve(created.id).to_dict(exclude_none=True)
    assert {name: found[name] for name in EVERYTHING} == EVERYTHING


def test_update_leaves_alone_what_it_does_not_name(client: OpenAI):
    created = client.beta.assistants.create(**EVERYTHING)
    updated = client.beta.assistants.update(created.id, name=None, tools=[])
    assert (updated.name, updated.tools) == (None, [])
    for field in ("id", "created_at", "model", "instructions", "metadata", "response_format"):
        assert getattr(updated, field) == getattr(created, field), field


def test_deleting_one_leaves_the_others(client: OpenAI, assistant):
    other = client.beta.assistants.create(model=MODEL)
    client.beta.assistants.delete(assistant.id)
    left = [each.id for each in client.beta.assistants.list()]
    assert other.id in left
    assert assistant.id not in left
