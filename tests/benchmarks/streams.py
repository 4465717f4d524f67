"""Streams of runs: how soon the first text comes, and what two hundred at once take."""

import asyncio
import os
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import psutil
from openai import AsyncOpenAI, OpenAI

from tests.benchmarks.live import paced_upstream
from tests.benchmarks.paced import DELTAS
from tests.test_alone import alone

ROUNDS = 60
AT_ONCE = 200
MODEL = "gpt-6-luna"


def first_delta(client: OpenAI, assistant_id: str) -> tuple[float, float]:
    """Return the milliseconds to the first event, and from the upstream's first delta to ours."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])
    started, first = time.perf_counter(), None
    with client.beta.threads.runs.create(
        thread.id, assistant_id=assistant_id, stream=True
    ) as stream:
        for event in stream:
            first = first or (time.perf_counter() - started) * 1000
            if event.event == "thread.message.delta":
                sent = int(event.data.delta.content[0].text.value.split()[0])
                return first, (time.time_ns() - sent) / 1e6
    raise AssertionError("there was no text")


async def many(base_url: str, token: str, assistant_id: str) -> int:
    """Stream many runs at once; return how many ended well, with all their text."""

    async def one(client: AsyncOpenAI) -> bool:
        text, last = "", ""
        async with client.beta.threads.create_and_run_stream(
            assistant_id=assistant_id, thread={"messages": [{"role": "user", "content": "Hi"}]}
        ) as stream:
            async for event in stream:
                last = event.event
                if event.event == "thread.message.delta":
                    text += event.data.delta.content[0].text.value
        return last == "thread.run.completed" and len(text.split()) == DELTAS

    async with AsyncOpenAI(base_url=base_url, api_key=token, timeout=120) as client:
        return sum(await asyncio.gather(*(one(client) for _ in range(AT_ONCE))))


def main() -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with paced_upstream() as address, tempfile.TemporaryDirectory() as folder:
        environment = {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": address}
        with open(os.devnull, "w") as nowhere:
            process = alone(Path(folder) / "bench.db", stderr=nowhere, **environment)
            with process as server:
                client = OpenAI(base_url=server.base_url, api_key=server.token)
                assistant_id = client.beta.assistants.create(model=MODEL).id
                measured = [first_delta(client, assistant_id) for _ in range(ROUNDS + 5)][5:]
                events, deltas = zip(*measured)
                print(f"streamed runs, median of {ROUNDS}")
                print(f"  request to first event                    {median(events):6.2f} ms")
                print(
                    f"  upstream's first delta to the client's    {median(deltas):6.2f} ms"
                    "    (target: at most 5)"
                )
                memory = psutil.Process(server.pid).memory_info
                before, started = memory().rss, time.perf_counter()
                well = asyncio.run(many(server.base_url, server.token, assistant_id))
                seconds, grown = time.perf_counter() - started, (memory().rss - before) / 1e6
                print(f"{AT_ONCE} streams at once")
                print(f"  completed                                 {well:6} in {seconds:.1f} s")
                print(
                    f"  the server's memory grew by               {grown:6.1f} MB"
                    "    (target: less than 100)"
                )


if __name__ == "__main__":
    main()
