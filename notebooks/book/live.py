"""``make test-live``: run all notebooks against whatever model the environment names.

A model words its answers differently each time, so outputs are compared only where a cell is
tagged ``nbval-check-output``: those are the same whatever the model says. Everything else must run
without an error. At the end it prints what it cost.
"""

import os
import subprocess
import sys

from helpers.tracing.storage import Storage
from helpers.tracing.totals import Totals
from notebooks.book.chapters import NOTEBOOKS, ROOT
from notebooks.book.execute import scratch_database

SECONDS_PER_CELL = 900


def test_live() -> int:
    """Run the notebooks; return pytest's exit status, or 2 if there is no model to ask."""
    if not (os.environ.get("OPENAI_API_KEY") or os.environ.get("ASSISTANTS_BASE_URL")):
        print("No model to ask. Set OPENAI_API_KEY, or ASSISTANTS_BASE_URL, and run it again.")
        return 2
    database = scratch_database("live")
    ended = subprocess.run(
        [
            *[sys.executable, "-m", "pytest", "--override-ini=addopts=", "-q", "--nbval-lax"],
            *["--nbval-current-env", f"--nbval-cell-timeout={SECONDS_PER_CELL}"],
            *[f"--nbval-sanitize-with={ROOT / 'tests' / 'sanitize.cfg'}", str(NOTEBOOKS)],
        ],
        cwd=ROOT,
        env={**os.environ, "ASSISTANTS_DB": str(database)},
        check=False,
    )
    storage = Storage(database.with_name(f"{database.name}.traces"))
    print(f"It took {Totals(storage.everything())}.")
    storage.close()
    return ended.returncode


if __name__ == "__main__":
    sys.exit(test_live())
