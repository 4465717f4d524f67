"""``python -m tests.soak.run``: kill servers under load at random moments, and check what is left.

Ends with exit code 1 if anything that was acknowledged is lost, anything deleted is back, a run
stays active, or a process, a folder, a content or a lock is left over.
"""

import argparse
import itertools
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2

from tests.soak.check import Faults
from tests.soak.life import Life, read_undisturbed
from tests.soak.process import NotStarted, adopt_orphans

ROUNDS_OF_A_LIFE = 10
MOST_SHOWN = 8
NAMES = {
    "lost": "lost or changed",
    "resurrected": "deleted, but back",
    "stuck": "runs that stayed active",
    "processes": "processes that outlived their server",
    "folders": "folders left over",
    "contents": "contents without an object",
    "locks": "locks left over",
    "starts": "servers that did not start or end",
    "answers": "answers that should not be",
}


class Campaign:
    """Lives, one after the other, alone and with two servers by turns; and the figures."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.faults = Faults()
        self.rounds = self.acknowledged = self.checked = 0
        self.logged: Counter[str] = Counter()
        self._folder, self._seed = folder, seed

    def play(self, rounds: int) -> None:
        """Play so many rounds.

        Raises:
            NotStarted: not even a server that nobody disturbs starts.
        """
        passages = read_undisturbed(self._folder / "calm")
        for number in itertools.count():
            if self.rounds >= rounds:
                return
            folder = self._folder / str(number)
            folder.mkdir()
            life = Life(folder, 1 + number % 2, f"{self._seed} {number}", passages)
            try:
                for _ in range(min(ROUNDS_OF_A_LIFE, rounds - self.rounds)):
                    self.rounds += 1
                    life.round()
                life.end()
            except NotStarted as error:
                life.faults.starts.append(str(error))
            except httpx2.TransportError as error:
                life.faults.answers.append(f"no answer to a check: {type(error).__name__} {error}")
            finally:
                life.abandon()
                self._count(life)
                print(
                    f"  {self.rounds:4} rounds, {self.acknowledged} acknowledged, "
                    f"{self.checked} checked, {self._summary(life.faults)}",
                    flush=True,
                )

    def report(self) -> None:
        """Print the figures, and the first faults of each kind."""
        print(f"{'rounds':38} {self.rounds:7}")
        print(f"{'acknowledged':38} {self.acknowledged:7}")
        print(f"{'checked':38} {self.checked:7}")
        for name, found in vars(self.faults).items():
            print(f"{NAMES[name]:38} {len(found):7}")
            for fault in found[:MOST_SHOWN]:
                print(f"    {fault[:500]}")
        for line, times in self.logged.most_common(MOST_SHOWN):
            print(f"    logged {times} ×: {line}")

    def _count(self, life: Life) -> None:
        self.acknowledged += life.acknowledged
        self.checked += life.checked
        self.faults.add(life.faults)
        for line in life.log:
            try:
                entry = json.loads(line)
            except ValueError:
                self.logged[line[:200]] += 1
                continue
            if entry.get("level", "").lower() in ("error", "critical"):
                shown = {k: v for k, v in entry.items() if k not in ("time", "run", "path", "ms")}
                self.logged[json.dumps(shown)[:300]] += 1

    @staticmethod
    def _summary(faults: Faults) -> str:
        found = [f"{len(each)} {NAMES[name]}" for name, each in vars(faults).items() if each]
        return "; ".join(found) or "no fault"


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.soak.run", description=__doc__)
    options.add_argument("--rounds", type=int, default=200, help="kills (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="decides what happens (%(default)s)")
    given = options.parse_args()
    if sys.platform != "linux":
        sys.exit("The crash campaign needs Linux: only there can orphaned processes be found.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and end the servers first
    adopt_orphans()
    started = time.monotonic()
    print(f"crash campaign, seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        campaign = Campaign(Path(folder), given.seed)
        try:
            campaign.play(given.rounds)
        finally:  # also if it is stopped
            campaign.report()
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(0 if campaign.faults.none() else 1)


if __name__ == "__main__":
    main()
