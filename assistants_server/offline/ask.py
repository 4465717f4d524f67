"""Asks the tutor, without holding up the server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from assistants_server.tutor import Conversation, Reply, answer

# One thread: SymPy's caches are shared, and a second would only compete for the interpreter.
_tutor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tutor")


async def ask(conversation: Conversation) -> Reply:
    """Return the tutor's reply."""
    return await asyncio.get_running_loop().run_in_executor(_tutor, answer, conversation)
