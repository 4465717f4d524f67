"""AgentOps, started once in a process, in scripts and notebooks alike.

Left to itself, AgentOps 0.4.21 fetches its token on the notebook's own event loop, which is busy
until the cell has ended; it logs to stderr and to a file in the working directory, takes over
`print`, and sends metrics to its hosted service wherever the spans go. All spans go to a collector
in this process first, on loopback, so that a service that is slow or away holds nobody up.
"""

import atexit
import builtins
import os
import time
from collections.abc import Callable
from functools import cache
from threading import Thread
from typing import NamedTuple

from assistants_server.collector import AgentOps, Collector
from assistants_server.default_paths import default_database
from helpers.tracing import runs, switches

SECONDS_FOR_TOKEN = 2.0


class Tracing(NamedTuple):
    """What the rest of tracing needs once AgentOps runs."""

    collector: Collector
    capturing_print: Callable[..., None]


def is_off() -> bool:
    """Return whether `OTEL_SDK_DISABLED` says that nothing is to be traced."""
    return (os.environ.get("OTEL_SDK_DISABLED") or "").strip().lower() == "true"


@cache
def start() -> Tracing:
    """Start the collector and AgentOps; later calls return the same.

    Raises:
        ValueError: one of the switches is neither true nor false.
    """
    switches.check()
    database = default_database()
    collector = Collector(database.with_name(f"{database.name}.traces"), _service())
    collector.start()
    started: list[Callable[..., None]] = []
    # In a thread of its own AgentOps finds no event loop of a notebook to wait on.
    thread = Thread(target=lambda: started.append(_start_agentops(collector)))
    thread.start()
    thread.join()
    if not started:
        raise RuntimeError("AgentOps could not be started; the reason is printed above.")
    atexit.register(_stop, collector)
    return Tracing(collector, started[0])


def _service() -> AgentOps | None:
    """Return where AgentOps is, or None if there is no key for it."""
    key = os.environ.get("AGENTOPS_API_KEY")
    if not key:
        return None
    api = (os.environ.get("AGENTOPS_API_ENDPOINT") or AgentOps.api).rstrip("/")
    exporter = os.environ.get("AGENTOPS_EXPORTER_ENDPOINT")
    if not exporter:  # someone who hosts it must not send spans to the hosted one by an oversight
        exporter = AgentOps.exporter if api == AgentOps.api else f"{api}/v1/traces"
    return AgentOps(key, api, exporter)


def _start_agentops(collector: Collector) -> Callable[..., None]:
    """Initialise AgentOps with our collector as its service; return its capturing `print`."""
    os.environ.setdefault("AGENTOPS_LOGGING_TO_FILE", "False")
    import openai.resources.beta  # noqa: F401  AgentOps takes its beta/agents for another library

    plain_print, plain_import = builtins.print, builtins.__import__
    import agentops
    from agentops.sdk.core import tracer
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor

    client = agentops.get_client()
    # Before init, which would not let us say where the metrics go.
    tracer.initialize(
        jwt_provider=client.get_current_jwt,
        project_id="temporary",
        exporter_endpoint=f"{collector.url}/v1/traces",
        metrics_endpoint=f"{collector.url}/v1/metrics",
    )
    switches.install()
    agentops.init(
        api_key=collector.token,
        endpoint=collector.url,
        app_url=os.environ.get("AGENTOPS_APP_URL") or "https://app.agentops.ai",
        exporter_endpoint=f"{collector.url}/v1/traces",
        auto_start_session=False,
        log_session_replay_url=False,
        log_level="CRITICAL",
    )
    runs.install()
    ThreadingInstrumentor().instrument()  # else spans of a thread are traces of their own
    deadline = time.monotonic() + SECONDS_FOR_TOKEN
    while client.get_current_jwt() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    capturing_print, builtins.print = builtins.print, plain_print
    # AgentOps looks at every import from now on, and for any relative one of a module `agents` it
    # stops tracing OpenAI's library.
    builtins.__import__ = plain_import
    return capturing_print


def _stop(collector: Collector) -> None:
    # AgentOps does this too when the process ends, but perhaps after the collector has gone.
    from agentops.sdk.core import tracer

    tracer.shutdown()
    collector.stop()
