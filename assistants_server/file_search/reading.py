"""Reads a file as text, or says why that cannot be done."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

MOST_BYTES = 20_000_000  # OpenAI's five million tokens, four bytes each
SECONDS_TO_EXTRACT = 60
EXTRACTED = {".pdf": "pdf", ".docx": "docx"}
HTML = (".html", ".htm")
# Not text, although some of their bytes may look like it.
FOREIGN = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".zip", ".gz", ".tar", ".mp3", ".mp4"}
FOREIGN |= {".doc", ".xls", ".xlsx", ".ppt", ".pptx", ".exe", ".bin", ".parquet", ".db"}


class Unreadable(Exception):
    """A file that cannot be read. `code` is one that a vector store file's last_error knows."""

    def __init__(self, message: str, code: str = "invalid_file") -> None:
        super().__init__(message)
        self.code = code


def read(path: Path, name: str) -> str:
    """Return the text of a file.

    Args:
        path: where its content lies.
        name: what it is called; the suffix says how to read it.

    Raises:
        Unreadable: it is empty, too large, broken, or of a kind that is not read here.
    """
    suffix = Path(name).suffix.lower()
    if path.stat().st_size == 0:
        raise Unreadable("The file is empty.")
    if suffix in FOREIGN:
        raise Unreadable(f"Files of the kind {suffix} are not read here.", "unsupported_file")
    text = _extracted(path, EXTRACTED[suffix]) if suffix in EXTRACTED else _decoded(path)
    if suffix in HTML:
        text = _visible(text)
    if not text.strip():
        raise Unreadable("There is no text in the file.")
    return text


def _decoded(path: Path) -> str:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise Unreadable(f"The file has {size:,} bytes of text; {MOST_BYTES:,} is the most.")
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in content:
        raise Unreadable("The file is not text.", "unsupported_file")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"The file is not UTF-8: byte {error.start} does not fit.") from None


def _visible(html: str) -> str:
    parser = _Visible()
    parser.feed(html)
    parser.close()
    return "".join(parser.parts)


class _Visible(HTMLParser):
    """Keeps what a browser would show."""

    HIDDEN = ("script", "style", "template")
    BLOCKS = ("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "section")

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._hidden += tag in self.HIDDEN
        if tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self.HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _extracted(path: Path, kind: str) -> str:
    """Read a PDF or DOCX in a process of its own, since such files can be bombs."""
    program = Path(__file__).with_name("extract.py")
    try:
        ended = subprocess.run(
            [sys.executable, "-I", str(program), kind, str(path), str(MOST_BYTES)],
            capture_output=True,
            timeout=SECONDS_TO_EXTRACT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(f"Reading it took more than {SECONDS_TO_EXTRACT} s.") from None
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        raise Unreadable("It took too much memory or time to read.") from None
    if "error" in answer:
        raise Unreadable(answer["error"])
    return answer["text"]
