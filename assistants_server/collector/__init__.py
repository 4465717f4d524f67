"""A small collector of OpenTelemetry spans: what AgentOps' exporter sends stays on this machine.

It knows nothing of the Assistants API and can be used without it.
"""

from assistants_server.collector.collector import Collector
from assistants_server.collector.forward import AgentOps
from assistants_server.collector.spans import Span

__all__ = ["AgentOps", "Collector", "Span"]
