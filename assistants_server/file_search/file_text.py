"""Reads a file as text, or says why that cannot be done."""

import codecs
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from openai.types import StaticFileChunkingStrategy

from assistants_server.file_search import chunking
from assistants_server.file_search.extractor_process import MOST_BYTES, ExtractorProcess, Unreadable

PASSAGES_AT_A_TIME = 50
EXTRACTED = {".pdf": "pdf", ".docx": "docx", ".html": "html", ".htm": "html"}
# Not text, although some of these files decode as UTF-8.
FOREIGN = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".zip", ".gz", ".tar", ".mp3", ".mp4"}
FOREIGN |= {".doc", ".xls", ".xlsx", ".ppt", ".pptx", ".exe", ".bin", ".parquet", ".db"}


def pieces(
    path: Path, name: str, strategy: StaticFileChunkingStrategy, extractor: ExtractorProcess
) -> Iterator[list[str]]:
    """Yield the passages of a file, some at a time. The first takes and raises what `read` does."""
    text = read(path, name, extractor)
    cut = chunking.cut(text, strategy.max_chunk_size_tokens, strategy.chunk_overlap_tokens)
    while some := list(islice(cut, PASSAGES_AT_A_TIME)):
        yield some


def read(path: Path, name: str, extractor: ExtractorProcess) -> str:
    """Return the text of a file. The suffix of its name says how to read it.

    Raises `Unreadable` if it is empty, too large, broken, or of a kind that is not read here, and
    `FileNotFoundError` if it has been deleted.
    """
    suffix = Path(name).suffix.lower()
    kind = EXTRACTED.get(suffix)
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("The file is empty.")
    if suffix in FOREIGN:
        raise Unreadable(f"Files of the kind {suffix} are not read here.", "unsupported_file")
    if size > MOST_BYTES and kind in (None, "html"):
        raise Unreadable(f"The file has {size:,} bytes of text; {MOST_BYTES:,} is the most.")
    text = extractor.read(kind, path) if kind else _decoded(path)
    if not text.strip():
        raise Unreadable("There is no text in the file.")
    return text


def _decoded(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES)
    is_utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if not is_utf16 and b"\0" in content:
        raise Unreadable("The file is not text.", "unsupported_file")
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if is_utf16 else "UTF-8"
        raise Unreadable(f"The file is not {encoding}: byte {error.start} does not fit.") from None
