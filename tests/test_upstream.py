"""The seam: what the engine asks of an upstream, and what becomes of its troubles."""

import socket

import pytest

from assistants_server.api.assistants import CreateAssistant
from assistants_server.api.runs import CreateRun
from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import CANARY_KEY, completed, send_events, send_json, upstream


@pytest.fixture
def run_with(tmp_path):
    """Return a function that runs one question against an upstream that answers like that."""

    def run_with(answer, instructions="Be kind.", **settings):
        with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
            assistant = client.beta.assistants.create(model=MODEL, instructions=instructions)
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": "Hello"}]},
                poll_interval_ms=5,
                **settings,
            )
            messages = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
        return run, messages

    return run_with


def test_what_the_upstream_is_asked(run_with):
    asked = []

    def answer(handler, body):
        asked.append((handler.path, handler.headers["Authorization"], body))
        send_events(handler, completed("Hi."))

    run, messages = run_with(answer, temperature=0.5)
    assert asked == [
        (
            "/v1/responses",
            f"Bearer {CANARY_KEY}",
            {
                "model": MODEL,
                "instructions": "Be kind.",
                "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
                "temperature": 0.5,
                "store": False,
                "prompt_cache_key": run.thread_id,
                "stream": True,
            },
        )
    ]
    assert messages[0].content[0].text.value == "Hi."
    assert run.usage.to_dict() == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_token_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


# What a caller may set of a run, and what of it the upstream gets to see.
SETTINGS = [
    ({"temperature": 1.0}, {"temperature": 1.0}),
    ({"top_p": 1.0}, {"top_p": 1.0}),
    ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    ({"max_completion_tokens": 300}, {"max_output_tokens": 300}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ({"parallel_tool_calls": True}, {}),  # as the Responses API's default
    ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
    ({"response_format": "auto"}, {}),
    ({"max_prompt_tokens": 300}, {}),
    ({"truncation_strategy": {"type": "auto"}}, {}),
    ({"metadata": {"a": "b"}}, {}),
    ({}, {}),
]
# What the server itself says, whoever calls it. The Responses API's functions are strict by default.
OURS = {"model", "input", "store", "stream", "tools", "include", "prompt_cache_key"}
FUNCTION = {"type": "function", "function": {"name": "f"}}


WAYS = [("run", *each) for each in SETTINGS]
WAYS += [
    ("assistant", given, sent)
    for given, sent in SETTINGS
    if given.keys() <= CreateAssistant.model_fields.keys()
]


@pytest.mark.parametrize(("through", "given", "sent"), WAYS, ids=[f"{w} {g}" for w, g, _ in WAYS])
def test_nothing_that_was_left_out_reaches_the_upstream(tmp_path, through, given, sent):
    asked = []

    def answer(handler, body):
        asked.append(body)
        send_events(handler, completed("{}"))

    with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
        of = {"run": {}, "assistant": {}, through: given}
        assistant = client.beta.assistants.create(model=MODEL, tools=[FUNCTION], **of["assistant"])
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5, **of["run"]
        )
    assert run.status == "completed", run.last_error
    (body,) = asked
    assert {name: value for name, value in body.items() if name not in OURS} == sent
    assert (run.temperature, run.top_p) == (1.0, 1.0)


def test_every_setting_of_a_run_is_among_these():
    tried = {name for given, _ in SETTINGS for name in given}
    tried |= {"assistant_id", "model", "instructions", "tools", "stream", "tool_choice"}
    tried |= {"additional_instructions", "additional_messages"}
    assert set(CreateRun.model_fields) == tried


