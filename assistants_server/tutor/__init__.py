"""The offline tutor: a script that computes its answers, and no language model.

Each kind of question has a file of its own, with a function that takes the text of a message and
returns a `Lesson`, or None if it does not understand. ``answering.py`` lists them; to add a kind, add
a file and a line there. To add a topic, add a table to ``topics.toml``.

The skills need SymPy, which takes a second to import and can be made to compute for hours. So the
server imports only what is below, and ``worker.py`` runs the skills in a process of its own.
"""

from assistants_server.tutor.conversation import Conversation, JsonFormat, Message, Tool, ToolCall
from assistants_server.tutor.reply import Reply

__all__ = ["Conversation", "JsonFormat", "Message", "Reply", "Tool", "ToolCall"]
