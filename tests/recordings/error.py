"""Errors. Source: https://github.com/alexrudall/ruby-openai, messages_modify.yml, 29 April 2024; the
404 is quoted in several public repositories.
"""

WRONG_TYPE = {
    "error": {
        "message": "Invalid type for 'metadata.a': expected a string, but got a boolean instead.",
        "type": "invalid_request_error",
        "param": "metadata.a",
        "code": "invalid_type",
    }
}

NOT_FOUND = {
    "error": {
        "message": "No assistant found with id 'asst_abc123'.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
}
