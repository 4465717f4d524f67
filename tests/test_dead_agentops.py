"""AgentOps' service is away or ill: work goes on, nothing waits for it, one line says so."""

import re
import time
from pathlib import Path

import pytest

from tests import traced
from tests.agentops_service import FAULTS, KEY, AgentOpsService

# What waits for such a service waits 30 s; tests.benchmarks.tracing measures how little it is.
MOST_SECONDS_LONGER = 25.0
VARYING = re.compile(r"127\.0\.0\.1:\d+|\b\d+\.\d\d s\b")


def _run(folder: Path, env: dict[str, str] | None = None) -> tuple[float, list[tuple[str, str]]]:
    folder.mkdir()
    started = time.perf_counter()
    done = traced.run_notebook(folder, *traced.CELLS, env=env)
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr + (folder / "done.ipynb").read_text()
    return seconds, [(name, VARYING.sub("_", text)) for name, text in traced.outputs(folder)]


@pytest.fixture(scope="module")
def without_agentops(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("without")
    return min(_run(folder / "first"), _run(folder / "second"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_notebook_does_not_wait_for_it(fault: str, without_agentops, tmp_path: Path):
    seconds, outputs = without_agentops
    with FAULTS[fault]() as service:
        with_fault, said = _run(tmp_path / "ill", service.environment)
    assert with_fault < seconds + MOST_SECONDS_LONGER
    assert said[:-1] == outputs[:-1]
    (stream, summary), (_, usual) = said[-1], outputs[-1]
    counted, _, kept = usual.partition(" Kept on this machine.")
    assert (stream, kept) == ("stdout", "\n")
    assert summary.startswith(f"{counted} Traces are not arriving at AgentOps (")
    assert summary.endswith("); this one is kept on this machine.\n")
    assert summary.count("\n") == 1
    if fault == "401":
        assert "did not accept AGENTOPS_API_KEY: 401" in summary


def test_traces_arrive_once_the_service_is_back(tmp_path: Path):
    program = """
import time
import urllib.request

def status(code):
    request = urllib.request.Request(f"{ADDRESS}/status/{code}", method="POST", data=b"")
    urllib.request.urlopen(request).close()

with trace("during the trouble"):
    client.beta.threads.messages.list(client.beta.threads.create().id)
status(200)
with trace("afterwards"):
    pass
end_trace()
"""
    with AgentOpsService(status=500) as agentops:
        address = f"ADDRESS = {agentops.url!r}\n"
        done = traced.run_script(
            tmp_path, traced.SET_UP, address + program, env=agentops.environment
        )
        assert (done.returncode, done.stderr) == (0, "")
        names = {span.name for span in agentops.spans()}
    first, second, last = done.stdout.splitlines()[-3:]
    assert "Traces are not arriving at AgentOps" in first
    assert "https://" in second
    assert "https://" in last
    assert {"during the trouble.session", "afterwards.session", "traced.session"} <= names
