"""What tracing costs: on a traced call, on a run, and on a notebook whose AgentOps is away."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from openai import OpenAI
from openai.resources.beta import Assistants
from openai.resources.beta.threads import Messages, Runs
from wrapt import FunctionWrapper

from notebooks.book.chapters import NOTEBOOKS, read
from notebooks.book.execute import execute
from tests.agentops_service import FAULTS

PAIRS = 200
NOTEBOOK = "03_runs"
NOTEBOOK_PAIRS = 3
TRACED = {
    Assistants: ("create",),
    Messages: ("list",),
    Runs: ("create", "retrieve", "cancel", "submit_tool_outputs"),
}


@contextmanager
def untraced() -> Iterator[None]:
    """Take AgentOps' wrappers and ours off the SDK's methods for a while."""
    wrapped = {
        (owner, name): vars(owner)[name] for owner, names in TRACED.items() for name in names
    }
    for (owner, name), method in wrapped.items():
        while isinstance(method, FunctionWrapper):
            method = method.__wrapped__
        setattr(owner, name, method)
    try:
        yield
    finally:
        for (owner, name), method in wrapped.items():
            setattr(owner, name, method)


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds that a call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def difference(call: Callable[[], object]) -> tuple[float, float, float]:
    """Return the medians with and without tracing, and of the difference within a pair."""
    measured = []
    for number in range(PAIRS + 10):
        if number % 2:
            with_tracing = timed(call)
            with untraced():
                without = timed(call)
        else:
            with untraced():
                without = timed(call)
            with_tracing = timed(call)
        measured.append((with_tracing, without))
    with_tracing, without = zip(*measured[10:])
    return median(with_tracing), median(without), median(a - b for a, b in measured[10:])


def calls(client: OpenAI) -> dict[str, Callable[[], object]]:
    """Return the traced calls, by name."""
    assistants, threads = client.beta.assistants, client.beta.threads
    tutor = assistants.create(model="gpt-6-luna")
    thread = threads.create(messages=[{"role": "user", "content": "What is 2 + 2?"}])
    done = threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=tutor.id, poll_interval_ms=5
    )

    def a_run() -> None:
        run = threads.runs.create(thread.id, assistant_id=tutor.id)
        while run.status != "completed":
            time.sleep(0.002)
            run = threads.runs.retrieve(run.id, thread_id=thread.id)
        threads.messages.delete(
            threads.messages.list(thread.id, limit=1).data[0].id, thread_id=thread.id
        )

    return {
        "assistants.create": lambda: assistants.create(model="gpt-6-luna"),
        "messages.list": lambda: threads.messages.list(thread.id),
        "runs.retrieve (a look at a run)": lambda: threads.runs.retrieve(
            done.id, thread_id=thread.id
        ),
        "a whole run, with its steps": a_run,
    }


def execute_with(env: dict[str, str]) -> float:
    """Execute the notebook in that environment; return the seconds."""
    notebook = read(NOTEBOOKS / f"{NOTEBOOK}.ipynb")
    before = dict(os.environ)
    os.environ.update(env)
    try:
        started = time.perf_counter()
        execute(notebook, f"{NOTEBOOK}-bench")
        return time.perf_counter() - started
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ASSISTANTS_DB"] = str(Path(folder) / "bench.db")
        from helpers import connect, trace

        client = connect()
        print(f"tracing, median of {PAIRS} pairs (target: less than 1 ms for a traced call)")
        with trace("bench"):
            for name, call in calls(client).items():
                traced, plain, more = difference(call)
                print(f"  {name:<32} {traced:6.2f} ms, without {plain:6.2f} ms, {more:+.2f} ms")
        print(
            f"notebook {NOTEBOOK} with a broken AgentOps, median of {NOTEBOOK_PAIRS} pairs "
            "(target: at most 1 s longer)"
        )
        for fault, start in FAULTS.items():
            longer = []
            for _ in range(NOTEBOOK_PAIRS):
                plain = execute_with({})
                with start() as service:
                    longer.append(execute_with(service.environment) - plain)
            print(f"  {fault:<14} {median(longer):+.2f} s")


if __name__ == "__main__":
    main()
