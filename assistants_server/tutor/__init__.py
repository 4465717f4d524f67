"""The offline tutor: a script that computes its answers, and no language model.

Each kind of question has a file of its own; ``answering.py`` lists them. They need SymPy, which
takes a second to import and can be made to compute for hours. So the server imports only what is
below, and ``worker.py`` runs the skills in a process of its own.
"""

from assistants_server.tutor.conversation import Conversation, JsonFormat, Message, Tool, ToolCall
from assistants_server.tutor.reply import Reply
