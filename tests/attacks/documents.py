"""Documents that take long to read, and what becomes of the programs that read them."""

import psutil

COMMENTS = b"<!--" * 50_000  # html.parser needs a minute for it


def slow_pdf(pages: int = 4000) -> bytes:
    """Return a small PDF whose many pages share their text, so that reading it takes minutes."""
    line = b"(Numbers are everywhere, and every group has a neutral element.) Tj T* "
    text = b"BT /F1 12 Tf 14 TL 72 720 Td " + line * 100 + b"ET"
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        *[page] * pages,
    ]
    body, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer << /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(body + b"startxref\n%d\n%%%%EOF" % start)


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
