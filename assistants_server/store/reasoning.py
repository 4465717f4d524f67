"""A model's reasoning before a tool call. It goes back to the model, and is not part of the API.

See https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context
"""

from typing import Any

from pydantic import BaseModel


class Reasoning(BaseModel):
    """The reasoning items that precede a step of tool calls, as the upstream sent them.

    The id is that of the step with the prefix ``rs_``, for example ``rs_step_abc``.
    """

    id: str
    items: list[dict[str, Any]]

    @staticmethod
    def id_behind(step_id: str) -> str:
        return f"rs_{step_id}"
