"""Annotations in streams: each comes with its place, however the model's text was cut."""

import asyncio
import json
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from openai import AssistantEventHandler, OpenAI
from openai.types.beta.threads import Message, MessageDelta, TextContentBlock, TextDelta

from assistants_server.engine import deltas
from assistants_server.engine.feed import MOST_WAITING, Feed
from assistants_server.marks import BEGINNING, MARK
from assistants_server.tools import Annotator, Places, Shown, annotations
from assistants_server.tools.annotator import beginning
from assistants_server.tools.code_interpreter import LINK, LINK_BEGUN
from tests.conftest import MODEL
from tests.serving import connected
from tests.test_vector_stores import FOURIER, GROUPS, add
from tests.upstream import completed, send_events, upstream

TEXT = (
    "Élan 😀: groups have one【0:0†groups.md】, signals too 【0:1†source】. Not 【9:9†gone】 "
    "nor 【0:1 or s/m. See [the report](sandbox:/mnt/data/report.csv), not sandbox:/mnt/data/no.csv."
)
ANNOTATED = ["【0:0†groups.md】", "【0:1†source】", "sandbox:/mnt/data/report.csv"]
MARKS = Places("file_citation", MARK.pattern, beginning(*BEGINNING), {
    "【0:0†groups.md】": "file-0", "【0:1†source】": "file-1"
}.get)  # fmt: skip
LINKS = Places("file_path", LINK, LINK_BEGUN, {ANNOTATED[2]: "file-2"}.get)


def pieces(text: str, *cuts: int) -> list[str]:
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


# Inside the places, and right before and behind them.
WITHIN = [
    cut
    for place in ANNOTATED
    for cut in range(TEXT.index(place), TEXT.index(place) + len(place) + 1)
]


@pytest.mark.parametrize(
    "cuts",
    [combinations(range(1, len(TEXT)), 1), combinations(WITHIN, 2), [range(1, len(TEXT))]],
    ids=["once", "twice", "everywhere"],
)
def test_how_a_text_is_cut_changes_nothing(cuts):
    expected = annotations([MARKS, LINKS], TEXT)
    assert [each.text for each in expected] == ANNOTATED
    for places in cuts:
        annotator = Annotator([MARKS, LINKS])
        shown = [each for piece in pieces(TEXT, *places) for each in annotator.read(piece)]
        shown += annotator.read("", last=True)
        assert "".join(each.text for each in shown) == TEXT
        assert all(each.text for each in shown)
        assert [each.annotations for each in shown if each.annotations == []] == [[]]
        found = [(each.text, a) for each in shown for a in each.annotations or ()]
        assert [text for text, _ in found] == ANNOTATED, "each whole, in a piece of its own"
        assert [a.index for _, a in found] == [0, 1, 2]
        kept = [a.model_dump(exclude={"index"}, exclude_none=True) for _, a in found]
        assert kept == [each.model_dump() for each in expected]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("As a group", ""),
        ("so 【", "【"),
        ("so 【0:1†sour", "【0:1†sour"),
        ("so 【x", ""),
        ("so 【0:1†so\nur", ""),
        ("so 【 and 【1", "【1"),
        ("in sandb", "sandb"),
        ("in sandbo.", ""),
        ("in sandbox:/mnt/", "sandbox:/mnt/"),
        ("in /mnt/data/report.csv.", "/mnt/data/report.csv."),
        ("in /mnt/data/report.csv. ", ""),
        ("this", "s"),
        ("1/", "/"),
        ("so 【0:1†" + "x" * 300, "【0:1†" + "x" * 300),
        ("so 【0:1†" + "x" * 301, ""),
        ("/mnt/data/" + "x" * 255, "/mnt/data/" + "x" * 255),
        ("/mnt/data/" + "x" * 256, ""),
        ("【" * 1000, "【"),
    ],
)
def test_only_what_may_become_a_place_is_held_back(text, held):
    annotator = Annotator([MARKS, LINKS])
    assert "".join(each.text for each in annotator.read(text)) == text.removesuffix(held)
    assert "".join(each.text for each in annotator.read("", last=True)) == held


def test_nothing_is_held_back_where_there_is_nothing_to_annotate():
    annotator = Annotator([])
    shown = [each for piece in ("so 【0", ":", "1†x】") for each in annotator.read(piece)]
    assert [(each.text, each.annotations) for each in shown] == [
        ("so 【0", []),
        (":", None),
        ("1†x】", None),
    ]


