"""What models read of files: the mark of a passage that was found, and the note of attached files.

For example ``【1:0†groups.md】``: the first passage of the run's second tool call.
"""

import re

LONGEST_NAME = 300
BEGINNING = (
    "【",
    r"\d{1,9}",
    ":",
    r"\d{1,9}",
    "†",
    r"[^【】\n]{0,300}",
)  # the parts before the last
MARK = re.compile("".join(BEGINNING) + "】")
UNFIT = re.compile(r"[【】\n]")
FILES_NOTE = re.compile(r"\[Files for your code: [^\]\n]*\]")


def mark(call: int, passage: int, file_name: str) -> str:
    """Return the mark of a passage; call and passage are counted from 0."""
    return f"【{call}:{passage}†{UNFIT.sub('_', file_name)[:LONGEST_NAME]}】"


def place(mark: str) -> tuple[int, int]:
    """Return the call and the passage that a text which fits `MARK` names."""
    call, _, passage = mark[1:].partition("†")[0].partition(":")
    return int(call), int(passage)


def is_of(mark: str, file_name: str) -> bool:
    """Return whether a mark can stand for a passage of that file.

    A model may also cite what an earlier run has found, of another file, with a mark of that run. A
    name without an ending is none that it read: some models write ``source`` there.
    """
    name = mark.partition("†")[2][:-1]
    return "." not in name or name == UNFIT.sub("_", file_name)[:LONGEST_NAME]


def files_note(names: list[str]) -> str:
    """Return the note about files that are attached to a message for the code interpreter."""
    listed = ", ".join(re.sub(r"[\]\n]", "_", name) for name in names)
    return f"[Files for your code: {listed}]"
