"""AgentOps, started once in a process, in scripts and notebooks alike.

Left to itself, AgentOps 0.4.21 fetches its token on the notebook's own event loop, which is busy
until the cell has ended; it logs to stderr and to a file in the working directory, takes over
`print` and `import`, and asks its service before it keeps a span. Here it makes the spans of its
decorators and of OpenAI's library; a processor of ours keeps them, and a thread sends them.
"""

import atexit
import os
from functools import cache

# Before OpenTelemetry's handlers of forks, which wait for ever in the child if this comes later.
import concurrent.futures.thread  # noqa: F401  isort: skip

from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from assistants_server.default_paths import default_database
from helpers.tracing import runs, switches
from helpers.tracing.delivery import AgentOps, Delivery
from helpers.tracing.processor import FileProcessor
from helpers.tracing.storage import Storage


def start() -> FileProcessor | None:
    """Start AgentOps once; return what keeps the spans.

    None if `OTEL_SDK_DISABLED` says so, or if it cannot be started, which is printed once. Raises
    `ValueError` if one of the switches is neither true nor false.
    """
    if (os.environ.get("OTEL_SDK_DISABLED") or "").strip().lower() == "true":
        return None
    switches.check()
    return _start()


@cache
def _start() -> FileProcessor | None:
    try:
        return _start_agentops()
    except Exception as error:  # whatever is wrong with tracing, the rest works
        print(f"Nothing is traced: {type(error).__name__}: {error}")
        return None


def _start_agentops() -> FileProcessor:
    from agentops.instrumentation.providers.openai import OpenaiInstrumentor
    from agentops.logging.config import intercept_opentelemetry_logging
    from agentops.sdk import core
    from agentops.sdk.attributes import get_global_resource_attributes
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor

    if core.tracer.initialized:
        raise RuntimeError(
            "AgentOps was started before connect() and sends without our switches; "
            "call connect() first."
        )
    database = default_database()
    storage = Storage(database.with_name(f"{database.name}.traces"))
    provider = otel.get_tracer_provider()
    if not isinstance(provider, TracerProvider):  # else it is the reader's own
        described = get_global_resource_attributes("agentops", project_id="temporary")
        provider = TracerProvider(resource=Resource(described))
        otel.set_tracer_provider(provider)
    service = AgentOps.from_environment()
    delivery = Delivery(service, storage) if service else None
    processor = FileProcessor(storage, delivery)
    provider.add_span_processor(processor)
    # AgentOps' own would add an exporter that waits for its service, and another for metrics.
    core.setup_telemetry = lambda **_: (provider, None)
    core.tracer.initialize()
    intercept_opentelemetry_logging()
    OpenaiInstrumentor().instrument(tracer_provider=provider)
    runs.install()
    ThreadingInstrumentor().instrument()  # else spans of a thread are traces of their own
    atexit.register(storage.close)  # these are called in reverse
    if delivery is not None:
        atexit.register(delivery.stop)
    atexit.register(core.tracer.shutdown)
    return processor
