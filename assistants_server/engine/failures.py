"""What an upstream says of its trouble, as the reason for which a run fails."""

import re
from typing import Any, Literal

LONGEST_REASON = 2000  # what an upstream says of its trouble may be of any length
MOST_QUOTED = 1000  # characters of its own words, before what we advise

ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]

# Values of an error's `code` or `type`. See https://platform.openai.com/docs/guides/error-codes
NO_CREDIT = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "billing_not_active",
}
CREDIT = (
    "There is no credit left: waiting does not help. Add credit to the account of OPENAI_API_KEY."
)
TOO_LONG = {"context_length_exceeded", "exceed_context_size_error"}  # OpenAI's, llama.cpp's
# vLLM: "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens".
# LiteLLM: "ContextWindowExceededError: ...".
ABOUT_THE_WINDOW = re.compile(r"(?:context[ _]?(?:length|window|size)|maximum context)", re.I)
WINDOW = re.compile(r"context (?:length|window|size)\D{0,40}?(\d[\d,]{2,})", re.I)
COUNTED = re.compile(r"(\d[\d,]{2,})(?: \w+)? tokens", re.I)
LOST_THOUGHT = re.compile(r"Item with id 'rs_\w+' not found")  # OpenAI's, where nothing is stored
NOT_ALLOWED, NO_PAYMENT, NOT_FOUND, TOO_MANY = (401, 403), 402, 404, 429
ALL_BUT_RESPONSES = (
    "It does not know /responses at this address. Look at OPENAI_BASE_URL, which usually ends in "
    "/v1. A server that has only /chat/completions can be used through the proxy of LiteLLM, which "
    "offers /responses for it."
)


class UpstreamError(Exception):
    """The upstream gave no answer. `code` is for the run's last_error."""

    def __init__(self, message: str, code: ErrorCode = "server_error") -> None:
        super().__init__(message[:LONGEST_REASON])
        self.code = code


class ForeignThoughts(UpstreamError):
    """The prompt has reasoning that the upstream cannot read: another account's."""


class TooLong(UpstreamError):
    """The prompt is longer than the model's window.

    Attributes:
        window: how many tokens that is, if the upstream said so.
        asked: how many the prompt has, by its count, if it said so.
    """

    def __init__(self, said: str) -> None:
        super().__init__(
            f"{said} Not even the newest message fits into the model's window, or truncation_strategy "
            "forbids to leave out older ones. Make it shorter, or set the strategy to auto."
        )
        window = WINDOW.search(said)
        numbers = [int(each.replace(",", "")) for each in COUNTED.findall(said)]
        self.window = int(window[1].replace(",", "")) if window else None
        larger = [each for each in numbers if self.window and each > self.window]
        self.asked = max(larger, default=None)

    def room(self, sent: int) -> int:
        """Return how many tokens a prompt may have, by our count, given how many this one had.

        A tenth stays free: our count is an approximation, and the answer needs room too.
        """
        if self.window and self.asked:
            return sent * self.window // self.asked * 9 // 10
        return min(sent * 3 // 4, (self.window or sent) * 9 // 10)


def reported(error: object) -> UpstreamError:
    """Return what an error in a stream means.

    Args:
        error: what is under ``error`` in an event, for example ``{"code": "rate_limit_exceeded",
            "message": "..."}``. Other servers send other things.
    """
    fields = error if isinstance(error, dict) else {"message": error}
    said = str(fields.get("message") or "The model's server gave no reason.")[:MOST_QUOTED]
    return _by_kind(fields, said) or UpstreamError(said)


def refused(status: int, body: object, who: str, model: str) -> UpstreamError:
    """Return what an error status means, and what to do about it.

    Args:
        body: what is under ``error`` in the answer, or all of it.
        who: the upstream, as the message names it.
        model: the model that was asked for.
    """
    fields = body if isinstance(body, dict) else {"message": body}
    said = str(fields.get("message") or fields.get("detail") or "it gave no reason")[:MOST_QUOTED]
    answered = f"{who} answered {status}: {said.rstrip('.')}."
    if status not in NOT_ALLOWED and (by_kind := _by_kind(fields, answered)):
        return by_kind
    if 300 <= status < 400:
        return UpstreamError(
            f"{who} answers with a redirect ({status}), and the key goes nowhere else. "
            "Set OPENAI_BASE_URL to the address that it redirects to, if you trust that."
        )
    if status in NOT_ALLOWED:
        return UpstreamError(f"{answered} Look at OPENAI_API_KEY.")
    if status == NO_PAYMENT:
        return UpstreamError(f"{answered} {CREDIT}", "rate_limit_exceeded")
    if status == NOT_FOUND and _is_about_a_model(fields, model):
        return UpstreamError(
            f"{answered} Does it have the model '{model}'? Set OPENAI_MODEL, and the "
            "assistant's model, to one that it has; or look at OPENAI_BASE_URL."
        )
    if status == NOT_FOUND and not fields.get("code") and not fields.get("param"):
        return UpstreamError(f"{answered} {ALL_BUT_RESPONSES}")
    if status == TOO_MANY:
        return UpstreamError(f"{answered} Wait a while and try again.", "rate_limit_exceeded")
    return UpstreamError(answered if status < 500 else f"{answered} Try again.")


def _by_kind(fields: dict[str, Any], said: str) -> UpstreamError | None:
    """Return what an error of a kind that we know means (credit, rate, window ...), or None."""
    kinds = {str(fields.get("code")), str(fields.get("type"))}
    if kinds & NO_CREDIT:
        # As the hosted API: a run without credit failed with this code.
        return UpstreamError(f"{said} {CREDIT}", "rate_limit_exceeded")
    if "rate_limit_exceeded" in kinds:
        return UpstreamError(f"{said} Wait a while and try again.", "rate_limit_exceeded")
    if kinds & TOO_LONG or _says_too_long(fields):
        return TooLong(said)
    if "invalid_encrypted_content" in kinds or LOST_THOUGHT.match(str(fields.get("message"))):
        return ForeignThoughts(said)
    if "invalid_prompt" in kinds:
        return UpstreamError(said, "invalid_prompt")
    return None


def _says_too_long(fields: dict[str, Any]) -> bool:
    """Return whether an error says only in words that the prompt is too long.

    Words may quote anything, for example a function called ``context_window``. So they count only
    where the error has no code (other than its status, as vLLM's), and is about no other field.
    """
    code, param = str(fields.get("code") or ""), fields.get("param")
    if (code and not code.isdecimal()) or param not in (None, "", "input", "input_tokens"):
        return False
    return bool(ABOUT_THE_WINDOW.search(str(fields.get("message") or fields.get("detail"))))


def _is_about_a_model(fields: dict[str, Any], model: str) -> bool:
    """Return whether a 404 is about the model, for example ``The model `x` does not exist``."""
    said = str(fields.get("message") or "")
    return fields.get("code") == "model_not_found" or bool(re.search(r"\bmodel\b", said, re.I))
