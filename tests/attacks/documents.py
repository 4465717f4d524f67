"""Documents that take long to read, and what becomes of the programs that read them."""

import psutil

from tests.pdfs import pdf

COMMENTS = b"<!--" * 50_000  # html.parser needs a minute for it


def slow_pdf(pages: int = 4000) -> bytes:
    """Return a small PDF whose many pages share their text, so that reading it takes minutes."""
    line = "(Numbers are everywhere, and every group has a neutral element.) Tj T* "
    return pdf(f"72 720 Td {line * 100}", pages)


def reading_programs(server: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the programs that read files for a server, by default for one of this process."""
    found = []
    for process in (server or psutil.Process()).children(recursive=True):
        try:
            if any(part.endswith("extract.py") for part in process.cmdline()):
                found.append(process)
        except psutil.Error:  # it has just ended
            continue
    return found
