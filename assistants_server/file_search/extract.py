"""Run as a program of its own: prints the text of a PDF, DOCX or HTML file.

``python -I -B extract.py pdf|docx|html PATH MOST_BYTES``, with a pipe as its input that the server
holds open: it ends when the server does. If the file cannot be read, the reason goes to the error
output, and the exit code is REFUSED.
"""

import codecs
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import IO
from xml.etree import ElementTree

REFUSED = 3
MEMORY = 200_000_000  # bytes; two of these and the server stay below 500 MB
SECONDS = {"pdf": 50, "docx": 20, "html": 20}  # of processor time
PIECE = 65_536
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


class Wrong(Exception):
    """The file cannot be read; the message says why."""


def pdf(path: str, most: int) -> Iterator[str]:
    import logging

    from pypdf import PdfReader

    logging.disable(logging.CRITICAL)
    has_text = False
    with open(path, "rb") as content:
        reader = PdfReader(content)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Wrong("The PDF is encrypted.")
        for page in reader.pages:
            text = page.extract_text()
            has_text = has_text or bool(text.strip())
            yield f"{text}\n\n"
    if not has_text:
        raise Wrong("The PDF holds no text, perhaps only pictures.")


def docx(path: str, most: int) -> Iterator[str]:
    line: list[str] = []
    with zipfile.ZipFile(path) as archive, archive.open("word/document.xml") as document:
        for _, element in ElementTree.iterparse(_Bounded(document, 20 * most)):
            if element.tag == f"{WORD}t" and element.text:
                line.append(element.text)
            elif element.tag == f"{WORD}p":
                yield "".join(line) + "\n"
                line = []
            element.clear()


class _Bounded:
    """Reads at most so many bytes: a small archive can decompress to a huge text."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._left = file, most

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(PIECE if size < 0 else size)
        self._left -= len(piece)
        if self._left < 0:
            raise Wrong("It decompresses to far more than its text could be.")
        return piece


def html(path: str, most: int) -> Iterator[str]:
    with open(path, "rb") as content:
        start = content.read(2)
        content.seek(0)
        is_utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        decoder = codecs.getincrementaldecoder("utf-16" if is_utf16 else "utf-8-sig")()
        parser = _Visible()
        try:
            while piece := content.read(PIECE):
                parser.feed(decoder.decode(piece))
                yield parser.taken()
            parser.feed(decoder.decode(b"", final=True))
        except UnicodeDecodeError:
            raise Wrong(f"The file is not {'UTF-16' if is_utf16 else 'UTF-8'}.") from None
        parser.close()
        yield parser.taken()


class _Visible(HTMLParser):
    """Keeps what a browser would show."""

    HIDDEN = ("script", "style", "template")
    BLOCKS = ("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "section")

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._hidden = 0

    def taken(self) -> str:
        """Return what was found since the last time."""
        text = "".join(self._parts)
        self._parts.clear()
        return text

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._hidden += tag in self.HIDDEN
        if tag in self.BLOCKS:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self.HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(data)


KINDS = {"pdf": pdf, "docx": docx, "html": html}


def main(kind: str, path: str, most: str) -> int:
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    _limit(SECONDS[kind])
    try:
        _print(KINDS[kind](path, int(most)), int(most))
    except Wrong as wrong:
        reason = str(wrong)
    except (MemoryError, RecursionError):
        reason = "It took too much memory to read."
    except Exception as error:
        reason = f"The {kind.upper()} is broken ({type(error).__name__})."
    else:
        return 0
    sys.stderr.write(reason)
    return REFUSED


def _print(texts: Iterator[str], most: int) -> None:
    left = most
    for text in texts:
        content = text.encode(errors="replace")  # a PDF may hold lone surrogates
        left -= len(content)
        if left < 0:
            raise Wrong(f"Its text is longer than {most:,} bytes, which is the most.")
        sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _end_with_the_server() -> None:
    os.read(0, 1)  # nothing is ever sent, so it returns when the other end is closed
    os._exit(1)


def _limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return  # Windows has no such limits; there the server's own time limit holds
    limits = {"CPU": seconds, "DATA": MEMORY, "AS": 5 * MEMORY, "FSIZE": 0, "CORE": 0, "NOFILE": 64}
    for name, most in limits.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        except (ValueError, OSError):
            continue  # this system does not have it, or has a lower one


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
