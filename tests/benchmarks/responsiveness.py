"""What others notice while somebody sends a heavy request: how long they wait, and the memory.

A prober in a process of its own asks for ``/health``, for another client's messages, and the tutor
an easy question; the server has a process of its own too. Linux only, for the memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx2

from tests.benchmarks.heavy import MODEL, TO_THE_SERVER, Heavy, Target
from tests.benchmarks.memory import Sampler
from tests.benchmarks.prober import SECONDS_BETWEEN, Probe, Sample
from tests.test_alone import TOKEN, alone

LEAST, MOST = 3.0, 20.0  # seconds that each heavy request is watched


@dataclass
class Prober:
    """The process that asks, and what it has seen so far."""

    process: subprocess.Popen
    samples: list[Sample] = field(default_factory=list)

    def read(self) -> None:
        for line in self.process.stdout:
            self.samples.append(Sample(**json.loads(line)))


@contextmanager
def probing(probes: list[Probe]) -> Iterator[Prober]:
    """Start a prober; it ends with the block."""
    given = json.dumps([asdict(probe) for probe in probes])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.prober", given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    prober = Prober(process)
    threading.Thread(target=prober.read, daemon=True).start()
    try:
        yield prober
    finally:
        process.kill()
        process.wait()


def waits(samples: list[Sample]) -> list[float]:
    """Return how long those would have waited who ask at every tick, in milliseconds.

    Whoever waits sends nothing meanwhile; the requests that were not sent are added.
    """
    tick = SECONDS_BETWEEN * 1000
    found = []
    for sample in samples:
        left = sample.ms
        while left > 0:
            found.append(left)
            left -= tick
    return found


def cell(samples: list[Sample]) -> str:
    """Return the median, the 99th percentile, the most, and how many failed."""
    if len(samples) < 2:
        return f"{'none':>26}"
    found = waits(samples)
    cuts = quantiles(found, n=100)
    failed = sum(not sample.ok for sample in samples)
    return f"{cuts[49]:7.1f}{cuts[98]:8.1f}{max(found):8.0f}{failed:4}"


def watch(heavy: Heavy, target: Target, prober: Prober, sampler: Sampler) -> bool:
    """Send a heavy request, print what others noticed, and return whether all is well after it."""
    sampler.reset()
    begun = time.time()
    sender = threading.Thread(target=_send, args=(heavy, target), daemon=True)
    sender.start()
    while (seconds := time.time() - begun) < MOST and (sender.is_alive() or seconds < LEAST):
        time.sleep(0.05)
    ended = time.time()
    deadline = ended + 10
    while not _is_well(prober, ended) and time.time() < deadline:
        time.sleep(0.1)
    during = [s for s in prober.samples if begun <= s.at + s.ms / 1000 and s.at < ended]
    names = ("health", "list", "tutor")
    cells = " ".join(cell([s for s in during if s.probe == name]) for name in names)
    still = "+" if sender.is_alive() else " "
    print(
        f"{heavy.name:34}{ended - begun:5.1f}{still} {cells} "
        f"{sampler.server:7.0f}{sampler.family:7.0f}",
        flush=True,
    )
    return _is_well(prober, ended)


def _send(heavy: Heavy, target: Target) -> None:
    try:
        heavy.send(target)
    except (httpx2.HTTPError, KeyError, ValueError) as error:
        print(f"    ({heavy.name}: {type(error).__name__} {str(error)[:100]})", flush=True)


def _is_well(prober: Prober, since: float) -> bool:
    """Return whether every probe has been answered since then."""
    probes = {sample.probe for sample in prober.samples}
    return probes == {s.probe for s in prober.samples if s.ok and s.at > since}


def play(heavies: list[Heavy], folder: Path) -> float:
    """Play what is left of the list on one server, until it is stuck; return its peak in MB."""
    database = folder / f"{len(heavies)}.db"
    offline = {"ASSISTANTS_TOKEN": TOKEN, "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    with open(os.devnull, "w") as nowhere, alone(database, stderr=nowhere, **offline) as server:
        target = Target(server.base_url, TOKEN, server.pid, database)
        said = [{"role": "user", "content": f"Note {number}"} for number in range(20)]
        thread = target.post("/threads", {"messages": said})["id"]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        messages = f"{server.base_url}/threads/{thread}/messages"
        question = {"model": MODEL, "input": "What is 2 + 2?"}
        health = server.base_url.replace("/v1", "/health")
        probes = [
            Probe("health", "GET", health, {}),
            Probe("list", "GET", messages, headers),
            Probe("tutor", "POST", f"{server.base_url}/responses", headers, question),
        ]
        peak = _play(heavies, target, probes)
        if heavies:
            server.kill()
        return peak


def _play(heavies: list[Heavy], target: Target, probes: list[Probe]) -> float:
    sampler = Sampler(target.pid)
    try:
        with probing(probes) as prober:
            while len({sample.probe for sample in prober.samples}) < len(probes):
                time.sleep(0.1)
            while heavies:
                if not watch(heavies.pop(0), target, prober, sampler):
                    print("    (the server answers no more; a new one is started)")
                    break
        return sampler.peak
    finally:
        sampler.stop()


def main() -> None:
    print(
        "while a heavy request is under way (milliseconds: median, 99th percentile, most, failed)"
    )
    print("target: 99th percentile of health and list below 100 ms, the server below 500 MB")
    columns = " ".join(f"{name:>26}" for name in ("GET /health", "messages.list", "tutor"))
    print(f"{'':34}{'s':>5}  {columns} {'server':>7}{'all MB':>7}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        peaks, heavies = [], list(TO_THE_SERVER)
        while heavies:
            peaks.append(play(heavies, Path(folder)))
    print(f"the server's peak (resident)      {max(peaks):6.0f} MB   (target: less than 500)")
    print("all MB: the server and every process below it, shared pages counted once")


if __name__ == "__main__":
    main()
