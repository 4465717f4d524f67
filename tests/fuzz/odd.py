"""JSON, texts, queries and uploads that no honest client sends."""

import json
import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Literally:
    """JSON text that `json.dumps` would not write: too deep, too long, or no JSON at all."""

    text: str


def _deep(depth: int, begin: str, end: str, inside: str = "1") -> Literally:
    return Literally(begin * depth + inside + end * depth)


TEXTS = (
    "",
    " ",
    "\ud800",
    "a\udfffb",
    "a\0b",
    "\u202e\u2028",
    "\ufeff",
    "é́́",
    "𝟛𝕩 = 𝟙",
    "' OR 1=1 --",
    "../../etc/passwd",
    "%s%n{0}${x}",
    "<!--" * 50,
    "x" * 70_000,
)
VALUES = (
    *TEXTS,
    None,
    True,
    False,
    0,
    -1,
    5,
    2**31,
    2**63,
    -(2**64),
    10**400,
    -0.0,
    0.1,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": ""},
    {"\ud800": 1},
    {"a": "\ud800"},
    {"a": float("nan")},
    {"type": "object", "properties": 5},
    {"type": 5},
    {"type": "function"},
    {"type": "function", "function": {"name": "f", "parameters": {"\udc00": 1}}},
    {"$ref": "#"},
    {"__class__": "x", "constructor": {"prototype": 1}},
    list(range(1000)),
    {str(number): "x" for number in range(100)},
    Literally("1" * 5000),
    Literally("1e999999"),
    Literally("-0"),
    Literally("0x10"),
    Literally("01"),
    Literally("'a'"),
    Literally('{"a": 1, "a": 2}'),
    Literally('"\\ud83d"'),
    Literally('"\\q"'),
    *(_deep(depth, "[", "]") for depth in (100, 240, 1200, 50_000)),
    *(_deep(depth, '{"a":', "}") for depth in (100, 197, 230, 1200, 50_000)),
)
values = st.sampled_from(VALUES)
texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=40))

