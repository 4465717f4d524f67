"""Writes small PDF files."""

HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pdf(shown: str, pages: int = 1) -> bytes:
    """Return a PDF whose pages all show the same.

    Args:
        shown: the operators of a text object, for example ``72 720 Td (Hello) Tj``.
    """
    stream = f"BT /F1 12 Tf 14 TL {shown} ET".encode()
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        HELVETICA,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        *[page] * pages,
    ]
    body, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start, size = len(body), len(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n" % size
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, start)
    return bytes(body)
