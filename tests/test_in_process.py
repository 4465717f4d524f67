"""The tutor's answers to the engine of its own process, which come without HTTP."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from assistants_server.offline import responses
from assistants_server.offline.tutors import tutors
from assistants_server.web.errors import ApiError

ASKED = {"model": "gpt-6-luna", "input": [{"role": "user", "content": "What is 2 + 2?"}]}
VARYING = {"id", "item_id", "created_at", "sequence_number"}


def events(request: dict[str, Any]) -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        async with tutors():
            return [event async for event in responses.answer(request)]

    return asyncio.run(main())


def steady(value: Any) -> Any:
    """Return an event without what differs from one answer to the next."""
    if isinstance(value, dict):
        return {key: steady(each) for key, each in value.items() if key not in VARYING}
    return list(map(steady, value)) if isinstance(value, list) else value


def test_the_engine_gets_the_events_that_a_client_gets(server):
    headers = {"Authorization": f"Bearer {server.token}"}
    body = {**ASKED, "stream": True}
    streamed = httpx2.post(f"{server.base_url}/responses", json=body, headers=headers, timeout=60)
    lines = [line for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert len(lines) > 5
    sent = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [steady(each) for each in events(ASKED)] == [steady(each) for each in sent]


def test_the_engine_is_refused_what_a_client_is_refused():
    with pytest.raises(ApiError) as refused:
        events({**ASKED, "input": [{"role": "user", "content": 5}]})
    assert (refused.value.status, refused.value.body["error"]["param"]) == (400, "input[0].content")


@pytest.mark.parametrize(("status", "asked"), [(429, 3), (503, 3), (400, 1)])
def test_a_tutor_that_is_busy_is_asked_three_times(monkeypatch, status, asked):
    asks = []

    async def refuse(conversation: object) -> None:
        asks.append(conversation)
        raise ApiError(status, "no")

    monkeypatch.setattr(responses, "ask", refuse)
    monkeypatch.setattr(responses, "SECONDS_BETWEEN_TRIES", (0, 0))
    with pytest.raises(ApiError, match="no"):
        events(ASKED)
    assert len(asks) == asked
