"""The SDK is the specification: what it offers is served, or refused for a reason given here.

When this fails after an update of the SDK, serve what is new, or add it to `REFUSED` with the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.specification import Operation, offered, served

OFFERED, SERVED = offered(), served()


@dataclass(frozen=True)
class Refusal:
    """A line of a request that the SDK's types allow, and that the server refuses.

    Attributes:
        line: how the line ends. It may be in several routes.
        request: one that the server answers with 400, and how `httpx2` is to send it.
        param: what the error names.
    """

    line: str
    reason: str
    route: str
    param: str
    request: dict[str, Any] = field(hash=False)


def sent(**body: Any) -> dict[str, Any]:
    return {"json": body}


SAY = {"role": "user", "content": "x"}
REFUSED = [
    Refusal(
        "purpose = 'evals'",
        "The SDK's own FileObject has no such purpose, so the answer could not say it.",
        "POST /v1/files",
        "purpose",
        {"data": {"purpose": "evals"}, "files": {"file": b"x"}},
    ),
    *(
        Refusal(
            f"filters<{kind}>.filters[]: anything",
            "The SDK writes `object` for a filter in a filter. Only a filter can be applied.",
            "POST /v1/vector_stores/{vector_store_id}/search",
            "filters.filters[0]",
            sent(query="x", filters={"type": kind, "filters": [5]}),
        )
        for kind in ("and", "or")
    ),
    Refusal(
        "attachments[].file_id is required",
        "An attachment without a file attaches nothing.",
        "POST /v1/threads/{thread_id}/messages",
        "attachments[0].file_id",
        sent(**SAY, attachments=[{"tools": [{"type": "file_search"}]}]),
    ),
    Refusal(
        "attachments[].tools is required",
        "A file that is attached for no tool would be read by nobody.",
        "POST /v1/threads/{thread_id}/messages",
        "attachments[0].tools",
        sent(**SAY, attachments=[{"file_id": "file-x"}]),
    ),
    Refusal(
        "tool_outputs[].tool_call_id is required",
        "An output belongs to a call.",
        "POST /v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
        "tool_outputs[0].tool_call_id",
        sent(tool_outputs=[{"output": "x"}]),
    ),
]
# What the server takes and the SDK does not offer, by how the line begins.
ADDED = {
    "?before: str": "Files are listed like everything else, from both ends.",
    "tool_resources.file_search.vector_stores": "A store can be made with a change, too.",
}


def refused(line: str) -> bool:
    return any(line.endswith(each.line) for each in REFUSED)


def added(line: str) -> bool:
    """Return whether a line is listed, or is a null, which is taken as left out."""
    return line.endswith(" = None") or line.startswith(tuple(ADDED))


def without(lines: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the lines that are not among others, nor a part of what may be anything there."""
    others = set(others)
    anything = tuple(line.removesuffix(": anything") for line in others if "anything" in line)
    return sorted(line for line in set(lines) - others if not line.startswith(anything))


def missing(operation: Operation) -> list[str]:
    return without(operation.lines, SERVED[operation.route].lines)


def more(operation: Operation) -> list[str]:
    return without(SERVED[operation.route].lines, operation.lines)


by_route = pytest.mark.parametrize("operation", OFFERED, ids=[each.route for each in OFFERED])


def test_every_operation_of_the_sdk_is_served_and_no_other():
    assert {each.route for each in OFFERED} == SERVED.keys()


@by_route
def test_what_the_sdk_offers_is_served_or_refused_for_a_reason(operation):
    new = [line for line in missing(operation) if not refused(line)]
    assert not new, "\n".join([f"{operation.route} refuses what the SDK offers:", *new])


@by_route
def test_what_is_taken_is_offered_by_the_sdk_or_added_for_a_reason(operation):
    own = [line for line in more(operation) if not refused(line) and not added(line)]
    assert not own, "\n".join([f"{operation.route} has what the SDK does not offer:", *own])


@by_route
def test_the_answer_is_of_the_sdks_class(operation):
    assert SERVED[operation.route].answer == operation.answer


@pytest.mark.parametrize("refusal", REFUSED, ids=[each.line for each in REFUSED])
def test_what_is_refused_is_refused_by_name(client: OpenAI, refusal: Refusal):
    method, path = refusal.route.split()
    path = path.replace("{vector_store_id}", client.vector_stores.create().id)
    path = path.replace("{thread_id}", client.beta.threads.create().id)
    answer = httpx2.request(
        method,
        str(client.base_url.join(path)),
        headers={"Authorization": f"Bearer {client.api_key}"},
        **refusal.request,
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == refusal.param


def test_every_reason_is_still_needed():
    differences = [line for each in OFFERED for line in (*missing(each), *more(each))]
    lines = [each.line for each in REFUSED]
    assert [each for each in lines if not any(line.endswith(each) for line in differences)] == []
    assert [each for each in ADDED if not any(line.startswith(each) for line in differences)] == []
