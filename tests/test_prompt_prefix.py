"""How much of each prompt is the same as in the run before: what a provider's cache can hold."""

import json
from collections.abc import Iterator
from itertools import pairwise

from tests.talking import Talk, answered, talking
from tests.upstream import completed

TARGET = 0.9
TOOLS = [
    {"type": "code_interpreter"},
    {"type": "file_search"},
    {"type": "function", "function": {"name": "look_up", "description": "Looks it up."}},
]


def rendered(body: dict) -> str:
    """Return a request in the order in which a model reads it."""
    return json.dumps([body.get("instructions"), body.get("tools"), body["input"]])


def same(before: str, after: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(before, after)) if a != b), len(before))


def shares(seen: list[dict]) -> Iterator[float]:
    """Yield, for each request but the first, the share of the one before that it begins with."""
    texts = [rendered(body) for body in seen]
    for before, after in pairwise(texts):
        yield same(before, after) / len(before)


def call(number: int, name: str, arguments: str) -> dict:
    made = {"call_id": f"call_{number}", "name": name, "arguments": arguments}
    return {"type": "function_call", "id": f"fc_{number}", **made}


def busy():
    """Return a reply that first runs code and searches, with a thought before, and then answers."""
    numbers = iter(range(10**6))

    def reply(body: dict):
        if "output" in body["input"][-1]:
            return completed("That is what I found. " * 5)
        first, second = next(numbers), next(numbers)
        thought = {"type": "reasoning", "id": f"rs_{first}", "encrypted_content": "x" * 200}
        code = call(first, "code_interpreter", '{"code": "print(list(range(99)))"}')
        return answered(thought, code, call(second, "file_search", '{"query": "x"}'))

    return reply


def attached(talk: Talk, name: str) -> dict:
    file = talk.client.files.create(file=(name, b"a,b\n1,2\n"), purpose="assistants")
    files = [{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}]
    return {"content": f"What is in {name}?", "attachments": files}


def test_a_prompt_begins_like_the_one_before_it(tmp_path):
    with talking(tmp_path / "a.db", busy()) as talk:
        thread = talk.client.beta.threads.create().id
        for number in range(4):
            # An attachment in the middle of the conversation, too.
            question = attached(talk, f"{number}.csv") if number % 2 else f"Question {number}"
            run = talk.ask(question, thread=thread, tools=TOOLS, instructions="Be kind. " * 20)
            assert run.status == "completed", run.last_error
    assert len(talk.seen) == 8
    measured = list(shares(talk.seen))
    assert min(measured) >= TARGET, measured
    assert {body["prompt_cache_key"] for body in talk.seen} == {thread}
    # The two that end it are the brackets of the lists; all before them is the same.
    texts = [rendered(body) for body in talk.seen]
    assert all(same(a, b) >= len(a) - len("]]") for a, b in pairwise(texts))


def test_the_files_of_a_message_are_named_in_it(tmp_path):
    with talking(tmp_path / "a.db", busy()) as talk:
        run = talk.ask(attached(talk, "grades.csv"), tools=TOOLS[:1])
        talk.ask("Thanks", thread=run.thread_id)
    (note,) = talk.seen[0]["input"][0]["content"][1:]
    assert note == {"type": "input_text", "text": "[Files for your code: grades.csv]"}
    assert "grades.csv" not in json.dumps(talk.seen[0]["tools"])
    assert "Files for" not in json.dumps(talk.seen[-1]), "who has no code interpreter"
