"""What a question costs through the helpers, beside a server that does no work."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from openai import OpenAI
from openai.types.beta import Thread

from assistants_server.server import Server
from helpers import get_response, submit_message, wait_on_run
from tests.benchmarks.canned import Canned

QUESTION = "What is 2 + 2?"
PAIRS = 100
CLASSIC_PAIRS = 10


def classic_wait_on_run(client: OpenAI, run, thread: Thread):
    """The loop that most notebooks have: ask, then sleep half a second."""
    while run.status == "queued" or run.status == "in_progress":
        run = client.beta.threads.runs.retrieve(thread_id=thread.id, run_id=run.id)
        time.sleep(0.5)
    return run


def ask(client: OpenAI, assistant_id: str, classic: bool = False) -> float:
    """Ask the question in a new thread; return the milliseconds from message to answer."""
    thread = client.beta.threads.create()
    started = time.perf_counter()
    run = submit_message(client, assistant_id, thread, QUESTION)
    if classic:
        classic_wait_on_run(client, run, thread)
    else:
        wait_on_run(client, run)
    answer = get_response(client, thread).data[-1].content[0].text.value
    elapsed = time.perf_counter() - started
    assert answer == "2 + 2 = 4."
    return elapsed * 1000


def in_pairs(one: Callable[[], float], other: Callable[[], float], pairs: int) -> tuple:
    """Return the medians of both, measured in turn, and of the ratio within a pair."""
    for _ in range(min(pairs, 5)):
        one(), other()
    measured = [(one(), other()) for _ in range(pairs)]
    ones, others = zip(*measured)
    return median(ones), median(others), median(a / b for a, b in measured)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, canned = Server(Path(folder) / "bench.db"), Canned()
        server.start()
        canned.start()
        ours = OpenAI(base_url=server.base_url, api_key=server.token)
        theirs = OpenAI(base_url=canned.base_url, api_key=canned.token)
        assistant_id = ours.beta.assistants.create(model="gpt-6-luna").id

        real, idle, ratio = in_pairs(
            lambda: ask(ours, assistant_id), lambda: ask(theirs, "asst_1"), PAIRS
        )
        print(f"submit_message + wait_on_run + get_response, median of {PAIRS} pairs")
        print(f"  our server    {real:7.2f} ms")
        print(f"  canned server {idle:7.2f} ms")
        print(f"  ratio         {ratio:7.2f}    (target: at most 2)")

        classic, ours_again, ratio = in_pairs(
            lambda: ask(ours, assistant_id, classic=True),
            lambda: ask(ours, assistant_id),
            CLASSIC_PAIRS,
        )
        print(f"the classic half-second polling loop, median of {CLASSIC_PAIRS} pairs")
        print(f"  classic       {classic:7.2f} ms")
        print(f"  wait_on_run   {ours_again:7.2f} ms")
        print(f"  ratio         {ratio:7.1f}    (target: at least 20)")
        server.stop()
        canned.stop()


if __name__ == "__main__":
    main()
