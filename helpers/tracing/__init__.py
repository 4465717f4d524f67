"""What AgentOps sees, also without AgentOps. Begin with `session` and `waterfall`."""

from helpers.tracing.session import Trace, end_trace, start_agentops, start_trace, trace
from helpers.tracing.waterfall import Waterfall, show_trace
