"""What may be sent, decided by environment variables that are read whenever a span ends.

`TRACELOOP_TRACE_CONTENT`    false: no prompts, answers, instructions, arguments, outputs or error
                             texts; names, times, ids, counts and statuses remain
`AGENTOPS_ENV_DATA_OPT_OUT`  true: nothing about this machine and the imported libraries
`TRACE_PRINTS`               true: what is printed during a trace is uploaded with it

The first two are AgentOps' own; version 0.4.21 obeys the first in some places only and the second
in none, so both are applied here to every span before it is kept or sent.
"""

import os
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

MACHINE = ("host.", "cpu.", "memory.", "imported_libraries")
# Where contents are not to be sent, this is what may be: a list of what is safe cannot overlook
# an attribute that a later version, or a reader's own span, adds.
SAFE = (
    "agentops.session.",
    "agentops.span.kind",
    "agentops.tags",
    "error.type",
    "exception.type",
    "gen_ai.assistant.id",
    "gen_ai.assistant.tools.",
    "gen_ai.messages.count",
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.run.id",
    "gen_ai.run.status",
    "gen_ai.run_step.",
    "gen_ai.system",
    "gen_ai.thread.id",
    "gen_ai.usage.",
    "operation.name",
    "operation.version",
    "tool.name",
    "tool.status",
    *MACHINE,
)


def contents() -> bool:
    """Return whether prompts, answers, arguments and outputs may be sent."""
    return _is("TRACELOOP_TRACE_CONTENT", True)


def machine() -> bool:
    """Return whether data about this machine may be sent."""
    return not _is("AGENTOPS_ENV_DATA_OPT_OUT", False)


def prints() -> bool:
    """Return whether what is printed is uploaded."""
    return _is("TRACE_PRINTS", False)


def check() -> None:
    """Raise `ValueError` if one of the switches is neither true nor false."""
    contents(), machine(), prints()


def allowed(span: ReadableSpan) -> ReadableSpan:
    """Return a span as it may be kept and sent."""
    try:
        with_contents, with_machine = contents(), machine()
    except ValueError:  # whoever set it to something else is told when the next trace starts
        with_contents = with_machine = False
    if with_contents and with_machine:
        return span

    def keep(attributes: Mapping[str, Any] | None, safe: bool = with_contents) -> dict[str, Any]:
        return {
            key: value
            for key, value in (attributes or {}).items()
            if (safe or key.startswith(SAFE)) and (with_machine or not key.startswith(MACHINE))
        }

    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=Resource(keep(span.resource.attributes, safe=True)),
        attributes=keep(span.attributes),
        events=[Event(each.name, keep(each.attributes), each.timestamp) for each in span.events],
        links=span.links,
        kind=span.kind,
        status=span.status if with_contents else Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _is(name: str, default: bool) -> bool:
    value = os.environ.get(name, "")
    match value.strip().lower():
        case "":
            return default
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
    raise ValueError(f"{name} is {value!r}; it must be true or false.")
