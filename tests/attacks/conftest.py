"""What the attacks share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistants_server.code_interpreter import bwrap
from tests.running import Running


@pytest.fixture(params=["with bwrap", "without"])
def sandbox(request, tmp_path: Path, monkeypatch) -> Iterator[Running]:
    """A code interpreter, once in its sandbox and once as on a machine without bwrap."""
    if request.param == "without":
        monkeypatch.setattr(bwrap, "way", lambda: None)
    elif bwrap.way() is None:
        pytest.skip("bwrap is not installed or not allowed on this machine")
    with Running(tmp_path) as running:
        yield running
