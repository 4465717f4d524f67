"""Raw HTTP: flows per second with 16 connections, beside a server that does no work.

A flow is a thread, a message, a run, polling until it is completed, and a list of the messages.
Each server is a process of its own.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

import httpx2
import psutil

CONNECTIONS = 16
FLOWS = 320
ROUNDS = 3


async def flow(http: httpx2.AsyncClient, assistant_id: str) -> None:
    thread = (await http.post("/threads", json={})).json()["id"]
    message = {"role": "user", "content": "What is 2 + 2?"}
    await http.post(f"/threads/{thread}/messages", json=message)
    run = (await http.post(f"/threads/{thread}/runs", json={"assistant_id": assistant_id})).json()
    pause = 0.005
    while run["status"] in ("queued", "in_progress"):
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
        run = (await http.get(f"/threads/{thread}/runs/{run['id']}")).json()
    assert run["status"] == "completed", run
    messages = (await http.get(f"/threads/{thread}/messages")).json()["data"]
    assert messages[0]["content"][0]["text"]["value"] == "2 + 2 = 4."


async def flows_per_second(base_url: str, token: str, assistant_id: str | None) -> float:
    async with httpx2.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {token}"},
        limits=httpx2.Limits(max_connections=CONNECTIONS),
        timeout=60,
    ) as http:
        if assistant_id is None:
            created = await http.post("/assistants", json={"model": "gpt-6-luna"})
            assistant_id = created.json()["id"]

        async def worker() -> None:
            for _ in range(FLOWS // CONNECTIONS):
                await flow(http, assistant_id)

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
        return FLOWS / (time.perf_counter() - started)


class Process:
    """A server that prints its address and token, as ``export`` lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        environment = {**os.environ, "OPENAI_API_KEY": ""}
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # its log is longer than all figures
            encoding="utf-8",
        )
        exports: list[str] = []
        while len(exports) < 2:
            line = self.process.stdout.readline()
            assert line, f"{module} ended"
            if line.startswith("export "):
                exports.append(line.strip().partition("=")[2])
        self.base_url, self.token = exports

    def cpu_seconds(self) -> float:
        """Return the processor's time that the process has taken, which no other load changes."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = Process("assistants_server", "--port", "0", "--db", f"{folder}/bench.db")
        canned = Process("tests.benchmarks.canned")
        measured = []
        for _ in range(ROUNDS):
            before = ours.cpu_seconds()
            real = asyncio.run(flows_per_second(ours.base_url, ours.token, None))
            cpu = (ours.cpu_seconds() - before) / FLOWS * 1000
            idle = asyncio.run(flows_per_second(canned.base_url, canned.token, "asst_1"))
            measured.append((real, idle, cpu))
        ours.stop()
        canned.stop()
    real, idle, cpu = (median(column) for column in zip(*measured))
    print(f"flows per second, {CONNECTIONS} connections, {FLOWS} flows, median of {ROUNDS} rounds")
    print(f"  our server    {real:7.1f}    ({cpu:.1f} ms of the processor for each)")
    print(f"  canned server {idle:7.1f}")


if __name__ == "__main__":
    main()