class Conversation:
    """A thread whose model finds two passages, writes report.csv, and says what a test tells it."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client
        self.says: list[str] = []
        self.breaks_off = self.has_written = False
        store = client.vector_stores.create()
        add(client, store, "groups.md", GROUPS)
        add(client, store, "fourier.md", FOURIER)
        self.assistant = client.beta.assistants.create(
            model=MODEL,
            tools=[{"type": "file_search"}, {"type": "code_interpreter"}],
            tool_resources={"file_search": {"vector_store_ids": [store.id]}},
        )
        self.thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])

    def answer(self, handler, request: dict) -> None:
        if request["input"][-1].get("type") != "function_call_output":
            code = json.dumps({"code": "open('report.csv', 'w').write('1')"})
            calls = [
                {"name": "file_search", "arguments": '{"query": "group Fourier"}'},
                {"name": "code_interpreter", "arguments": code},
            ]
            output = [
                {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", **call}
                for at, call in enumerate(calls[: 1 if self.has_written else 2])
            ]
            self.has_written = True
            send_events(handler, completed("", output=output)[1:])
            return
        *_, end = completed("".join(self.says))
        spoken = [{"type": "response.output_text.delta", "delta": each} for each in self.says]
        send_events(handler, spoken if self.breaks_off else [*spoken, end])

    def stream(self, *says: str, breaks_off: bool = False) -> tuple["Listener", Message]:
        """Return what was streamed of a run, and its message."""
        self.says, self.breaks_off = list(says), breaks_off
        listener = Listener()
        with self.client.beta.threads.runs.stream(
            thread_id=self.thread.id, assistant_id=self.assistant.id, event_handler=listener
        ) as stream:
            stream.until_done()
        return listener, self.client.beta.threads.messages.list(self.thread.id, limit=1).data[0]


class Listener(AssistantEventHandler):
    """Writes down each delta of a text, and what the SDK has put together of them."""

    def __init__(self) -> None:
        super().__init__()
        self.deltas: list[TextDelta] = []
        self.text: dict = {}  # put together

    def on_message_delta(self, delta: MessageDelta, snapshot: Message) -> None:
        assert delta.role is None
        (block,) = delta.content
        self.deltas.append(block.text)
        self.text = snapshot.content[block.index].text.to_dict()

    @property
    def annotated(self) -> list[TextDelta]:
        return [delta for delta in self.deltas if delta.annotations]


@pytest.fixture(scope="module")
def conversation(tmp_path_factory) -> Iterator[Conversation]:
    talk: list[Conversation] = []
    folder = tmp_path_factory.mktemp("annotations")
    with (
        upstream(lambda handler, body: talk[0].answer(handler, body)) as address,
        connected(folder / "a.db", upstream=address) as client,
    ):
        talk.append(Conversation(client))
        yield talk[0]


def check_equal(listener: Listener, message: Message) -> None:
    """Check that what the SDK puts together of a stream is what is stored."""
    (block,) = message.content
    assert isinstance(block, TextContentBlock)
    assert "".join(delta.value or "" for delta in listener.deltas) == block.text.value
    streamed = listener.text["annotations"]
    assert [each.pop("index") for each in streamed] == list(range(len(streamed)))
    assert listener.text == block.text.to_dict()


@pytest.mark.parametrize("place", ANNOTATED)
def test_a_place_cut_anywhere_comes_whole_with_its_annotation(conversation, place):
    begin = TEXT.index(place)
    for cut in range(begin, begin + len(place) + 1):
        listener, message = conversation.stream(*pieces(TEXT, cut))
        check_equal(listener, message)
        assert [delta.value for delta in listener.annotated] == ANNOTATED
        assert listener.deltas[0].annotations == []
        assert all(d.annotations for d in listener.deltas[1:] if d.annotations is not None)
        for delta in listener.annotated:
            (annotation,) = delta.annotations
            assert TEXT[annotation.start_index : annotation.end_index] == annotation.text
    *cited, written = (each for delta in listener.annotated for each in delta.annotations)
    files = [conversation.client.files.retrieve(each.file_citation.file_id) for each in cited]
    assert {file.filename for file in files} == {"groups.md", "fourier.md"}
    file = conversation.client.files.retrieve(written.file_path.file_id)
    assert file.filename == "report.csv"


def test_a_text_that_comes_character_by_character(conversation):
    listener, message = conversation.stream(*TEXT)
    check_equal(listener, message)
    assert [delta.value for delta in listener.annotated] == ANNOTATED


def test_a_turn_that_ends_within_a_mark_is_shown_to_its_end(conversation):
    listener, message = conversation.stream("As 【0:1†source】 says【0", ":")
    check_equal(listener, message)
    assert listener.deltas[-1].value == "【0:"


def test_a_run_that_fails_within_a_mark_has_stored_what_it_showed(conversation):
    listener, message = conversation.stream("As 【0:1†source】 says【0", ":", breaks_off=True)
    assert message.status == "incomplete"
    check_equal(listener, message)
    assert [delta.value for delta in listener.annotated] == ["【0:1†source】"]
    assert listener.deltas[-1].value == "【0:"


def test_annotations_are_not_lost_where_deltas_are_joined():
    placed = Annotator([MARKS]).read("so 【0:1†source】 and so")

    async def read() -> list[dict]:
        feed = Feed()
        with feed.subscribe("run_1") as slow:
            for _ in range(MOST_WAITING + 2):
                feed.publish_piece("run_1", deltas.text("msg_1", 0, Shown(".", None)))
            for piece in placed * 2:
                feed.publish_piece("run_1", deltas.text("msg_1", 0, piece))
            feed.close("run_1", "no more")
            return [json.loads(data) async for _, data in slow][:-1]

    texts = [event["delta"]["content"][0]["text"] for event in asyncio.run(read())]
    assert "".join(each["value"] for each in texts).strip(".") == "so 【0:1†source】 and so" * 2
    assert [each["value"] for each in texts if each.get("annotations")] == ["【0:1†source】"] * 2


def test_what_is_said_after_a_call_is_streamed_too(tmp_path):
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f"}
    later = {"type": "message", "content": [{"type": "output_text", "text": "And then?"}]}
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

    def answer(handler, _):
        added = {"type": "response.output_item.added", "item": call}
        output = [{**call, "arguments": "{}"}, later]
        send_events(handler, [added, completed("", output=output)[1]])

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        assistant = client.beta.assistants.create(model=MODEL, tools=[function])
        with client.beta.threads.create_and_run_stream(
            assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "Hello"}]}
        ) as stream:
            assert "".join(stream.text_deltas) == "And then?"
