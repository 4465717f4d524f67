"""How much the tutor may use for one question.

The calls decide what is too hard: they are the same on every machine. The time and the memory are
limited too, for what the calls do not see.
"""

MEGABYTE = 1024 * 1024

CALLS = 3_000_000  # function calls, in Python and in C
QUICK_CALLS = 200_000  # a question that needs more goes to the patient tutor
CPU_SECONDS = 20  # not on Windows
SECONDS = 60
QUICK_SECONDS = 5
SECONDS_TO_START = 60
MEMORY_BYTES = 400 * MEGABYTE  # of address space; not on Windows, and macOS does not enforce it
WAITING = 50  # questions
QUICK_WAITING = 1_000
