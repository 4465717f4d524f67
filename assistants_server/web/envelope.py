"""The shape of OpenAI's errors."""


def envelope(
    message: str,
    *,
    type: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> dict:
    """Return the body of an error."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}
