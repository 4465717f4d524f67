"""AgentOps' service is away or ill: work goes on, nothing waits for it, one line says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.tracing.delivery import AgentOps, Delivery
from helpers.tracing.processor import FileProcessor
from helpers.tracing.storage import Storage
from tests import traced
from tests.agentops_service import FAULTS, KEY, AgentOpsService, BlackHole
from tests.attacks.test_traces import ended

# A request to a silent service never gives up here: a program that waits for one does not end.
FOR_EVER = """
from helpers.tracing import delivery
delivery.SECONDS_PER_REQUEST = 1_000_000.0
"""
REASONS = {
    "refused": "Connection refused",
    "black-holed": "no answer yet",
    "401": "did not accept AGENTOPS_API_KEY: 401",
    "500": "answered 500",
    "silent": "no answer yet",
}


def _of_environment(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> AgentOps:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    service = AgentOps.from_environment()
    assert service is not None
    return service


@pytest.mark.parametrize("fault", FAULTS)
def test_spans_are_kept_and_the_reason_is_told(fault: str, tmp_path: Path, monkeypatch):
    storage = Storage(tmp_path / "traces.db")
    with FAULTS[fault]() as ill:
        delivery = Delivery(_of_environment(monkeypatch, ill.environment), storage)
        processor = FileProcessor(storage, delivery)
        try:
            processor.on_end(ended(name="during the trouble"))
            assert processor.force_flush()
            answers = fault not in ("silent", "black-holed")
            reason = delivery.undelivered(30 if answers else 0.1)
            assert REASONS[fault] in (reason or "it has arrived")
            assert [span.name for span in storage.everything()] == ["during the trouble"]
        finally:
            processor.shutdown()
            delivery.stop()
            storage.close()


@pytest.mark.parametrize("silent", [BlackHole, lambda: AgentOpsService(silent=True)])
def test_a_notebook_ends_while_the_service_has_not_answered(silent: Callable, tmp_path: Path):
    with silent() as service:
        cells = [FOR_EVER, *traced.CELLS]
        done = traced.run_notebook(tmp_path, *cells, env=service.environment)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr + (tmp_path / "done.ipynb").read_text()
    (_, first), (stream, last) = traced.outputs(tmp_path)
    assert first.startswith("Assistants API on this machine")
    assert stream == "stdout"
    assert last.startswith("Trace traced: 3 runs, 2 tool calls, ")
    assert last.endswith(
        " Traces are not arriving at AgentOps (no answer yet); this one is kept on this machine.\n"
    )


def test_traces_arrive_once_the_service_is_back_and_at_the_next_start(tmp_path: Path):
    set_up = "from helpers import connect, trace\nfrom helpers.tracing import startup\nconnect()\n"
    trouble = """
import urllib.request

with trace("during the trouble"):
    pass
request = urllib.request.Request(f"{ADDRESS}/status/200", method="POST", data=b"")
urllib.request.urlopen(request).close()
with trace("afterwards"):
    pass
assert startup.start().delivery.undelivered(60) is None
request = urllib.request.Request(f"{ADDRESS}/status/500", method="POST", data=b"")
urllib.request.urlopen(request).close()
with trace("at the end"):
    pass
"""
    next_start = "assert startup.start().delivery.undelivered(60) is None"
    with AgentOpsService(status=500) as agentops:
        env = {**agentops.environment, **traced.REMOTE}
        address = f"ADDRESS = {agentops.url!r}\n"
        done = traced.run_script(tmp_path, set_up, address + trouble, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        first, _, last = done.stdout.splitlines()[-3:]
        assert "Traces are not arriving at AgentOps (" in first
        assert "Traces are not arriving at AgentOps (" in last
        agentops.status, came = 200, len(agentops.received)
        done = traced.run_script(tmp_path, set_up, next_start, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        names = {span.name for span in agentops.spans()}
        assert names == {
            "during the trouble.session",
            "afterwards.session",
            "at the end.session",
        }
        (_, last_request) = agentops.received[came:]
        assert b"at the end" in last_request.body
