"""How long it takes from nothing to a first answer."""

import tempfile
import time
from pathlib import Path
from statistics import median

import httpx2

from assistants_server.server import Server

ROUNDS = 11


def main() -> None:
    times, tutor_ready = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            started = time.perf_counter()
            server = Server(Path(folder) / f"{number}.db")
            server.start()
            httpx2.get(f"{server.base_url}/assistants")
            times.append((time.perf_counter() - started) * 1000)
            if not tutor_ready:
                headers = {"Authorization": f"Bearer {server.token}"}
                question = {"model": "m", "input": "Solve 3x + 11 = 14"}
                httpx2.post(f"{server.base_url}/responses", json=question, headers=headers)
                tutor_ready = (time.perf_counter() - started) * 1000
            server.stop()
    print("from imported to the first answer, a new database each time")
    print(f"  first         {times[0]:7.1f} ms")
    print(f"  median of {ROUNDS}  {median(times):7.1f} ms   (target: well under 100)")
    print(f"  the tutor's first {tutor_ready:7.1f} ms   (target: under 2,000)")


if __name__ == "__main__":
    main()
