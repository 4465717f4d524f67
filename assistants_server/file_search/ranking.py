"""Which passages fit a question best. Another ranking can take the place of `query` and `score`."""

import re
from itertools import islice

MOST_WORDS = 64  # of a question; the rest of a longer one does not count

# Words that are in every question and say nothing about it.
EMPTY_WORDS = """
a about after all also an and any are as at be because been but by can could did do does for
from give had has have how i if in into is it its me more my no not of on or our please say says
should so some tell than that the their them then there these they this those to us was we were
what when where which who whom why will with would you your document documents file files paper
text pdf docx
"""
EMPTY = frozenset(EMPTY_WORDS.split())
# An underscore parts words, as it does in the index: "a_b" is no phrase that must be matched.
WORD = re.compile(r"[^\W_]+")


def telling(question: str) -> list[str]:
    """Return the first `MOST_WORDS` words of a question that say what it is about.

    If none does, all of its words count.
    """
    words = dict.fromkeys(word[0] for word in WORD.finditer(question.lower()))
    chosen = [word for word in words if word not in EMPTY] or words
    return list(islice(chosen, MOST_WORDS))


def query(words: list[str]) -> str:
    """Return an FTS5 query for the passages that hold any of these words."""
    return " OR ".join(f'"{word}"' for word in words)


def score(words: list[str], passage: str, bm25: float) -> float:
    """Return between 0 and 1 how well a passage fits the words of a question.

    Half of it is the share of the words that the passage holds, half is SQLite's bm25, where less
    is better, which knows how rare a word is and how long the passage.
    """
    text = passage.lower()
    held = sum(_begins_a_word(_beginning(word), text) for word in words)
    weight = max(-bm25, 0.0)
    return round(0.5 * held / len(words) + 0.5 * weight / (weight + 2), 4)


def _beginning(word: str) -> str:
    return word[: max(4, len(word) - 2)]  # its endings vary


def _begins_a_word(beginning: str, text: str) -> bool:
    at = text.find(beginning)  # far faster than a regular expression
    while at > 0 and text[at - 1].isalnum():
        at = text.find(beginning, at + 1)
    return at >= 0
