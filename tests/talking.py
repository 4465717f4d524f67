"""Conversations with a server whose upstream a test plays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from openai import OpenAI
from openai.types.beta.threads import Message, Run

from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import completed, send_events, send_json, upstream

# Events of an answer, or the status and the body of a refusal.
Reply = list[dict] | tuple[int, dict]


class Talk:
    """A client, and what the upstream was asked for.

    Attributes:
        seen: the bodies of the requests.
    """

    def __init__(self, client: OpenAI, seen: list[dict]) -> None:
        self.client = client
        self.seen = seen

    def ask(
        self,
        question: str | dict = "Hello",
        *,
        thread: str | None = None,
        model: str = MODEL,
        tools: list[dict] | None = None,
        **settings: object,
    ) -> Run:
        """Ask in a thread, by default a new one, and wait until the run ends or waits."""
        assistant = self.client.beta.assistants.create(model=model, tools=tools or [])
        thread = thread or self.client.beta.threads.create().id
        message = question if isinstance(question, dict) else {"content": question}
        self.client.beta.threads.messages.create(thread, role="user", **message)
        return self.client.beta.threads.runs.create_and_poll(
            thread_id=thread, assistant_id=assistant.id, poll_interval_ms=5, **settings
        )

    def messages(self, run: Run) -> list[Message]:
        """Return the messages of a run, oldest first."""
        return self.client.beta.threads.messages.list(
            run.thread_id, run_id=run.id, order="asc"
        ).data


@contextmanager
def talking(database: Path, reply: Callable[[dict], Reply]) -> Iterator[Talk]:
    """Yield a client of a server whose upstream answers a request's body with what `reply` says."""
    seen: list[dict] = []

    def answer(handler: BaseHTTPRequestHandler, body: dict) -> None:
        seen.append(body)
        match reply(body):
            case int() as status, dict() as error:
                send_json(handler, status, error)
            case list() as events:
                send_events(handler, events)

    with upstream(answer) as address, connected(database, upstream=address) as client:
        yield Talk(client, seen)


def answered(*items: dict, status: str = "completed", reason: str | None = None) -> list[dict]:
    """Return the event that ends an answer of these items."""
    details = {"incomplete_details": {"reason": reason}} if reason else {}
    event = completed("", output=list(items), status=status, **details)[-1]
    return [{**event, "type": f"response.{status}"}]
