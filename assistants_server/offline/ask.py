"""Asks the tutor, without holding up the server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from assistants_server.api.errors import ApiError
from assistants_server.tutor import Conversation, Reply, answer

# One thread: SymPy's caches are shared, and a second would only compete for the interpreter.
_tutor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tutor")


async def ask(conversation: Conversation) -> Reply:
    """Return the tutor's reply.

    Raises:
        ApiError: 503, the program around the server is ending, and has ended the tutor's thread.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(_tutor, answer, conversation)
    except RuntimeError:
        raise ApiError(503, "The server is stopping.", type="server_error") from None
