"""Checks at startup whether the upstream answers, accepts the key and offers the model."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2

from assistants_server.engine.settings import Upstream
from assistants_server.terminal_escapes import without_escapes

SECONDS = 3.0
SOON = timedelta(days=90)
MOST_NAMED = 5


def trouble(upstream: Upstream, model: str | None, today: date | None = None) -> str | None:
    """Return one or two sentences about a problem with the upstream, or None if none was found.

    It requests ``/models`` (https://platform.openai.com/docs/api-reference/models/list). An upstream
    that does not offer this list is assumed to work.

    Args:
        model: the name to look for in the list, if any.
        today: the date to compare a model's ``shutdown_date`` with; by default the current one.
    """
    try:
        headers = {"Authorization": f"Bearer {upstream.api_key}"}
        answer = httpx2.get(
            f"{upstream.address}/models",
            params=upstream.query,
            headers=headers,
            timeout=SECONDS,
            trust_env=upstream.uses_proxies,
        )
        models = {each["id"]: each for each in answer.json()["data"]} if answer.is_success else {}
    except httpx2.TimeoutException:
        return f"It has not answered within {SECONDS:.0f} s. Look at OPENAI_BASE_URL."
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"It does not answer ({type(error).__name__}). Look at OPENAI_BASE_URL."
    except (ValueError, KeyError, TypeError):
        return None
    if answer.status_code in (401, 403):
        return f"It does not accept the key ({answer.status_code}). Look at OPENAI_API_KEY."
    if answer.status_code == 404 and "v1" not in upstream.address.split("/"):
        return "It does not know /models. The address in OPENAI_BASE_URL usually ends in /v1."
    if not models or model is None:
        return None
    if model not in models:
        some = without_escapes(", ".join(sorted(models)[:MOST_NAMED]))
        return f"It does not list the model {model}, but {some}. Look at OPENAI_MODEL."
    return _shutdown(model, models[model], today or datetime.now(UTC).date())


def _shutdown(model: str, described: dict[str, Any], today: date) -> str | None:
    day = _day(described.get("shutdown_date"))
    if day is None or day > today + SOON:
        return None
    will = "was shut down" if day <= today else "will be shut down"
    return f"The model {model} {will} on {day}. Set OPENAI_MODEL to another."


def _day(stamp: Any) -> date | None:
    """Return a date given in ISO 8601 or in seconds since 1970, or None if it is neither."""
    try:
        if isinstance(stamp, (int, float)):
            return datetime.fromtimestamp(stamp, UTC).date()
        return date.fromisoformat(str(stamp)[:10]) if stamp else None
    except (ValueError, OverflowError, OSError):
        return None
