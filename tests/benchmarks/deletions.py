"""How long a run and its stream go on after something that they name was deleted.

What is deleted, and at which stage of the run, is what the attack of the same name tries.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.attacks.test_runs_deletions import CASES, SECONDS, play, standing

TARGET = 1.0  # seconds


def seconds_to_end(what: str, stage: str) -> float | None:
    """Return how long after the deletion the run's stream ended; None if there is no stream.

    Raises:
        TimeoutError: it did not end.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        standing(Path(folder), stage) as stand,
        ThreadPoolExecutor() as pool,
    ):
        try:
            stream = play(stand, what, pool)
            if stream is None:
                return None
            stream.result(SECONDS)
            return time.monotonic() - stand.deleted_at
        finally:
            stand.hold.go.set()


def main() -> None:
    waits: dict[tuple[str, str], float] = {}
    for what, stage in CASES:
        try:
            seconds = seconds_to_end(what, stage)
        except TimeoutError:
            seconds = float("inf")
        if seconds is not None:
            waits[what, stage] = seconds
    within = sum(seconds <= TARGET for seconds in waits.values())
    (what, stage), slowest = max(waits.items(), key=lambda item: item[1])
    print(
        f"deletions during a run: {within} of {len(waits)} ended within a second, the slowest "
        f"after {slowest * 1000:.0f} ms ({what}, {stage})   (target: all)"
    )


if __name__ == "__main__":
    main()
