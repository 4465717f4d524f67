"""``make test-live``: run all notebooks against whatever model the environment names.

A model words its answers differently each time, so outputs are compared only where a cell is
tagged ``nbval-check-output``: those are the same whatever the model says. Everything else must run
without an error. At the end it prints what it cost. To run some of them only, name them:
``python -m notebooks.book.live notebooks/03_runs.ipynb``.
"""

import os
import subprocess
import sys
from pathlib import Path

from helpers.tracing.storage import Storage
from helpers.tracing.totals import Totals
from notebooks.book.chapters import NOTEBOOKS, ROOT
from notebooks.book.execute import scratch_database

SECONDS_PER_CELL = 900


def test_live(notebooks: list[Path]) -> int:
    """Run these notebooks, or all; return pytest's exit status, or 2 without a model to ask."""
    if not (os.environ.get("OPENAI_API_KEY") or os.environ.get("ASSISTANTS_BASE_URL")):
        print("No model to ask. Set OPENAI_API_KEY, or ASSISTANTS_BASE_URL, and run it again.")
        return 2
    database = scratch_database("-".join(["live", *(path.stem for path in notebooks)]))
    ended = subprocess.run(
        [
            *[sys.executable, "-m", "pytest", "--override-ini=addopts=", "-q", "--nbval-lax"],
            *["--nbval-current-env", f"--nbval-cell-timeout={SECONDS_PER_CELL}"],
            f"--nbval-sanitize-with={ROOT / 'tests' / 'sanitize.cfg'}",
            *map(str, notebooks or [NOTEBOOKS]),
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
    sys.exit(test_live([Path(name).resolve() for name in sys.argv[1:]]))
