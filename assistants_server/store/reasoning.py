"""What a model thought before it called a tool: to be sent back with the output, seen by nobody."""

from typing import Any

from pydantic import BaseModel


class Reasoning(BaseModel):
    """The reasoning items behind a step of tool calls, as the upstream wrote them.

    Its id is that of the step, behind ``rs_``.
    """

    id: str
    items: list[dict[str, Any]]

    @staticmethod
    def id_behind(step_id: str) -> str:
        return f"rs_{step_id}"
