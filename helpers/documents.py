"""Documents: put them into a vector store, and show an answer with what it cites."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten

from openai import OpenAI
from openai.types import VectorStore
from openai.types.beta.threads import Message
from tqdm.auto import tqdm

from assistants_server.marks import MARK, place

CONTENT = ["step_details.tool_calls[*].file_search.results[*].content"]


def upload_files(
    client: OpenAI,
    paths: Iterable[str | Path],
    name: str = "",
    chunking_strategy: dict | None = None,
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
    more = {"chunking_strategy": chunking_strategy} if chunking_strategy else {}
    for file in tqdm(files, desc="files read", bar_format="{desc} {n_fmt}/{total_fmt} {bar}"):
        with file.open("rb") as content:
            uploaded = client.files.create(file=content, purpose="assistants")
        read = client.vector_stores.files.create_and_poll(
            uploaded.id, vector_store_id=store.id, poll_interval_ms=20, **more
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
    text, notes = message.content[0].text, {}
    said, position = "", 0
    for cited in sorted(text.annotations, key=lambda each: each.start_index):
        if cited.type != "file_citation":
            continue
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
    steps = client.beta.threads.runs.steps.list(
        message.run_id, thread_id=message.thread_id, order="asc", include=CONTENT
    )
    calls = [call for step in steps for call in getattr(step.step_details, "tool_calls", [])]
    found = {}
    for annotation in message.content[0].text.annotations:
        if annotation.type == "file_citation" and MARK.fullmatch(annotation.text):
            call, passage = place(annotation.text)
            result = calls[call].file_search.results[passage]
            found[annotation.text] = result.file_name, result.content[0].text
    return found
