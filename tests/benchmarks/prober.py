"""A process that asks a server the same small things again and again, and prints how long each took.

``python -m tests.benchmarks.prober '[{"name": "health", "method": "GET", "url": …}, …]'``
"""

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass

import httpx2

SECONDS_BETWEEN = 0.02
SECONDS = 20  # then there is no answer


@dataclass(frozen=True)
class Probe:
    """A request that is sent again and again."""

    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: dict | None = None


@dataclass(frozen=True)
class Sample:
    """One answer: to which probe, when it was asked for (Unix time), and how long it took."""

    probe: str
    at: float
    ms: float
    ok: bool


def ask(probe: Probe, lock: threading.Lock) -> None:
    """Send one request after the other, for ever, and print what came of each."""
    http = httpx2.Client(headers=probe.headers, timeout=SECONDS)
    while True:
        at, started = time.time(), time.perf_counter()
        try:
            ok = http.request(probe.method, probe.url, json=probe.body).status_code == 200
        except httpx2.TransportError:
            ok = False
        sample = Sample(probe.name, at, (time.perf_counter() - started) * 1000, ok)
        with lock:
            print(json.dumps(asdict(sample)), flush=True)
        time.sleep(max(0, SECONDS_BETWEEN - sample.ms / 1000))


if __name__ == "__main__":
    printing = threading.Lock()
    for given in json.loads(sys.argv[1]):
        threading.Thread(target=ask, args=(Probe(**given), printing), daemon=True).start()
    sys.stdin.read()  # until whoever started it is gone
