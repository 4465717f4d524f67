"""Run as a program of its own: prints the text of a PDF or DOCX as JSON, or what is wrong.

``python -I extract.py pdf|docx PATH MOST_BYTES``
"""

import json
import sys
import zipfile
from xml.etree import ElementTree

MEMORY = 1_000_000_000  # bytes
SECONDS = 55
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
TOO_LONG = "Its text is longer than {most:,} bytes, which is the most."


class Wrong(Exception):
    pass


def pdf(path: str, most: int) -> str:
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Wrong("The PDF is encrypted.")
        pages, size = [], 0
        for page in reader.pages:
            pages.append(page.extract_text())
            size += len(pages[-1])
            if size > most:
                raise Wrong(TOO_LONG.format(most=most))
    except Wrong:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Wrong(f"The PDF is broken ({type(error).__name__}).") from None
    text = "\n\n".join(pages)
    if not text.strip():
        raise Wrong("The PDF holds no text, perhaps only pictures.")
    return text


def docx(path: str, most: int) -> str:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("word/document.xml") as document:
            return _paragraphs(document, most)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, EOFError, OSError) as error:
        raise Wrong(f"The DOCX is broken ({type(error).__name__}).") from None


def _paragraphs(document, most: int) -> str:
    lines, line, size = [], [], 0
    for _, element in ElementTree.iterparse(_Bounded(document, 20 * most)):
        if element.tag == f"{WORD}t" and element.text:
            line.append(element.text)
            size += len(element.text)
        elif element.tag == f"{WORD}p":
            lines.append("".join(line))
            line = []
        if size > most:
            raise Wrong(TOO_LONG.format(most=most))
        element.clear()
    return "\n".join(lines)


class _Bounded:
    """Reads at most so many bytes, however far a small archive unfolds."""

    def __init__(self, file, most: int) -> None:
        self._file, self._left = file, most

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(65536 if size < 0 else size)
        self._left -= len(piece)
        if self._left < 0:
            raise Wrong("It unfolds to far more than its text could be.")
        return piece


def main(kind: str, path: str, most: str) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    except (ImportError, ValueError, OSError):
        pass  # not on this system
    try:
        answer = {"text": {"pdf": pdf, "docx": docx}[kind](path, int(most))}
    except Wrong as wrong:
        answer = {"error": str(wrong)}
    except (MemoryError, RecursionError):
        answer = {"error": "It took too much memory to read."}
    sys.stdout.buffer.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
