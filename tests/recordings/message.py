"""Messages. Source: Traceloop, 31 March 2026, test_new_assistant_with_polling.yaml.

The published description requires `status`, `completed_at`, `incomplete_at` and
`incomplete_details`. Only streams had them.
"""

from unittest.mock import ANY

TEXT = {"type": "text", "text": {"value": ANY, "annotations": []}}

OF_USER = {
    "id": ANY,
    "object": "thread.message",
    "created_at": ANY,
    "assistant_id": None,
    "thread_id": ANY,
    "run_id": None,
    "role": "user",
    "content": [TEXT],
    "attachments": [],
    "metadata": {},
}

OF_ASSISTANT = OF_USER | {"assistant_id": ANY, "run_id": ANY, "role": "assistant"}

# Source: SDK outputs in public notebooks, 2024: ImageFile(file_id=...), before the SDK knew `detail`,
# and ImageFile(file_id=..., detail=None) after that: the key was not there.
WITH_FIGURE = OF_ASSISTANT | {
    "content": [{"type": "image_file", "image_file": {"file_id": ANY}}, TEXT]
}

# Source: Traceloop, test_streaming_new_assistant.yaml and those beside it, 31 March 2026.
STREAMED = OF_ASSISTANT | {
    "status": "completed",
    "incomplete_details": None,
    "incomplete_at": None,
    "completed_at": ANY,
}
STREAMED_AT_FIRST = STREAMED | {"status": "in_progress", "completed_at": None, "content": []}

# Pieces of a text: the first has a list of annotations, the others have none; no piece has a role.
BEGUN = {"content": [{"index": 0, "type": "text", "text": {"value": ANY, "annotations": []}}]}
GOES_ON = {"content": [{"index": 0, "type": "text", "text": {"value": ANY}}]}