WHOLE = (b"", b" ", b"null", b"[]", b'"text"', b"5", b"{", b"}", b"{'a': 1}", b"\xff\xfe", b"nan")
CONTENT_TYPES = (
    "text/plain",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
    "é",
)
HEADERS = (
    {"Range": "bytes=5-2"},
    {"Range": "bytes=99999999-"},
    {"Range": "bytes=a-b"},
    {"Range": "bytes=0-0,2-3,-1"},
    {"Range": "lines=1"},
    {"If-None-Match": "*"},
    {"If-Range": "Thu"},
    {"Accept": "application/xml"},
    {"Content-Encoding": "gzip"},
    {"Expect": "nothing"},
    {"OpenAI-Beta": "assistants=v1"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Origin": "null"},
    {"X-Request-Id": "x" * 5000},
)
PATH_ENDS = ("/", "//", "/.", "/..", "/%2e%2e/threads", "?", "/%00", "/runs", ";a=b", "/é")
IDS = (
    "x",
    "%00",
    "..",
    "%2e%2e",
    "%2F",
    "%ff",
    "null",
    "runs",
    "a" * 3000,
    "%F0%9F%92%A9",
    "'",
    " ",
)
QUERIES = (
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=99999999999999999999",
    "limit=1e2",
    "limit=%00",
    "limit=",
    "limit=5&limit=6",
    "order=up",
    "order=asc&order=desc",
    "after=x",
    "after=",
    "after=%00",
    "after=%ff",
    "after=%ED%A0%80",
    "before=x&after=y",
    "after=a&after=b",
    "purpose=%27",
    "filter=completed",
    "filter=5",
    "run_id=x",
    "include[]=x",
    "include=x",
    "include[]=step_details.tool_calls[*].file_search.results[*].content",
    "unknown=1",
    "&&&",
    "=",
    "%",
    "a" * 5000,
)


def spelled(body: Any) -> bytes:
    """Return a body as JSON, with what is to be written literally as it is."""
    found: list[str] = []

    def mark(value: object) -> str:
        assert isinstance(value, Literally)
        found.append(value.text)
        return f"@literally-{len(found) - 1}@"

    text = json.dumps(body, default=mark)
    return re.sub(r'"@literally-(\d+)@"', lambda match: found[int(match[1])], text).encode()


def misspelt(body: bytes, how: int) -> bytes:
    """Return JSON that is spoilt in one of several ways: cut, doubled, in another encoding."""
    match how % 9:
        case 0:
            return body[: len(body) // 2]
        case 1:  # the first key twice
            return re.sub(rb'^\{("[^"]*": )', rb"{\g<1>7, \g<1>", body)
        case 2:
            return b"\xef\xbb\xbf" + body
        case 3:
            return body.decode().encode("utf-16")
        case 4:
            return body[:-1] + b',"unknown": 1}'
        case 5:
            return body[:-1] + b",}"
        case 6:
            return body.replace(b"e", b"\xe9", 1)
        case 7:
            return body + b" " * 50_000
        case _:
            return body + body


BOUNDARY = b"----fuzz"
FILE = b'Content-Disposition: form-data; name="file"; filename="%s"\r\n%s'
PURPOSE = b'Content-Disposition: form-data; name="purpose"\r\n\r\n%s'
NAMES = (
    b"a.txt",
    b"",
    b"..",
    b"../../etc/passwd",
    b".bashrc",
    b"a/b\\c.csv",
    b"a\0b",
    b"\xff\xfe",
    "é💩.csv".encode(),
    b'a\\"b.txt',
    b"%0d%0aX: y",
    b"n" * 3000,
    b"page.html",
    b"paper.pdf",
    b"paper.docx",
)
CONTENTS = (
    b"",
    b"a,b\n1,2\n",
    b"\0" * 1000,
    b"\xff\xfeh\0i\0",
    b"%PDF-1.4 and no more",
    b"PK\x03\x04broken",
    b"<!--" * 20_000,
    b"<p>" * 5000,
    b"word " * 30_000,
    b"\r\n------fuzz",
    "Zürich ".encode() * 500,
)
PURPOSES = (b"assistants", b"assistants", b"assistants", b"vision", b"", b"x", b"\xff", b"a" * 5000)


@st.composite
def uploads(draw: st.DrawFn) -> tuple[dict[str, str], bytes]:
    """Draw the headers and the body of an upload; two of three are in order."""
    file = FILE % (
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from((b"\r\n", b"Content-Type: text/plain\r\n\r\n", b"X: y\r\n\r\n"))),
    )
    if not file.endswith(b"\r\n\r\n"):
        file += b"\r\n"
    file += draw(st.one_of(st.sampled_from(CONTENTS), st.binary(max_size=200)))
    purpose = PURPOSE % draw(st.sampled_from(PURPOSES))
    parts = [file, purpose]
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    trouble = draw(st.integers(0, 20))
    match trouble:
        case 0:
            parts = [purpose]
        case 1:
            parts = [file]
        case 2:
            parts = [file, file, purpose]
        case 3:
            parts += [PURPOSE.replace(b"purpose", b"extra") % b"1"]
        case 4:
            parts = [purpose] * 1100
        case 5:
            parts = [b"no header at all", purpose]
        case 6:
            parts = [file.replace(b'name="file"', b""), purpose]
        case 7:
            parts = [b"X: " + b"y" * 100_000 + b"\r\n\r\nz", purpose]
        case 8:
            headers = {"Content-Type": "multipart/form-data"}
        case 9:
            headers = {"Content-Type": "multipart/form-data; boundary="}
        case 10:
            headers = {"Content-Type": "application/json"}
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY, part) for part in parts)
    body += b"" if trouble == 11 else b"--%s--\r\n" % BOUNDARY
    return headers, body[: len(body) // 2] if trouble == 12 else body
