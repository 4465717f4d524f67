"""``python -m tests.fuzz.run``: send many requests to a server of its own, and judge the answers.

Ends with exit code 1 if an answer is a 5xx, comes too late, or is not in OpenAI's shape, or if
something that was created cannot be read.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.fuzzer import MOST_HANGS, Fuzzer
from tests.fuzz.requests import Request, requests
from tests.test_alone import TOKEN, alone

MOST_SHOWN = 3


def fuzz(base_url: str, token: str, count: int, number: int) -> Fuzzer:
    """Send requests to a server; return who sent them, with the faults that it found.

    Args:
        count: how many requests.
        number: decides which.
    """
    fuzzer = Fuzzer(base_url, token)

    @seed(number)
    @settings(
        max_examples=count + count // 50,  # a few of them no HTTP client can send
        phases=[Phase.generate],  # a fault is noted, and the next request sent
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(fuzzer.openapi))
    def play(request: Request) -> None:
        if fuzzer.sent < count and fuzzer.hangs < MOST_HANGS:
            fuzzer.send(request)

    play()
    fuzzer.finish()
    fuzzer.close()
    return fuzzer


def report(fuzzer: Fuzzer) -> None:
    """Print the figures, and the first requests that showed each fault."""
    print(f"requests {fuzzer.sent}, objects that were created and not deleted {fuzzer.created}")
    answered = sorted(fuzzer.statuses.items())
    print("answers  " + ", ".join(f"{status}: {times}" for status, times in answered))
    print(f"faults   {sum(map(len, fuzzer.faults.values()))}")
    for kind, shown in sorted(fuzzer.faults.items(), key=lambda item: -len(item[1])):
        print(f"  {len(shown)} × {kind}")
        for each in shown[:MOST_SHOWN]:
            print(f"      {each}")


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    options.add_argument("--requests", type=int, default=10_000, help="how many (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="decides which (%(default)s)")
    given = options.parse_args()
    started = time.monotonic()
    offline = {"ASSISTANTS_TOKEN": TOKEN, "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
        open(os.devnull, "w") as nowhere,
        alone(Path(folder) / "fuzz.db", stderr=nowhere, **offline) as server,
    ):
        fuzzer = fuzz(server.base_url, TOKEN, given.requests, given.seed)
    print(f"seed {given.seed}, {time.monotonic() - started:.0f} s")
    report(fuzzer)
    sys.exit(1 if fuzzer.faults else 0)


if __name__ == "__main__":
    main()
