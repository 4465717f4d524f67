"""Run steps. Source: Traceloop, 31 March 2026, test_streaming_new_assistant.yaml and those beside it.

Of ours, `metadata` says the milliseconds. The hosted API had none there, nor the `expired_at` that the
published description requires; it had `expires_at` instead.
"""

from unittest.mock import ANY

from tests.recordings.run import USAGE

OURS = {"metadata": ANY}

IN_PROGRESS = OURS | {
    "id": ANY,
    "object": "thread.run.step",
    "created_at": ANY,
    "run_id": ANY,
    "assistant_id": ANY,
    "thread_id": ANY,
    "type": ANY,
    "status": "in_progress",
    "cancelled_at": None,
    "completed_at": None,
    "expires_at": ANY,
    "failed_at": None,
    "last_error": None,
    "step_details": ANY,
    "usage": None,
}

COMPLETED = IN_PROGRESS | {"status": "completed", "completed_at": ANY, "usage": USAGE}

MESSAGE = {"type": "message_creation", "message_creation": {"message_id": ANY}}
CODE = {
    "type": "tool_calls",
    "tool_calls": [
        {
            "id": ANY,
            "type": "code_interpreter",
            "code_interpreter": {"input": ANY, "outputs": ANY},
        }
    ],
}
# Source: OpenAI's API reference, "Run steps: streaming with functions", 2024.
FUNCTION = {
    "type": "tool_calls",
    "tool_calls": [
        {
            "id": ANY,
            "type": "function",
            "function": {"name": ANY, "arguments": ANY, "output": None},
        }
    ],
}
# Source: a recorded call in the tests of Azure's azure-ai-evaluation, 24 March 2025.
FILE_SEARCH = {
    "type": "tool_calls",
    "tool_calls": [
        {
            "id": ANY,
            "type": "file_search",
            "file_search": {
                "ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.0},
                "results": ANY,
            },
        }
    ],
}

# A stream's pieces of a call: the first has the id, and all that is empty yet.
CODE_BEGUN = {
    "index": 0,
    "id": ANY,
    "type": "code_interpreter",
    "code_interpreter": {"input": "", "outputs": []},
}
CODE_GOES_ON = {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": ANY}}
