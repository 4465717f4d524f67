"""The small module that the notebooks import. Each file is short; read them in this order:

`connection`    a client, and one line that says what it is connected to
`conversation`  send a message, wait for the run, read the answer
`display`       show objects and messages
"""

from helpers.connection import MODEL, connect
from helpers.conversation import (
    RunNotCompleted,
    create_thread_and_run,
    get_response,
    submit_message,
    wait_on_run,
)
from helpers.display import pretty_print, show_json

__all__ = [
    "MODEL",
    "RunNotCompleted",
    "connect",
    "create_thread_and_run",
    "get_response",
    "pretty_print",
    "show_json",
    "submit_message",
    "wait_on_run",
]
