"""One span for each run, from submit to finish, with its steps as children.

AgentOps makes a span for each call: creating a run and, while it is polled, every look at it. Here
the run gets one instead, which says what AgentOps' would have said of its last state, and what was
asked and answered. It works with the sync and the async client, whichever methods wait for the run.
"""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from openai import AsyncStream, Stream
from openai._legacy_response import LegacyAPIResponse  # what `with_raw_response` returns
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from wrapt import wrap_function_wrapper

from helpers.tracing import switches

RUNS = "openai.resources.beta.threads.runs"
CALLS = {
    "Runs.create": RUNS,
    "Runs.retrieve": RUNS,
    "Runs.cancel": RUNS,
    "Runs.submit_tool_outputs": RUNS,
    "Threads.create_and_run": "openai.resources.beta.threads",
}
CREATING = ("create", "create_and_run")
ENDED = ("completed", "failed", "cancelled", "expired", "incomplete")
IN_ERROR = ("failed", "expired", "incomplete")
SECOND = 1_000_000_000  # nanoseconds
MOST_MESSAGES = 20


@dataclass
class _Call:
    """A call of the API that returns a run, or a stream of what becomes of it."""

    client: Any  # sync or async, as the call
    creates: bool = True
    given: dict[str, Any] = field(default_factory=dict)
    started: int = field(default_factory=time.time_ns)


@dataclass
class _Watched:
    """A run as it was seen last, and its span; steps and messages are looked for at its end."""

    run: Run
    span: Span
    started: int
    steps: list[RunStep] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


_open: dict[str, _Watched] = {}
_tracer = trace.get_tracer("assistants-cookbook")


def install() -> None:
    """Watch every method of the SDK that returns a run."""
    for method, module in CALLS.items():
        wrap_function_wrapper(module, method, _watch)
        wrap_function_wrapper(module, f"Async{method}", _watch_async)
    for handler in ("AssistantEventHandler", "AsyncAssistantEventHandler"):
        wrap_function_wrapper("openai.lib.streaming", f"{handler}._init", _watch_handler)


def within(run: Run) -> AbstractContextManager:
    """Return a context in which new spans are children of this run's."""
    found = _open.get(run.id)
    return trace.use_span(found.span) if found else nullcontext()


def end_open(trace_id: int) -> None:
    """End the spans of runs that nobody has waited for, with the last status that was seen."""
    for watched in list(_open.values()):
        if watched.span.get_span_context().trace_id == trace_id:
            del _open[watched.run.id]
            watched.span.end()


def _watch(method, resource, args: tuple, kwargs: dict):
    with _calling(method, resource, kwargs) as call:
        result = method(*args, **kwargs)
    return _see(result, call)


async def _watch_async(method, resource, args: tuple, kwargs: dict):
    with _calling(method, resource, kwargs) as call:
        result = await method(*args, **kwargs)
    return await _see_async(result, call)


def _watch_handler(init, _handler, args: tuple, kwargs: dict):
    """Follow the stream that an event handler of the SDK is about to read."""
    (stream,) = args
    _follow(stream, _Call(stream._client))
    return init(*args, **kwargs)


@contextmanager
def _calling(method, resource, kwargs: dict) -> Iterator[_Call]:
    """Make no span for this call, unless it fails."""
    call = _Call(resource._client, method.__name__ in CREATING, kwargs)
    try:
        with suppress_instrumentation():
            yield call
    except Exception:
        if not trace.get_current_span().is_recording():
            raise
        with _tracer.start_as_current_span(
            f"openai.runs.{method.__name__}", kind=SpanKind.CLIENT, start_time=call.started
        ):
            raise  # through a span that notes the error


def _follow(stream: Stream | AsyncStream, call: _Call) -> None:
    behind: Any = stream._iterator

    def events() -> Iterator:
        for event in behind:
            _see(event.data, call)
            yield event

    async def events_async() -> AsyncIterator:
        async for event in behind:
            await _see_async(event.data, call)
            yield event

    stream._iterator = events() if isinstance(stream, Stream) else events_async()


def _see(result, call: _Call):
    """Note the run, or those of a stream; look for the steps and messages of one that has ended."""
    with _ending(result, call) as ending:
        if ending is not None:
            run, threads = ending.run, call.client.beta.threads
            pages = threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
            ending.steps = list(pages)
            if switches.contents():
                ending.messages = threads.messages.list(run.thread_id, limit=MOST_MESSAGES).data
    return result


async def _see_async(result, call: _Call):
    with _ending(result, call) as ending:
        if ending is not None:
            run, threads = ending.run, call.client.beta.threads
            pages = threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
            ending.steps = [step async for step in pages]
            if switches.contents():
                page = await threads.messages.list(run.thread_id, limit=MOST_MESSAGES)
                ending.messages = page.data
    return result


@contextmanager
def _ending(result: Any, call: _Call) -> Iterator[_Watched | None]:
    """Note what a call has returned; let the caller look at a run that has ended; end its span.

    Raises nothing: tracing must not break what it traces.
    """
    ending = None
    with suppress(Exception):
        if isinstance(result, Stream | AsyncStream):
            _follow(result, call)
        run = result.parse() if isinstance(result, LegacyAPIResponse) else result
        if isinstance(run, Run):
            _note(run, call)
            ending = _open.pop(run.id, None) if run.status in ENDED else None
    try:
        with suppress(Exception), suppress_instrumentation():
            yield ending
    finally:
        if ending is not None:
            with suppress(Exception):
                _end(ending)


