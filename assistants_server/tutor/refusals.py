"""What the tutor says when it has no answer."""

from assistants_server.tutor.conversation import MOST_CHARACTERS
from assistants_server.tutor.lesson import Lesson

NOT_UNDERSTOOD = Lesson(
    "I am the offline tutor, a script and not a language model, and I did not understand that",
    more="I can solve equations and systems, differentiate, integrate and take limits, calculate, "
    "simplify, factor and expand, count, and explain topics such as linear algebra, derivatives "
    "or probability. To talk to a real model instead, put an OPENAI_API_KEY into the file .env "
    "and connect again.",
)
NEEDS_CODE = Lesson(
    "I would write a few lines of code for that, but this assistant has no code interpreter",
    more="Give it the tool code_interpreter, and ask again.",
)
TOO_HARD = Lesson(
    "That is more than the offline tutor will work on",
    more="It stops after a fixed number of operations. A smaller problem of the same kind works.",
)
TOO_LONG = Lesson(
    "That is longer than the offline tutor reads",
    more=f"It reads {MOST_CHARACTERS:,} characters at a time, and leaves none out in silence.",
)
FAILED = Lesson(
    "The offline tutor could not work that out",
    more="Its algebra program broke off. A simpler problem of the same kind may work.",
)