def test_the_details_of_usage_are_the_upstreams(run_with):
    usage = {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 5},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    run, _ = run_with(lambda h, _: send_events(h, completed("Hi.", usage=usage)))
    assert run.usage.to_dict() == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_token_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_a_refusal_is_a_refusal(run_with):
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    _, messages = run_with(lambda h, _: send_events(h, completed("", output=[refusal])[1:]))
    assert messages[0].content[0].refusal == "No."


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (
            lambda h, _: send_json(h, 401, {"error": {"message": "bad key"}}),
            "server_error",
            "401: bad key. Look at OPENAI_API_KEY.",
        ),
        (
            lambda h, _: send_json(h, 404, {"error": {"message": "no such model"}}),
            "server_error",
            "404: no such model. Does it have the model 'gpt-6-luna'? Set OPENAI_MODEL",
        ),
        (
            lambda h, _: send_json(h, 404, {"detail": "Not Found"}),
            "server_error",
            "404: Not Found. It does not know /responses at this address. Look at OPENAI_BASE_URL, "
            "which usually ends in /v1. A server that has only /chat/completions can be used "
            "through the proxy of LiteLLM",
        ),
        (
            lambda h, _: send_json(h, 429, {"error": {"message": "slow down"}}),
            "rate_limit_exceeded",
            "429: slow down",
        ),
        (lambda h, _: send_json(h, 500, {}), "server_error", "500"),
        (lambda h, _: send_json(h, 200, {"no": "stream"}), "server_error", "ended its stream"),
        (lambda h, _: send_events(h, completed("Hi.")[:1]), "server_error", "ended its stream"),
        (lambda h, _: send_events(h, completed("", output=[])[1:]), "server_error", "nothing"),
        (
            lambda h, _: send_events(
                h, [{"type": "response.failed", "response": {"error": {"message": "out of order"}}}]
            ),
            "server_error",
            "out of order",
        ),
        (lambda h, _: h.connection.shutdown(socket.SHUT_RDWR), "server_error", "hung up"),
    ],
    ids=[
        "401",
        "404",
        "404-path",
        "429",
        "500",
        "no-stream",
        "cut",
        "nothing",
        "failed",
        "hang-up",
    ],
)
def test_troubles_end_the_run_with_a_reason(run_with, answer, code, words):
    run, messages = run_with(answer)
    assert run.status == "failed"
    assert run.last_error.code == code
    assert words in run.last_error.message
    assert CANARY_KEY not in run.last_error.message
    for message in messages:
        assert (message.status, message.incomplete_details.reason) == ("incomplete", "run_failed")


def test_nobody_there(tmp_path):
    with upstream(lambda *_: None) as gone:
        pass
    with connected(tmp_path / "a.db", upstream=gone) as client:
        assistant = client.beta.assistants.create(model=MODEL)
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert f"at {gone.base_url} cannot be reached" in run.last_error.message
    assert "Look at OPENAI_BASE_URL" in run.last_error.message


NO_CREDIT = {"type": "insufficient_quota", "code": "credit_balance_exhausted", "message": "Empty."}
SLOW_DOWN = {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down."}
BAD_PROMPT = {"type": "invalid_request_error", "code": "invalid_prompt", "message": "Flagged."}


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (NO_CREDIT, "rate_limit_exceeded", "Add credit to the account of OPENAI_API_KEY."),
        (SLOW_DOWN, "rate_limit_exceeded", "Wait a while and try again."),
        (BAD_PROMPT, "invalid_prompt", "Flagged."),
        ({"code": "server_error", "message": "Sorry."}, "server_error", "Sorry."),
    ],
    ids=["no-credit", "slow-down", "invalid-prompt", "other"],
)
@pytest.mark.parametrize(
    "answer",
    [
        lambda h, error: send_events(h, [{"type": "error", "error": error}]),
        lambda h, error: send_events(h, [{"error": error}]),
        lambda h, error: send_events(h, [{**error, "type": "error"}]),
        lambda h, error: send_events(
            h, [{"type": "response.failed", "response": {"error": error}}]
        ),
        lambda h, error: send_json(h, 400, {"error": error}),
    ],
    ids=["event", "event-without-type", "flat-event", "failed", "status"],
)
def test_an_error_keeps_its_code_and_says_what_to_do(run_with, answer, error, code, advice):
    run, _ = run_with(lambda handler, _: answer(handler, error))
    assert (run.status, run.last_error.code) == ("failed", code)
    assert error["message"].rstrip(".") in run.last_error.message
    assert run.last_error.message.endswith(advice)
    assert ("Wait a while" in run.last_error.message) == (error is SLOW_DOWN)


@pytest.mark.parametrize("status", [402, 429])
def test_without_credit_nobody_is_told_to_wait(run_with, status):
    error = {"message": "You exceeded your current quota.", "type": "insufficient_quota"}
    run, _ = run_with(lambda h, _: send_json(h, status, {"error": error}))
    assert (run.status, run.last_error.code) == ("failed", "rate_limit_exceeded")
    assert "waiting does not help" in run.last_error.message