def _note(run: Run, call: _Call) -> None:
    """Note the status of a run in its span; one that has just been created gets a span."""
    # The attributes are those that AgentOps' dashboard reads.
    from agentops.instrumentation.providers.openai.wrappers import handle_run_attributes

    if run.id not in _open:
        recording = trace.get_current_span().is_recording()
        if not call.creates or run.status in ENDED or not recording:
            return
        span = _tracer.start_span("openai.run", kind=SpanKind.CLIENT, start_time=call.started)
        _set(span, {"agentops.span.kind": "llm", "operation.name": "run"})
        _set(span, handle_run_attributes(kwargs=call.given))
        _set(span, {"gen_ai.request.model": run.model})
        _open[run.id] = _Watched(run, span, call.started)
    watched = _open[run.id]
    watched.run = run
    _set(watched.span, handle_run_attributes(return_value=run))
    _set(watched.span, {"gen_ai.operation.name": "run"})


def _end(ending: _Watched) -> None:
    run, span = ending.run, ending.span
    finished = time.time_ns()
    stamp = run.completed_at or run.failed_at or run.cancelled_at
    if stamp:  # in whole seconds; a run that nobody looked at for a while ended before this look
        finished = max(ending.started, min(finished, (stamp + 1) * SECOND))
    for step in ending.steps:
        _step_spans(ending, step, finished)
    _set(span, _conversation(run, ending.messages))
    if run.status in IN_ERROR:
        reason = run.last_error.message if run.last_error else run.status
        _set(span, {"error.type": run.last_error.code if run.last_error else run.status})
        span.set_status(Status(StatusCode.ERROR, reason))
    elif run.status == "completed":
        span.set_status(StatusCode.OK)
    span.end(finished)


def _conversation(run: Run, messages: list[Message]) -> dict[str, str]:
    """Return what was asked last before the run, and all it answered. Messages: newest first."""
    answers = [each for each in messages if each.run_id == run.id]
    before = messages[messages.index(answers[-1]) + 1 :] if answers else messages
    question = next((each for each in before if each.role == "user"), None)
    attributes: dict[str, str] = {}
    for kind, said in (("prompt", [question] if question else []), ("completion", answers[::-1])):
        for number, message in enumerate(said):
            attributes[f"gen_ai.{kind}.{number}.role"] = message.role
            attributes[f"gen_ai.{kind}.{number}.content"] = "\n".join(
                block.text.value for block in message.content if block.type == "text"
            )
    return attributes


def _step_spans(parent: _Watched, step: RunStep, latest: int) -> None:
    """Make a span for each call of a step, or one for the message that it created."""
    context = trace.set_span_in_context(parent.span)
    begun, ended = _times(step)
    begun = min(max(begun, parent.started), latest)
    ended = min(max(ended or latest, begun), latest)
    for name, attributes in _parts(step):
        span = _tracer.start_span(f"openai.run.{name}", context=context, start_time=begun)
        shared = {"gen_ai.run_step.id": step.id, "gen_ai.run_step.status": step.status}
        _set(span, {"operation.name": name, **shared, **attributes})
        if step.status in ("failed", "expired"):
            reason = step.last_error.message if step.last_error else step.status
            span.set_status(Status(StatusCode.ERROR, reason))
        span.end(ended)


def _parts(step: RunStep) -> Iterable[tuple[str, dict[str, Any]]]:
    if step.step_details.type == "message_creation":
        yield "message_creation", {"agentops.span.kind": "text"}
        return
    for call in step.step_details.tool_calls:
        name: str = call.type
        given: str | None = None
        result: str | None
        if call.type == "function":
            name, given, result = call.function.name, call.function.arguments, call.function.output
        elif call.type == "code_interpreter":
            given = call.code_interpreter.input
            outputs = call.code_interpreter.outputs
            result = "".join(each.logs for each in outputs if each.type == "logs")
        else:
            result = ", ".join(each.file_name for each in call.file_search.results or ())
        tool = {"agentops.span.kind": "tool", "tool.id": call.id, "tool.status": step.status}
        yield name, {**tool, "tool.name": name, "tool.parameters": given, "tool.result": result}


def _times(step: RunStep) -> tuple[int, int | None]:
    """Return when a step began and ended, in nanoseconds since 1970.

    The fields of the API are whole seconds; our server adds milliseconds as metadata.
    """
    precise = step.metadata or {}
    begun, ended = precise.get("created_at_ms"), precise.get("ended_at_ms")
    if begun and begun.isdigit():
        return int(begun) * 1_000_000, int(ended) * 1_000_000 if ended else None
    stamp = step.completed_at or step.failed_at or step.cancelled_at or step.expired_at
    return step.created_at * SECOND, (stamp + 1) * SECOND if stamp else None


def _set(span: Span, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        if value is not None:
            span.set_attribute(key, value)
