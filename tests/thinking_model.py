"""A second instance of a model: the tutor, behaving as the reasoning models of 2026 do.

It stands for a live model in tests of what must hold whatever a model says. It words everything
anew, thinks before each thing that it says, comments before it calls, may use up its tokens on the
way, refuses some requests in words and others with a 400, and wants its thoughts back.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import httpx2

from assistants_server.engine import Upstream
from assistants_server.store import new_id
from assistants_server.tutor import Reply
from tests.reworded import reword
from tests.upstream import read_events, send_events, send_json, upstream

SECONDS_OF_THOUGHT = 0.1
TOKENS_OF_THOUGHT = 300
NOT_SUPPORTED = ("temperature", "top_p")
REFUSED = ("MY_SECRET", "create_connection")  # code that looks for a secret, or for a way out
REFUSAL = "I'm sorry, but I can't help with that."
SEALED = "sealed "
EMPTY: dict[str, dict] = {
    "reasoning": {},
    "message": {"content": []},
    "function_call": {"arguments": ""},
}


class ThinkingModel:
    """What it was asked, and what it has thought.

    Attributes:
        upstream: where it is served.
        seen: the bodies of the requests to ``/responses``.
    """

    def __init__(self, tutor: Upstream) -> None:
        self.upstream: Upstream
        self.seen: list[dict] = []
        self._tutor = tutor
        self._turns: list[list[str]] = []  # of each turn that ended in calls, the keys of its items

    def answer(self, handler: BaseHTTPRequestHandler, body: dict) -> None:
        """Answer a request; what is none to ``/responses`` is the tutor's to answer."""
        if not handler.path.endswith("/responses"):
            told = httpx2.request(
                handler.command, self._address(handler.path), json=body, headers=self._headers
            )
            send_json(handler, told.status_code, told.json())
            return
        self.seen.append(body)
        if error := not_supported(body) or self._lost_thought(body):
            send_json(handler, 400, {"error": {"type": "invalid_request_error", **error}})
            return
        address, asked = self._address("/v1/responses"), as_the_tutor_reads(body)
        with httpx2.stream("POST", address, json=asked, headers=self._headers) as told:
            if told.is_success:
                send_events(handler, self._events(body, told.iter_lines()))
            else:
                send_json(handler, told.status_code, json.loads(told.read()))

    def _address(self, path: str) -> str:
        return self._tutor.base_url.removesuffix("/v1") + path

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tutor.api_key}"}

    def _events(self, body: dict, told: Iterator[str]) -> Iterator[dict]:
        yield from begun()
        time.sleep(SECONDS_OF_THOUGHT)
        *_, last = read_events(told)  # it also thinks for as long as the tutor writes
        response = last["response"]
        reword(response)
        refuse(body, response)
        comment(response)
        think(body, response)
        run_out_of_tokens(body, response)
        if calls(response):
            self._turns.append([key(item) for item in response["output"]])
        yield from said(response)

    def _lost_thought(self, body: dict) -> dict | None:
        """Return the error if a call comes back without what was thought and said before it."""
        given = [key(item) for item in body["input"]]
        for turn in self._turns:
            returned = [each for each in given if each in turn]
            if turn[-1] in returned and returned != turn:
                lost = f"Item with id '{turn[0].removeprefix(SEALED)}' not found."
                why = "Items are not persisted when `store` is set to false."
                return {"message": f"{lost} {why}", "param": "input", "code": None}
        return None


@contextmanager
def thinking_model(tutor: Upstream) -> Iterator[ThinkingModel]:
    """Serve such a model, which gets what it says from the tutor at an address."""
    model = ThinkingModel(tutor)
    with upstream(model.answer) as model.upstream:
        yield model


def not_supported(body: dict) -> dict | None:
    """Return the error if a request sets what a reasoning model has not."""
    for name in NOT_SUPPORTED:
        if name in body:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            return {"message": message, "param": name, "code": "unsupported_parameter"}
    return None


