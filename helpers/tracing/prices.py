"""What a million tokens cost. Change the table as you like; it is read at each estimate."""

from typing import NamedTuple


class Price(NamedTuple):
    """US dollars for a million tokens, read and written, and the day when that was so."""

    prompt: float
    completion: float
    as_of: str


# OpenAI's list prices for ordinary requests. Cached prompts cost less, very long ones more.
PRICES = {
    "gpt-6-astra": Price(10.00, 50.00, "2026-09-03"),
    "gpt-6-sol": Price(2.00, 10.00, "2026-09-22"),
    "gpt-6-luna": Price(0.10, 0.50, "2026-09-22"),
    "gpt-5.6-terra": Price(2.00, 12.00, "2026-07-30"),
    "gpt-5.6-luna": Price(0.20, 1.20, "2026-07-30"),
}


def cost(model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
    """Return about how many dollars a call costs, or None for a model that is not in the table."""
    price = PRICES.get(model)
    if price is None:
        return None
    return (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1_000_000
