"""The JSON body of OpenAI's errors."""


def envelope(
    message: str,
    *,
    type: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> dict[str, dict[str, str | None]]:
    """Return the body of an error response.

    See https://platform.openai.com/docs/guides/error-codes
    """
    return {"error": {"message": message, "type": type, "param": param, "code": code}}
