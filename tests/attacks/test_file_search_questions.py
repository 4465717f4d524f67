"""No question keeps a search busy for long."""

import json

import pytest
from openai import BadRequestError
from openai.types.vector_stores import VectorStoreFile

from assistants_server.file_search import passage_search, ranking
from assistants_server.file_search.index import Index
from assistants_server.file_search.rows import AUTO
from tests.conftest import MODEL
from tests.serving import connected
from tests.test_file_search import TOOLS, ask
from tests.test_vector_stores import GROUPS, add
from tests.upstream import completed, send_events, upstream

MANY_WORDS = " ".join(f"word{number}" for number in range(40_000))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": MANY_WORDS}, "query"),
        ({"query": ["group", MANY_WORDS]}, "query"),
        ({"query": ["group"] * 17}, "query"),
        (
            {
                "query": "group",
                "filters": {
                    "type": "or",
                    "filters": [{"type": "eq", "key": "a", "value": 1}] * 101,
                },
            },
            "filters",
        ),
        (
            {"query": "group", "filters": {"type": "in", "key": "a", "value": [1] * 1001}},
            "filters",
        ),
    ],
    ids=["words", "one of several", "several", "comparisons", "values"],
)
def test_a_question_that_is_too_much_is_refused_by_name(client, body, param):
    store = client.vector_stores.create()
    with pytest.raises(BadRequestError) as error:
        client.post(f"/vector_stores/{store.id}/search", body=body, cast_to=object)
    assert error.value.param.startswith(param)


def test_a_models_question_of_40000_words_is_cut(tmp_path):
    def answer(handler, body):
        if any(item.get("type") == "function_call_output" for item in body["input"]):
            return send_events(handler, completed("Done."))
        query = json.dumps({"query": f"group {MANY_WORDS}"})
        call = {"type": "function_call", "id": "f", "name": "file_search", "arguments": query}
        return send_events(handler, completed("", output=[{**call, "call_id": "call_1"}])[1:])

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        store = client.vector_stores.create()
        add(client, store, "groups.md", GROUPS)
        resources = {"file_search": {"vector_store_ids": [store.id]}}
        assistant = client.beta.assistants.create(
            model=MODEL, tools=TOOLS, tool_resources=resources
        )
        run, _ = ask(client, assistant, "Tell me.")
        steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    (call,) = steps[-1].step_details.tool_calls
    assert [result.file_name for result in call.file_search.results] == ["groups.md"]


def test_the_words_that_count_are_distinct_and_few():
    assert ranking.telling("Group group GROUP") == ["group"]
    assert ranking.telling(MANY_WORDS) == [f"word{number}" for number in range(64)]
    assert ranking.telling("_".join("xy" * 2000)) == ["x", "y"]
    assert ranking.telling("the and of") == ["the", "and", "of"]


@pytest.fixture
def index(tmp_path):
    """An index of two stores: one of 40 files about rings, and a small one."""
    index = Index(tmp_path / "a.index")

    def put(store: str, number: int, text: str) -> None:
        file = VectorStoreFile.model_validate(
            {
                "id": f"file-{store}{number}",
                "object": "vector_store.file",
                "created_at": 1,
                "status": "in_progress",
                "usage_bytes": 0,
                "vector_store_id": store,
                "chunking_strategy": AUTO,
            }
        )
        index.add([(file, f"{number}.md")], None)
        unread = index.claim("a server")
        index.write(unread.seq, "a server", 0, [text])
        index.finish(unread.seq, "a server", len(text), None)

    for number in range(40):
        put("large", number, f"ring number{number}" + " rare" * (number == 39))
    put("small", 0, "a ring and a field")
    yield index
    index.close()


def test_where_too_many_passages_fit_the_rarest_words_say_which(index, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_MATCHES", 10)
    (hit,) = index.search(["large"], "rare ring", 20)
    assert hit.file_id == "file-large39"


def test_a_word_that_is_everywhere_is_looked_for_in_so_many_passages_only(index, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_MATCHES", 10)
    hits = index.search(["large"], "ring", 50)
    assert {hit.file_id for hit in hits} == {f"file-large{number}" for number in range(10)}


def test_a_large_store_hides_nothing_of_a_small_one(index, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_MATCHES", 10)
    (hit,) = index.search(["small"], "ring", 20)
    assert hit.file_id == "file-small0"
    assert len(index.search(["large", "small"], "field number3", 20)) == 2


def test_another_ranking_in_one_place_changes_the_order(index, monkeypatch):
    """The README promises that `Ranking` is all that has to be replaced."""

    class OldestFirst(ranking.Ranking):
        def candidates(self, connection, first, last):
            return ((id, 0.0) for id in range(first, last + 1))

        def score(self, passage, weight):
            return 1.0

    assert index.search(["large"], "rare ring", 2)[0].file_id == "file-large39"
    monkeypatch.setattr(passage_search, "Ranking", OldestFirst)
    hits = index.search(["large"], "rare ring", 2)
    assert [hit.file_id for hit in hits] == ["file-large0", "file-large1"]
