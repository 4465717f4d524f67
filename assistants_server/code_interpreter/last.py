"""Work in a thread that is also done when the program ends, and starts no threads any more."""

import asyncio
from collections.abc import Callable
from typing import Any


async def in_thread(function: Callable[..., None], *args: Any) -> None:
    """Run `function` in a thread, or right here if none can be started. Twice does no harm."""
    try:
        await asyncio.to_thread(function, *args)
    except RuntimeError:
        function(*args)