def as_the_tutor_reads(body: dict) -> dict:
    """Return a request without what the tutor would not have said, and with the tokens for it."""
    own = [item for item in body["input"] if not (is_thought(item) or is_comment(item))]
    limit = body.get("max_output_tokens")
    rest = {"max_output_tokens": max(limit - TOKENS_OF_THOUGHT, 16)} if limit else {}
    return {**body, **rest, "input": own}


def refuse(body: dict, response: dict) -> None:
    """Refuse what no model should do, with a refusal in the place of the answer."""
    if any(mark in json.dumps(body["input"][-1]) for mark in REFUSED):
        response["output"] = [message({"type": "refusal", "refusal": REFUSAL})]


def comment(response: dict) -> None:
    """Say a line before each call, and mark what is said without one as the answer."""
    commented = []
    for item in response["output"]:
        if item["type"] == "function_call":
            line = {"type": "output_text", "text": f"I use {item['name']}.", "annotations": []}
            commented.append({**message(line), "phase": "commentary"})
        elif not calls(response):
            item["phase"] = "final_answer"
        commented.append(item)
    response["output"] = commented


def think(body: dict, response: dict) -> None:
    """Think before each message and each call, sealed if the request asks for that."""
    thought_over = []
    for item in response["output"]:
        thought = {"type": "reasoning", "id": new_id("rs_"), "summary": []}
        if "reasoning.encrypted_content" in body.get("include", []):
            thought["encrypted_content"] = f"{SEALED}{thought['id']}"
        thought_over += [thought, item]
    response["output"] = thought_over
    usage = response["usage"]
    usage["output_tokens"] += TOKENS_OF_THOUGHT
    usage["total_tokens"] += TOKENS_OF_THOUGHT
    usage["output_tokens_details"]["reasoning_tokens"] = TOKENS_OF_THOUGHT


def run_out_of_tokens(body: dict, response: dict) -> None:
    """End in the middle of a call, or without a word, where the limit is too low for more."""
    limit = body.get("max_output_tokens") or response["usage"]["output_tokens"]
    if response["usage"]["output_tokens"] <= limit:
        return
    if limit <= TOKENS_OF_THOUGHT:
        response["output"] = response["output"][:1]
    elif calls(response):
        last = response["output"][-1]
        last["arguments"] = last["arguments"][: len(last["arguments"]) // 2]
        last["status"] = "incomplete"
    reason = {"incomplete_details": {"reason": "max_output_tokens"}}
    response.update(status="incomplete", **reason)
    usage = response["usage"]
    usage.update(output_tokens=limit, total_tokens=usage["input_tokens"] + limit)


def begun() -> Iterator[dict]:
    """Yield the events that come before the first thought."""
    response = {"id": new_id("resp_"), "object": "response", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": response}
    yield {"type": "response.in_progress", "response": response}


def said(response: dict) -> Iterator[dict]:
    """Yield the events that lead to a finished response."""
    for index, item in enumerate(response["output"]):
        inside = {"item_id": item["id"], "output_index": index}
        empty = {**item, **EMPTY[item["type"]]}
        yield {"type": "response.output_item.added", "output_index": index, "item": empty}
        for number, part in enumerate(item.get("content", [])):
            name = "refusal" if part["type"] == "refusal" else "output_text"
            for piece in Reply.pieces(part.get("text", REFUSAL)):
                delta = {"content_index": number, "delta": piece}
                yield {"type": f"response.{name}.delta", **inside, **delta}
        if "arguments" in item:
            name, arguments = "function_call_arguments.done", item["arguments"]
            yield {"type": f"response.{name}", **inside, "arguments": arguments}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def message(part: dict) -> dict:
    whole = {"type": "message", "id": new_id("msg_"), "role": "assistant", "status": "completed"}
    return {**whole, "content": [part]}


def calls(response: dict) -> list[dict]:
    return [item for item in response["output"] if item["type"] == "function_call"]


def key(item: dict) -> str | None:
    """Return what tells an item from others: of a thought its content, which nobody else has."""
    return item.get("encrypted_content") if is_thought(item) else item.get("id")


def is_thought(item: dict) -> bool:
    return item.get("type") == "reasoning"


def is_comment(item: dict) -> bool:
    return item.get("phase") == "commentary"
