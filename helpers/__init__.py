"""The small module that the notebooks import. Each file is short; read them in this order:

`connection`    a client, and one line that says what it is connected to
`conversation`  send a message, wait for the run, read the answer
`display`       show objects and messages
`tool_calls`    answer the function calls of a run
`quiz`          the function display_quiz, and its description for the model
`quiz_form`     the same quiz as a form (imported when it is needed)
`documents`     files into a vector store, and an answer with its footnotes
`steps`         the steps of a run as a timeline
`tracing`       AgentOps: traces, and a waterfall of what was called; files of its own
"""

from helpers.connection import MODEL, connect
from helpers.conversation import (
    RunNotCompleted,
    create_thread_and_run,
    get_response,
    submit_message,
    wait_on_run,
)
from helpers.display import message_text, pretty_print, show_json
from helpers.documents import delete_store, upload_files, with_footnotes
from helpers.quiz import (
    DISPLAY_QUIZ_TOOL,
    display_quiz,
    get_mock_response_from_user_free_response,
    get_mock_response_from_user_multiple_choice,
)
from helpers.steps import show_steps
from helpers.tool_calls import answer_tool_calls, call_function
from helpers.tracing import end_trace, show_trace, start_trace, trace
