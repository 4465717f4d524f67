"""What our server costs between a client and an upstream: on a model turn, and on each delta."""

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from openai import OpenAI

from assistants_server.engine import Upstream
from assistants_server.server import Server

PAIRS = 60
MODEL = "gpt-6-luna"


@contextmanager
def paced_upstream() -> Iterator[str]:
    """Start the upstream in a process of its own; yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.paced"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=10)


def stream(client: OpenAI) -> tuple[float, list[float]]:
    """Stream one turn; return the milliseconds it took, and those that each delta travelled."""
    started, delays = time.perf_counter(), []
    for event in client.responses.create(model=MODEL, input="Hello", stream=True):
        if event.type == "response.output_text.delta":
            delays.append((time.time_ns() - int(event.delta)) / 1e6)
    return (time.perf_counter() - started) * 1000, delays


def run(client: OpenAI, assistant_id: str, thread_id: str) -> float:
    """Carry out a run of one model turn; return the milliseconds until it is seen to be completed."""
    started = time.perf_counter()
    run = client.beta.threads.runs.create(thread_id, assistant_id=assistant_id)
    time.sleep(0.095)  # nobody looks while the model speaks
    while run.status != "completed":
        run = client.beta.threads.runs.retrieve(run.id, thread_id=thread_id)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with paced_upstream() as address, tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "bench.db", upstream=Upstream(address, "key"))
        server.start()
        direct = OpenAI(base_url=address, api_key="key")
        ours = OpenAI(base_url=server.base_url, api_key=server.token)
        assistant_id = ours.beta.assistants.create(model=MODEL).id
        turns, runs, passed, direct_delays, our_delays = [], [], [], [], []
        for number in range(PAIRS + 5):
            thread = ours.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])
            whole, delays = stream(direct)
            through, delays_through = stream(ours)
            by_run = run(ours, assistant_id, thread.id)
            if number >= 5:
                turns.append(whole)
                runs.append(by_run - whole)
                passed.append(through - whole)
                direct_delays += delays
                our_delays += delays_through
        server.stop()
    print(f"our server between a client and a model that takes {median(turns):.0f} ms for a turn,")
    print(f"median of {PAIRS} pairs against asking it directly")
    print(f"  a run of one turn            {median(runs):+6.2f} ms    (target: less than 5)")
    print(f"  /v1/responses passed through {median(passed):+6.2f} ms")
    later = median(our_delays) - median(direct_delays)
    print(
        f"  each delta passed through    {later:+6.2f} ms    (target: at most 2; "
        f"{median(direct_delays):.2f} ms directly, {median(our_delays):.2f} ms through it)"
    )


if __name__ == "__main__":
    main()
