"""What AgentOps sees, and how to look at it without AgentOps. Read the files in this order:

`session`    start a trace, end it, and say in one line what it was
`waterfall`  show a trace: what called what, when, and what it cost
`totals`     calls, time, tokens and dollars, by kind
`prices`     what a million tokens cost
`startup`    AgentOps, started once, so that it also works in a notebook and without a key
`runs`       one span for each run, with its steps
`switches`   what may be kept and sent
`prints`     what is printed during a trace, if it is to be kept
`processor`  writes each span that ends to a file, in the background
`spans`      spans as they are kept, and as they are sent
`storage`    the file
`delivery`   sends to AgentOps what the file says it is still to get
"""

from helpers.tracing.session import Trace, end_trace, start_agentops, start_trace, trace
from helpers.tracing.waterfall import Waterfall, show_trace

__all__ = [
    "Trace",
    "Waterfall",
    "end_trace",
    "show_trace",
    "start_agentops",
    "start_trace",
    "trace",
]
