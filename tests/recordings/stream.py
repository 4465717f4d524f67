"""The order of events. Source: Traceloop, 31 March 2026, test_streaming_new_assistant.yaml and others."""

STEP_BEGINS = ["thread.run.step.created", "thread.run.step.in_progress"]

# Of a run that calls the code interpreter, with equal neighbours as one.
WITH_CODE = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    *STEP_BEGINS,
    "thread.run.step.delta",
    "thread.run.step.completed",
    *STEP_BEGINS,
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
    "done",
]
