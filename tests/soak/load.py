"""One client thread of many: it creates, asks, uploads, changes and deletes, and notes what it was promised."""

import random
import threading
import time
from collections import Counter

import httpx2

from tests.soak import material
from tests.soak.ledger import Ledger, Promise
from tests.soak.process import TOKEN, ServerProcess

SECONDS = 30  # an answer that takes longer counts as none
ENDED = ("completed", "failed", "cancelled", "incomplete", "expired")
MOST_KEPT = 12  # of each kind, before the client deletes some


class NoAnswer(Exception):
    """The server went away, or has refused; nothing was acknowledged."""


class Client:
    """A client with objects of its own, which it uses on whichever server lives.

    Args:
        number: tells it from the others.
        seed: decides what it does.
        passages: the passages of each document, as a server reads them that nobody disturbs.

    Attributes:
        ledger: what it was promised.
        troubles: answers that should not be, and how often.
    """

    def __init__(self, number: int, seed: int, passages: dict[str, list[str]]) -> None:
        self.ledger = Ledger()
        self.troubles: Counter[str] = Counter()
        self._random = random.Random(f"{seed} {number}")
        self._passages = passages
        self._server: ServerProcess | None = None
        self._http: httpx2.Client | None = None
        self._actions = {
            self.make_assistant: 2,
            self.change_assistant: 2,
            self.make_thread: 3,
            self.add_message: 4,
            self.change_message: 1,
            self.ask: 6,
            self.stream: 3,
            self.quiz: 3,
            self.run_code: 4,
            self.upload: 3,
            self.make_store: 2,
            self.fill_store: 3,
            self.delete_something: 4,
        }

    def work(self, servers: list[ServerProcess], stop: threading.Event) -> None:
        """Use these servers, one request after the other, until told to stop or none is left."""
        weights = list(self._actions.values())
        while not stop.is_set() and (living := [each for each in servers if each.alive]):
            self._connect(self._random.choice(living))
            action = self._random.choices(list(self._actions), weights)[0]
            try:
                action()
            except NoAnswer:
                time.sleep(0.02)
        self._connect(None)

    # Assistants, threads, messages

    def make_assistant(self, kind: str | None = None) -> Promise:
        kind = kind or self._random.choice(list(material.TOOLS))
        fields = {"name": kind, "instructions": material.words(self._random)}
        body = {"model": material.MODEL, "tools": material.TOOLS[kind], **fields}
        made = self._post("/assistants", body)
        return self._promised("/assistants", made, fields)

    def change_assistant(self) -> None:
        assistant = self._some("/assistants")
        fields = {"metadata": {"changed": material.words(self._random)}}
        with self.ledger.changing(assistant, fields):
            self._post(assistant.path, fields)

    def make_thread(self) -> Promise:
        fields = {"metadata": {"of": material.words(self._random)}}
        thread = self._post("/threads", fields)
        return self._promised("/threads", thread, fields)

    def add_message(self, text: str | None = None) -> Promise:
        thread = self._some("/threads")
        text = text or material.words(self._random)
        body = {"role": "user", "content": text}
        if self._random.random() < 0.2 and (files := self.ledger.there("/files")):
            file = self._random.choice(files)
            body["attachments"] = [{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}]
        listed = f"{thread.path}/messages"
        return self._promised(listed, self._post(listed, body), {"text": text, "role": "user"})

    def change_message(self) -> None:
        message = self.add_message()
        fields = {"metadata": {"read": "yes"}}
        with self.ledger.changing(message, fields):
            self._post(message.path, fields)

    # Runs

    def ask(self) -> None:
        """Ask the tutor; sometimes walk away, sometimes cancel, mostly wait for the answer."""
        run = self._start_run("plain", self._random.choice(material.QUESTIONS))
        chance = self._random.random()
        if chance < 0.1:
            return
        if chance < 0.2:
            self._cancel(run)
        self._wait_for(run)

    def run_code(self) -> None:
        """Let the tutor run code in a kernel."""
        run = self._start_run("code", material.run_this(self._random.choice(material.CODE)))
        if self._random.random() < 0.2:
            self._cancel(run)
        if self._random.random() < 0.5:
            self._wait_for(run)

    def quiz(self) -> None:
        """Ask for a function call, and mostly submit its output."""
        run = self._start_run("quiz", material.QUIZ)
        body = self._wait_for(run)
        if body["status"] == "requires_action" and self._random.random() < 0.8:
            path = f"{run.path}/submit_tool_outputs"
            self._post(path, {"tool_outputs": material.answer(body)})
            self._wait_for(run)

    def stream(self) -> None:
        """Read a run as a stream, sometimes not to its end."""
        assistant, thread = self._with_tools("plain"), self._some("/threads")
        body = {"assistant_id": assistant.id, "stream": True}
        body["additional_messages"] = [{"role": "user", "content": material.QUESTIONS[0]}]
        leave = self._random.random() < 0.2
        last = ""
        try:
            with self._http.stream("POST", f"{thread.path}/runs", json=body) as answer:
                if answer.status_code != 200:
                    answer.read()
                    self._judge(answer)
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        last = line.removeprefix("event: ")
                        if leave:
                            return
        except httpx2.TransportError as error:
            raise self._no_answer(error) from error
        if last != "done":
            self.troubles[f"a stream ended with the event {last!r}"] += 1

    # Files and vector stores

    def upload(self, name: str | None = None) -> Promise:
        content = material.DOCUMENTS[name] if name else self._random.randbytes(self._size())
        made = self._post(
            "/files", data={"purpose": "assistants"}, files={"file": (name or "a.bin", content)}
        )
        fields = {"bytes": len(content), "filename": name or "a.bin"}
        return self._promised("/files", made, fields, content)

    def make_store(self) -> Promise:
        fields = {"name": material.words(self._random)}
        made = self._post("/vector_stores", fields)
        return self._promised("/vector_stores", made, fields)

    def fill_store(self) -> None:
        store = self._some("/vector_stores")
        name = self._random.choice(list(material.DOCUMENTS))
        file = self.upload(name)
        listed = f"{store.path}/files"
        made = self._post(listed, {"file_id": file.id})
        fields = {"status": "completed"}
        self._promised(listed, made, fields, self._passages[name])

    # Deletions

    def delete_something(self) -> None:
        """Delete one of the kind that there are most of."""
        kinds = ("/assistants", "/threads", "/files", "/vector_stores")
        listed = max(kinds, key=lambda kind: len(self.ledger.there(kind)))
        found = self.ledger.there(listed)
        for promise in self._random.sample(found, max(min(1, len(found)), len(found) - MOST_KEPT)):
            self._delete(promise)
        if messages := [each for each in self.ledger.all() if each.listed.endswith("/messages")]:
            message = self._random.choice(messages)
            if message.state is message.state.THERE:
                self._delete(message)

    def _delete(self, promise: Promise) -> None:
        also = []
        if promise.listed == "/files":  # a deleted file leaves its vector stores
            also = [
                each
                for each in self.ledger.all()
                if each.listed.endswith("/files") and each.id == promise.id and each is not promise
            ]
        with self.ledger.deleting(promise, *also):
            self._send("DELETE", promise.path)

    # What the actions share

    def _start_run(self, kind: str, question: str) -> Promise:
        assistant, thread = self._with_tools(kind), self._some("/threads")
        listed = f"{thread.path}/runs"
        message = {"role": "user", "content": question}
        body = {"assistant_id": assistant.id, "additional_messages": [message]}
        run = self._promised(listed, self._post(listed, body), {"assistant_id": assistant.id})
        run.server = self._server.pid
        return run

    def _wait_for(self, run: Promise) -> dict:
        """Poll a run until it has ended or waits for its client; note the message that it wrote."""
        deadline, pause = time.monotonic() + SECONDS, 0.01
        while True:
            body = self._send("GET", run.path).json()
            if body["status"] in ENDED or body["status"] == "requires_action":
                break
            if time.monotonic() > deadline:
                self.troubles[f"a run was still {body['status']} after {SECONDS} s"] += 1
                raise NoAnswer
            time.sleep(pause)
            pause = min(2 * pause, 0.2)
        if body["status"] in ENDED:
            run.fields["status"] = body["status"]
            if "its log says more" in ((body["last_error"] or {}).get("message") or ""):
                self.troubles["a run failed by an error of the server"] += 1
        if body["status"] == "completed":
            listed = run.path.rpartition("/runs/")[0] + "/messages"
            answer = self._send("GET", f"{listed}?run_id={run.id}").json()
            for message in answer["data"]:
                if message["content"]:
                    text = message["content"][0]["text"]["value"]
                    self._promised(listed, message, {"text": text, "role": "assistant"})
        return body

    def _cancel(self, run: Promise) -> None:
        try:
            self._post(f"{run.path}/cancel", {})
        except NoAnswer:
            return  # it had ended, or the server has

    def _with_tools(self, kind: str) -> Promise:
        for assistant in self.ledger.there("/assistants"):
            if assistant.fields.get("name") == kind:
                return assistant
        return self.make_assistant(kind)

    def _some(self, listed: str) -> Promise:
        makers = {
            "/assistants": self.make_assistant,
            "/threads": self.make_thread,
            "/vector_stores": self.make_store,
        }
        found = self.ledger.there(listed)
        return self._random.choice(found) if len(found) > 3 else makers[listed]()

    def _size(self) -> int:
        return self._random.choice((10, 1000, 100_000, 3_000_000))

    def _promised(
        self,
        listed: str,
        made: dict,
        fields: dict,
        content: bytes | list[str] | None = None,
    ) -> Promise:
        return self.ledger.add(Promise(f"{listed}/{made['id']}", listed, fields, content))

    # HTTP

    def _connect(self, server: ServerProcess | None) -> None:
        if server is self._server:
            return
        if self._http is not None:
            self._http.close()
        self._server = server
        if server is not None:
            self._http = http_for(server)

    def _post(self, path: str, json: dict | None = None, **more: object) -> dict:
        return self._send("POST", path, json=json, **more).json()

    def _send(self, method: str, path: str, **more: object) -> httpx2.Response:
        """Send a request; return its answer, which is a success.

        Raises:
            NoAnswer: it is no success, or there is none.
        """
        try:
            answer = self._http.request(method, path, **more)
        except httpx2.TransportError as error:
            raise self._no_answer(error) from error
        self._judge(answer)
        return answer

    def _judge(self, answer: httpx2.Response) -> None:
        if answer.status_code >= 500:
            self.troubles[f"{answer.status_code} to {shape(answer.request)}: {answer.text}"] += 1
        if answer.status_code != 200:
            raise NoAnswer

    def _no_answer(self, error: httpx2.TransportError) -> NoAnswer:
        if self._server.alive:
            kind = type(error).__name__
            self.troubles[f"{kind} from a living server, to {shape(error.request)}"] += 1
        return NoAnswer()


def http_for(server: ServerProcess) -> httpx2.Client:
    """Return an HTTP client for a server."""
    return httpx2.Client(
        base_url=server.base_url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=SECONDS
    )


def shape(request: httpx2.Request) -> str:
    """Return a request's method and path without its ids: ``GET /v1/threads/*/runs``."""
    parts = request.url.path.split("/")
    return f"{request.method} {'/'.join('*' if len(part) > 24 else part for part in parts)}"
