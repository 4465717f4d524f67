"""What a model wrote on the way to the outputs of its calls, to be sent back with them."""

from typing import Any

from pydantic import BaseModel


class ModelItems(BaseModel):
    """The reasoning and the calls behind a step, in their order. No client gets to see them.

    Its id is that of the step, behind ``items_``.
    """

    id: str
    items: list[dict[str, Any]]

    @staticmethod
    def id_behind(step_id: str) -> str:
        return f"items_{step_id}"
