"""Runs. Source: Traceloop, 31 March 2026, test_new_assistant_with_polling.yaml."""

from unittest.mock import ANY

USAGE = {
    "prompt_tokens": ANY,
    "completion_tokens": ANY,
    "total_tokens": ANY,
    # Neither is in the published description. The first is "prompt_token", the second "..._tokens".
    "prompt_token_details": {"cached_tokens": ANY},
    "completion_tokens_details": {"reasoning_tokens": ANY},
}

QUEUED = {
    "id": ANY,
    "object": "thread.run",
    "created_at": ANY,
    "assistant_id": ANY,
    "thread_id": ANY,
    "status": "queued",
    "started_at": None,
    "expires_at": ANY,
    "cancelled_at": None,
    "failed_at": None,
    "completed_at": None,
    "required_action": None,
    "last_error": None,
    "model": ANY,
    # Null without instructions, in OpenAI's Assistants migration guide, 2025-07-18, too, though the
    # published description wants a text.
    "instructions": None,
    "tools": [],
    # Also for a run with the code interpreter; streamed, such a run had its assistant's. Neither it
    # nor the next is in the published description.
    "tool_resources": {},
    "reasoning_effort": None,
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
    "max_completion_tokens": None,
    "max_prompt_tokens": None,
    "truncation_strategy": {"type": "auto", "last_messages": None},
    "incomplete_details": None,
    "usage": None,
    "response_format": "auto",
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}
STARTED = QUEUED | {"started_at": ANY}

COMPLETED = STARTED | {
    "status": "completed",
    "expires_at": None,
    "completed_at": ANY,
    "usage": USAGE,
}

# Source: a run printed in a public repository, 2024-07-01.
FAILED = STARTED | {
    "status": "failed",
    "expires_at": None,
    "failed_at": ANY,
    "last_error": {"code": "server_error", "message": ANY},
    "usage": USAGE,
}

# Source: a run printed in a public repository, 2025-05-20.
REQUIRES_ACTION = STARTED | {
    "status": "requires_action",
    "required_action": {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {
            "tool_calls": [
                {"id": ANY, "type": "function", "function": {"name": ANY, "arguments": ANY}}
            ]
        },
    },
    "tools": ANY,
}

# Source: https://github.com/alexrudall/ruby-openai, runs_cancel.yml, 29 April 2024.
CANCELLING = QUEUED | {"status": "cancelling", "started_at": ANY}

# Source: https://github.com/alexrudall/ruby-openai, runs_streamed_create.yml, 29 April 2024. It had a
# `completed_at`, and came as "thread.run.completed"; OpenAI's SDKs know "thread.run.incomplete".
INCOMPLETE = STARTED | {
    "status": "incomplete",
    "expires_at": None,
    "completed_at": ANY,
    "incomplete_details": {"reason": ANY},
    "max_completion_tokens": ANY,
    "usage": USAGE,
}
