"""Documents: put them into a vector store, and show an answer with what it cites."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten

from openai import OpenAI, omit
from openai.types import FileChunkingStrategyParam, VectorStore
from openai.types.beta.threads import FileCitationAnnotation, Message, Text
from openai.types.beta.threads.runs import FileSearchToolCall, RunStepInclude
from tqdm.auto import tqdm

from assistants_server.marks import MARK, place

CONTENT: list[RunStepInclude] = ["step_details.tool_calls[*].file_search.results[*].content"]


def upload_files(
    client: OpenAI,
    paths: Iterable[str | Path],
    name: str = "",
    chunking_strategy: FileChunkingStrategyParam | None = None,
) -> VectorStore:
    """Upload files, or all files of folders, into a new vector store, and wait until all are read.

    Shows a progress bar, and prints the name of each file that could not be read, with the reason.

    Args:
        chunking_strategy: how to cut them, as the API wants it; the default is the API's.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    files = [file for path in paths for file in _files(Path(path))]
    store = client.vector_stores.create(name=name)
    for file in tqdm(files, desc="files read", bar_format="{desc} {n_fmt}/{total_fmt} {bar}"):
        with file.open("rb") as content:
            uploaded = client.files.create(file=content, purpose="assistants")
        read = client.vector_stores.files.create_and_poll(
            uploaded.id,
            vector_store_id=store.id,
            poll_interval_ms=20,
            chunking_strategy=chunking_strategy or omit,
        )
        if read.last_error:
            print(f"{file.name} could not be read: {read.last_error.message}")
    return client.vector_stores.retrieve(store.id)


def delete_store(client: OpenAI, store: VectorStore) -> None:
    """Delete a vector store, and the files in it."""
    for file in list(client.vector_stores.files.list(store.id)):
        client.files.delete(file.id)
    client.vector_stores.delete(store.id)


def with_footnotes(client: OpenAI, message: Message, width: int = 90) -> str:
    """Return a message's text with its citations as numbers, and below it what they stand for.

    Args:
        width: how many characters of each passage to show.
    """
    passages = _passages(client, message)
    text = _text(message)
    notes: dict[str, int] = {}
    said, position = "", 0
    for cited in _citations(text):
        number = notes.setdefault(cited.text, len(notes) + 1)
        said += f"{text.value[position : cited.start_index]}[{number}]"
        position = cited.end_index
    lines = [said + text.value[position:], ""]
    for mark, number in notes.items():
        file, passage = passages.get(mark, ("?", ""))
        lines.append(f"[{number}] {file}: {shorten(passage, width, placeholder=' ...')}")
    return "\n".join(lines).rstrip()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    return [path]


def _passages(client: OpenAI, message: Message) -> dict[str, tuple[str, str]]:
    """Return file and passage for each mark in a message."""
    citations = _citations(_text(message))
    if message.run_id is None or not citations:  # nothing that a run has searched for
        return {}
    steps = client.beta.threads.runs.steps.list(
        message.run_id,
        thread_id=message.thread_id,
        order="asc",
        include=CONTENT,
    )
    calls = [call for step in steps for call in getattr(step.step_details, "tool_calls", [])]
    found = {}
    for cited in citations:
        if MARK.fullmatch(cited.text):
            number, passage = place(cited.text)
            call = calls[number]
            if isinstance(call, FileSearchToolCall) and call.file_search.results:
                result = call.file_search.results[passage]
                text = result.content[0].text if result.content else None
                found[cited.text] = result.file_name, text or ""
    return found


def _text(message: Message) -> Text:
    """Return the first text of a message."""
    texts = (block.text for block in message.content if block.type == "text")
    return next(texts, Text(value="", annotations=[]))


def _citations(text: Text) -> list[FileCitationAnnotation]:
    """Return what a text cites, in its order."""
    cited = [each for each in text.annotations if each.type == "file_citation"]
    return sorted(cited, key=lambda each: each.start_index)
