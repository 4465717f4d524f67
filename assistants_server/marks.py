"""The mark of a passage that file search found: where it is, and of which file.

For example ``【1:0†groups.md】``: the first passage of the run's second tool call.
"""

import re

LONGEST_NAME = 300
BEGINNING = ("【", r"\d{1,9}", ":", r"\d{1,9}", "†", r"[^】\n]{0,300}")  # the parts before the last
MARK = re.compile("".join(BEGINNING) + "】")
UNFIT = re.compile(r"[】\n]")


def mark(call: int, passage: int, file_name: str) -> str:
    """Return the mark of a passage; call and passage are counted from 0."""
    return f"【{call}:{passage}†{UNFIT.sub('_', file_name)[:LONGEST_NAME]}】"


def place(mark: str) -> tuple[int, int]:
    """Return the call and the passage that a text which fits `MARK` names."""
    call, _, passage = mark[1:].partition("†")[0].partition(":")
    return int(call), int(passage)
