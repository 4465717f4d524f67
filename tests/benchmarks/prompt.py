"""What the length of a thread costs where a run reads only the last ten messages."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.engine.prompt import build_prompt
from assistants_server.file_search import Library
from assistants_server.store import Store
from assistants_server.tools import Context, Toolbox
from assistants_server.wire import Run

PAIRS = 100
SHORT, LONG = 50, 5000
LAST = 10


def run_on(store: Store, length: int) -> Run:
    """Store a thread of that many messages, one of them with a file; return a run on it."""
    thread = Thread(id=f"thread_{length}", object="thread", created_at=1, metadata={})
    file = {"file_id": "file-1", "tools": [{"type": "code_interpreter"}]}
    with store.transaction():
        store.insert(thread)
        for number in range(length):
            message = {
                "id": f"msg_{length}_{number}",
                "object": "thread.message",
                "created_at": 1,
                "thread_id": thread.id,
                "status": "completed",
                "role": "assistant" if number % 2 else "user",
                "content": [{"type": "text", "text": {"value": "Hello " * 20, "annotations": []}}],
                "attachments": [] if number else [file],
            }
            store.insert(Message.model_validate(message), parent=thread.id)
    return Run.model_validate(
        {
            "id": f"run_{length}",
            "object": "thread.run",
            "created_at": 1,
            "thread_id": thread.id,
            "assistant_id": "asst_1",
            "status": "in_progress",
            "model": "m",
            "instructions": "",
            "tools": [{"type": "code_interpreter"}],
            "parallel_tool_calls": True,
            "truncation_strategy": {"type": "last_messages", "last_messages": LAST},
        }
    )


def build(store: Store, run: Run) -> float:
    """Return the milliseconds that the prompt takes."""
    rooms = CodeInterpreter(store), Library(store)
    toolbox = Toolbox(Context(store, *rooms, run.thread_id, lambda tool, name: []), run.tools)
    started = time.perf_counter()
    prompt = asyncio.run(build_prompt(store, run, toolbox))
    elapsed = (time.perf_counter() - started) * 1000
    assert len(prompt.thread) == LAST
    return elapsed


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db")
        assistant = {"id": "asst_1", "object": "assistant", "created_at": 1, "model": "m"}
        store.insert(Assistant.model_validate({**assistant, "tools": []}))
        short, long = run_on(store, SHORT), run_on(store, LONG)
        build(store, short), build(store, long)
        measured = [(build(store, long), build(store, short)) for _ in range(PAIRS)]
        store.close()
    print(f"the prompt of a run that reads the last {LAST} messages, median of {PAIRS} pairs")
    for length, times in zip((LONG, SHORT), zip(*measured)):
        print(f"  a thread of {length:5}  {median(times):7.2f} ms")
    ratio = median(long / short for long, short in measured)
    print(f"  ratio            {ratio:7.2f}    (target: at most 5)")


if __name__ == "__main__":
    main()
