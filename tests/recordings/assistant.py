"""Assistants. Source: Traceloop, 31 March 2026, test_new_assistant_with_polling.yaml."""

from unittest.mock import ANY

PLAIN = {
    "id": ANY,
    "object": "assistant",
    "created_at": ANY,
    "name": None,
    "description": None,
    "model": ANY,
    "instructions": None,
    "tools": [],
    "top_p": 1.0,
    "temperature": 1.0,
    "reasoning_effort": None,  # the published description does not have it in answers
    # https://github.com/alexrudall/ruby-openai, spec/fixtures/cassettes/assistants_create.yml, 2024
    "tool_resources": {},
    "metadata": {},
    "response_format": "auto",
}

WITH_CODE_INTERPRETER = PLAIN | {
    "tools": [{"type": "code_interpreter"}],
    "tool_resources": {"code_interpreter": {"file_ids": []}},
}

# Source: printed assistants in public repositories, 2024-11-04 and 2024-09-25, for example
# FileSearchTool(... ranking_options=FileSearchRankingOptions(score_threshold=0.0, ...)).
WITH_FILE_SEARCH = PLAIN | {
    "tools": [
        {
            "type": "file_search",
            "file_search": {
                "ranking_options": {"score_threshold": 0.0, "ranker": "default_2024_08_21"}
            },
        }
    ],
    "tool_resources": {"file_search": {"vector_store_ids": []}},
}

# Source: an assistant printed in a public repository, 2025-05-22: FunctionDefinition(strict=False).
WITH_FUNCTION = PLAIN | {
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": ANY, "strict": False},
        }
    ],
}
