"""Sends requests, judges the answers, and remembers what was created."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from tests.fuzz import odd
from tests.fuzz.requests import Request
from tests.fuzz.schema import Ref

SECONDS = 30  # an answer that takes longer counts as a hang
ENDED = ("completed", "failed", "cancelled", "incomplete", "expired")
ECHOED = ("name", "description", "instructions", "metadata", "attributes")
KEPT = ("assistant", "thread", "thread.message", "thread.run", "vector_store", "vector_store.file")
MOST_HANGS = 5  # then nothing can be learnt any more
PARAMETERS = ("assistant_id", "thread_id", "message_id", "run_id", "step_id")
PARAMETERS += ("file_id", "vector_store_id", "batch_id")
QUIZ = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
# What is created where there is nothing of a kind: below which other object, where, and how.
FURNITURE = {
    "assistant": (None, "/assistants", {"model": "gpt-6-luna", "tools": [QUIZ]}),
    "thread": (None, "/threads", {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}),
    "message": ("thread", "/threads/{thread_id}/messages", {"role": "user", "content": "Hello"}),
    "run": (None, "/threads/runs", {"assistant_id": Ref("assistant", 0)}),
    "file": (None, "/files", None),
    "vector_store": (None, "/vector_stores", {"file_ids": [Ref("file", 0)]}),
    "store_file": (
        "vector_store",
        "/vector_stores/{vector_store_id}/files",
        {"file_id": Ref("file", 0)},
    ),
    "batch": (
        "vector_store",
        "/vector_stores/{vector_store_id}/file_batches",
        {"file_ids": [Ref("file", 0)]},
    ),
}


@dataclass(frozen=True)
class Known:
    """An object that was created.

    Attributes:
        path: where it is retrieved, below ``/v1``.
        listed: the list it belongs to, if it is in one.
        ids: what fills the path parameters of operations on it.
    """

    kind: str
    path: str
    listed: str | None
    ids: dict[str, str]


class Fuzzer:
    """A client that sends what it is given, and takes note of what should not be.

    Args:
        base_url: of the server, with ``/v1``.

    Attributes:
        sent: how many requests.
        hangs: how many of them had no answer in time.
        statuses: how often each was answered.
        faults: the kind of a fault, and the requests that showed it.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self.sent = self.hangs = 0
        self.statuses: Counter[int] = Counter()
        self.faults: dict[str, list[str]] = {}
        self._root = base_url.removesuffix("/v1")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=base_url, headers=headers, timeout=SECONDS)
        self._known: dict[str, dict[str, Known]] = {}
        self.openapi = self._http.get("/openapi.json").raise_for_status().json()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def created(self) -> int:
        """How many objects are there that were created."""
        return sum(len(each) for each in self._known.values())

    def send(self, request: Request) -> None:
        """Send one request, and judge its answer. Never raises."""
        url, body, headers = self._url(request), self._body(request), dict(request.headers)
        if request.path.endswith("/submit_tool_outputs"):
            url, body = self._submission(request, url, body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        shown = f"{request.method} {url} {headers if request.headers else ''} {_shown(body)}"
        self.sent += 1
        started = time.monotonic()
        try:
            with self._http.stream(request.method, url, content=body, headers=headers) as answer:
                content = b"".join(answer.iter_raw())
        except httpx2.TimeoutException:
            self.hangs += 1
            self._fault(f"no answer within {SECONDS} s", shown)
            return
        except httpx2.TransportError as error:
            self._fault(f"no answer: {type(error).__name__}", shown)
            return
        except (httpx2.InvalidURL, UnicodeError, ValueError):
            self.sent -= 1  # the client itself refuses to send it
            return
        if time.monotonic() - started > SECONDS:
            self._fault(f"an answer took more than {SECONDS} s", shown)
        self.statuses[answer.status_code] += 1
        self._judge(request, answer, content, f"{shown} -> {answer.status_code} {_shown(content)}")

    def finish(self) -> None:
        """Check that every run ends, and that every object can be retrieved and listed."""
        lists: dict[str, set[str]] = {}
        deadline = time.monotonic() + SECONDS
        for known in [each for kind in self._known.values() for each in kind.values()]:
            if known.kind == "run":
                self._check_run(known, deadline)
            answer = self._retrieve(known.path)
            if answer is None or answer.status_code != 200:
                status = answer.status_code if answer is not None else "no answer"
                self._fault("a created object cannot be retrieved", f"{known.path} -> {status}")
            if known.listed and known.listed not in lists:
                lists[known.listed] = self._read(known.listed)
            if known.listed and known.path.rpartition("/")[2] not in lists[known.listed]:
                self._fault("a created object is not in its list", known.path)
        for listed in ("/assistants", "/files", "/vector_stores"):
            self._read(listed)

    # What is sent

    def _url(self, request: Request) -> str:
        path = request.path
        if request.odd_id is not None and "{" in path:
            before, _, behind = path.rpartition("{")
            path = before + request.odd_id + behind.partition("}")[2]
        for name, id in (self._pick(request.kind, request.number) if request.kind else {}).items():
            path = path.replace(f"{{{name}}}", id)
        query = request.query
        if isinstance(query, dict):
            query = "&".join(
                f"{name}={quote(str(self._resolved(each)), errors='replace')}"
                for name, value in query.items()
                for each in (value if isinstance(value, list) else [value])
            )
        return f"{self._root}{path}{request.end}" + (f"?{query}" if query else "")

    def _body(self, request: Request) -> bytes | None:
        if isinstance(request.body, bytes) or request.body is None:
            return request.body
        body = odd.spelled(self._resolved(request.body))
        return body if request.misspelt is None else odd.misspelt(body, request.misspelt)

    def _resolved(self, value: Any) -> Any:
        """Return a value with ids in place of the references."""
        if isinstance(value, Ref):
            kind = value.kind
            if kind == "any":
                kinds = sorted(self._known)
                kind = kinds[value.number % len(kinds)] if kinds else "file"
            return next(reversed(self._pick(kind, value.number).values()))
        if isinstance(value, dict):
            return {key: self._resolved(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._resolved(each) for each in value]
        return value

    def _pick(self, kind: str, number: int) -> dict[str, str]:
        if not self._known.get(kind):
            self._furnish(kind)
        found = list(self._known.get(kind, {}).values())
        return found[number % len(found)].ids if found else dict.fromkeys(PARAMETERS, "none")

    def _furnish(self, kind: str) -> None:
        """Create an object of that kind in the plainest way, where there is none."""
        if kind not in FURNITURE:
            return
        above, path, body = FURNITURE[kind]
        for name, id in (self._pick(above, 0) if above else {}).items():
            path = path.replace(f"{{{name}}}", id)
        more = {"json": self._resolved(body)}
        if kind == "file":
            more = {"data": {"purpose": "assistants"}, "files": {"file": ("a.txt", b"7 numbers")}}
        answer = self._http.post(path, **more)
        if answer.status_code == 200:
            self._note(answer.json())

    def _submission(
        self, request: Request, url: str, body: bytes | None
    ) -> tuple[str, bytes | None]:
        """Return the request, three times in four for a run that waits, with the right ids."""
        if request.number % 4 == 0:
            return url, body
        for known in reversed(list(self._known.get("run", {}).values())[-20:]):
            answer = self._retrieve(known.path)
            if answer is not None and answer.status_code == 200:
                run = answer.json()
                if run["status"] == "requires_action":
                    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
                    output = odd.TEXTS[request.number % len(odd.TEXTS)]
                    outputs = [{"tool_call_id": call["id"], "output": output} for call in calls]
                    right = json.dumps({"tool_outputs": outputs}).encode()
                    return f"{self._root}/v1{known.path}/submit_tool_outputs", right
        return url, body

    # What comes back

    def _judge(self, request: Request, answer: httpx2.Response, content: bytes, shown: str) -> None:
        status = answer.status_code
        if status >= 500:
            self._fault(f"{status} to {request.method} {request.path}", shown)
        if request.method == "HEAD":
            return
        if status >= 300:
            if not _is_envelope(content):
                self._fault(f"{status} is not answered in OpenAI's envelope", shown)
            return
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            self._judge_stream(content, shown)
            return
        if status == 200 and answer.headers.get("content-type", "") == "application/json":
            try:
                body = json.loads(content, parse_constant=_refuse)
            except (ValueError, RecursionError):
                self._fault("an answer is not JSON", shown)
                return
            self._remember(request, body)
            self._compare(request, body, shown)

    def _judge_stream(self, content: bytes, shown: str) -> None:
        ended = (b"data: [DONE]", b"response.completed", b"response.incomplete")
        if not any(each in content for each in ended):
            self._fault("a stream has no end", shown)
        for line in content.splitlines():
            if line.startswith(b"data: {"):
                try:
                    self._note(json.loads(line[6:], parse_constant=_refuse))
                except (ValueError, RecursionError):
                    self._fault("an event is not JSON", shown)

    def _remember(self, request: Request, body: Any) -> None:
        if request.method == "DELETE" and body.get("deleted"):
            self._forget(body["object"], body["id"])
        elif request.method == "POST":
            self._note(body)
        elif request.path.endswith("/steps"):
            for step in body["data"]:
                self._note(step)

    def _compare(self, request: Request, body: dict[str, Any], shown: str) -> None:
        """What was accepted must come back as it was sent."""
        plain = isinstance(request.body, dict) and request.misspelt is None
        if request.method != "POST" or not plain or body.get("object") not in KEPT:
            return
        for name in ECHOED:
            if not request.body.get(name) or name not in body:
                continue
            if f"additional_{name}" in request.body:  # a run has both
                continue
            if json.loads(odd.spelled(request.body[name])) != body[name]:
                self._fault(f"'{name}' is not what was sent", shown)

    def _note(self, body: dict[str, Any]) -> None:
        """Note an object that was created or changed."""
        id = body.get("id", "")
        match body.get("object"):
            case "assistant":
                self._add("assistant", f"/assistants/{id}", "/assistants", assistant_id=id)
            case "thread":
                self._add("thread", f"/threads/{id}", None, thread_id=id)
            case "thread.message":
                thread = body["thread_id"]
                listed = f"/threads/{thread}/messages"
                self._add("message", f"{listed}/{id}", listed, thread_id=thread, message_id=id)
            case "thread.run":
                thread = body["thread_id"]
                listed = f"/threads/{thread}/runs"
                self._add("run", f"{listed}/{id}", listed, thread_id=thread, run_id=id)
                self._add("thread", f"/threads/{thread}", None, thread_id=thread)
            case "thread.run.step":
                thread, run = body["thread_id"], body["run_id"]
                listed = f"/threads/{thread}/runs/{run}/steps"
                ids = {"thread_id": thread, "run_id": run, "step_id": id}
                self._add("step", f"{listed}/{id}", listed, **ids)
            case "file":
                self._add("file", f"/files/{id}", "/files", file_id=id)
            case "vector_store":
                path = f"/vector_stores/{id}"
                self._add("vector_store", path, "/vector_stores", vector_store_id=id)
            case "vector_store.file":
                store = body["vector_store_id"]
                listed = f"/vector_stores/{store}/files"
                ids = {"vector_store_id": store, "file_id": id}
                self._add("store_file", f"{listed}/{id}", listed, **ids)
            case "vector_store.file_batch":
                store = body["vector_store_id"]
                path = f"/vector_stores/{store}/file_batches/{id}"
                self._add("batch", path, None, vector_store_id=store, batch_id=id)

    def _add(self, kind: str, path: str, listed: str | None, **ids: str) -> None:
        self._known.setdefault(kind, {})[path] = Known(kind, path, listed, ids)

    def _forget(self, deleted: str, id: str) -> None:
        """Forget an object that was deleted, and all that goes with it."""
        alone = deleted == "vector_store.file.deleted"
        for kind in self._known.values():
            for known in list(kind.values()):
                if id in known.ids.values() and (not alone or known.kind == "store_file"):
                    del kind[known.path]

    # At the end

    def _check_run(self, known: Known, deadline: float) -> None:
        while True:
            answer = self._retrieve(known.path)
            if answer is None or answer.status_code != 200:
                return
            run = answer.json()
            if run["status"] in (*ENDED, "requires_action"):
                break
            if time.monotonic() > deadline:
                self._fault("a run does not end", f"{known.path} is {run['status']}")
                return
            time.sleep(0.05)
        error = run["last_error"]
        if error and "its log says more" in error["message"]:
            self._fault("a run failed by an error of the server", json.dumps(run)[:1500])

    def _read(self, listed: str) -> set[str]:
        """Return the ids of a list, page by page to its end."""
        ids: set[str] = set()
        path = f"{listed}?limit=100"
        while True:
            answer = self._retrieve(path)
            if answer is None or answer.status_code != 200:
                self._fault("a list cannot be read", f"{path} -> {answer and answer.text[:300]}")
                return ids
            page = answer.json()
            ids |= {each["id"] for each in page["data"]}
            if not page["has_more"]:
                return ids
            path = f"{listed}?limit=100&after={page['last_id']}"

    def _retrieve(self, path: str) -> httpx2.Response | None:
        try:
            return self._http.get(path)
        except httpx2.TransportError as error:
            self._fault(f"no answer: {type(error).__name__}", f"GET {path}")
            return None

    def _fault(self, kind: str, shown: str) -> None:
        self.faults.setdefault(kind, []).append(shown)


def _is_envelope(content: bytes) -> bool:
    try:
        error = json.loads(content)["error"]
        return isinstance(error["message"], str) and {"type", "param", "code"} <= set(error)
    except (ValueError, KeyError, TypeError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _shown(content: bytes | None) -> str:
    return repr(content)[1:700] if content is not None else ""
