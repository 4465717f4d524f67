"""The whole book against a live upstream: the same notebooks, and a model that thinks and differs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistants_server.engine import Upstream
from assistants_server.server import Server
from notebooks.book.chapters import ROOT, chapters, read
from tests.thinking_model import thinking_model

LIVE = [sys.executable, "-m", "notebooks.book.live"]
WITHOUT_RUNS = ("01_assistants", "02_threads_and_messages")

each_chapter = pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)


@each_chapter
def test_it_runs_against_a_second_instance_that_thinks_and_differs(server: Server, path: Path):
    with thinking_model(Upstream(server.base_url, server.token)) as model:
        key = {"OPENAI_API_KEY": model.upstream.api_key, "OPENAI_BASE_URL": model.upstream.base_url}
        ended = subprocess.run(
            [*LIVE, path],
            cwd=ROOT,
            env={**os.environ, **key},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert ended.returncode == 0, ended.stdout
    assert bool(model.seen) == (path.stem not in WITHOUT_RUNS), "what went to the upstream"
    assert model.upstream.api_key not in ended.stdout + ended.stderr
    *_, last = ended.stdout.splitlines()
    if path.stem in WITHOUT_RUNS:
        assert last == "It took 0 runs."
    else:
        assert last.startswith("It took ")
        assert " tokens, about $" in last


def test_without_a_key_it_says_what_to_set():
    ended = subprocess.run(LIVE, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "Set OPENAI_API_KEY" in ended.stdout


@each_chapter
def test_every_notebook_has_cells_that_are_checked_even_then(path):
    tagged = [c for c in read(path).cells if "nbval-check-output" in c.metadata.get("tags", [])]
    assert len(tagged) >= 2
    for cell in tagged:
        assert cell.outputs
        assert "gpt-" not in str(cell.outputs) or "PRICES" in cell.source
