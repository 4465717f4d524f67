"""Ranks the passages of the index for a question. To rank in another way, replace `Ranking`."""

import re
import sqlite3
from collections.abc import Iterator
from itertools import accumulate, islice

MOST_WORDS = 64  # of a question; the rest of a longer one does not count
MOST_MATCHES = 50_000  # passages that are ranked for one question

# Words that are in every question and say nothing about it.
EMPTY_WORDS = """
a about after all also an and any are as at be because been but by can could did do does for
from give had has have how i if in into is it its me more my no not of on or our please say says
should so some tell than that the their them then there these they this those to us was we were
what when where which who whom why will with would you your document documents file files paper
text pdf docx
"""
EMPTY = frozenset(EMPTY_WORDS.split())
# An underscore separates words, as it does in the index: "a_b" is two words, not a phrase.
WORD = re.compile(r"[^\W_]+")
MATCHING = "FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?"


class Ranking:
    """The ranking for one question: `candidates` finds passages, `score` puts them in order."""

    def __init__(self, question: str) -> None:
        self.words = telling(question)

    def candidates(
        self, connection: sqlite3.Connection, first: int, last: int
    ) -> Iterator[tuple[int, float]]:
        """Yield the ids of passages from `first` to `last`, best first, each with its bm25.

        SQLite's bm25 knows how rare a word is and how long the passage; less is better. At most
        `MOST_MATCHES` passages are ranked: those with the rarest words, or else the first ones.
        """
        if not self.words:
            return iter(())
        words, last = self._affordable(connection, first, last)
        return connection.execute(
            f"SELECT rowid, rank {MATCHING} ORDER BY rank, rowid", (_query(words), first, last)
        )

    def score(self, passage: str, bm25: float) -> float:
        """Return between 0 and 1 how well a passage fits the question.

        Half of it is the share of the question's words that the passage holds, half is bm25.
        """
        text = passage.lower()
        held = sum(_begins_a_word(_beginning(word), text) for word in self.words)
        weight = max(-bm25, 0.0)
        return round(0.5 * held / len(self.words) + 0.5 * weight / (weight + 2), 4)

    def _affordable(
        self, connection: sqlite3.Connection, first: int, last: int
    ) -> tuple[list[str], int]:
        """Return the rarest words that can be ranked together, one at least, and the last id."""

        def times(word: str) -> int:
            query = f"SELECT COUNT(*) FROM (SELECT 1 {MATCHING} LIMIT ?)"
            values = (_query([word]), first, last, MOST_MATCHES + 1)
            return connection.execute(query, values).fetchone()[0]

        counted = sorted((times(word), word) for word in self.words)
        if counted[0][0] > MOST_MATCHES:
            rarest = [counted[0][1]]
            query = f"SELECT rowid {MATCHING} LIMIT 1 OFFSET ?"
            values = (_query(rarest), first, last, MOST_MATCHES - 1)
            return rarest, connection.execute(query, values).fetchone()[0]
        totals = accumulate(number for number, _ in counted)
        return [word for (_, word), total in zip(counted, totals) if total <= MOST_MATCHES], last


def telling(question: str) -> list[str]:
    """Return the first words of a question that say what it is about; of all words if none does."""
    words = dict.fromkeys(word[0] for word in WORD.finditer(question.lower()))
    chosen = [word for word in words if word not in EMPTY] or words
    return list(islice(chosen, MOST_WORDS))


def _query(words: list[str]) -> str:
    """Return an FTS5 query for the passages that hold any of these words."""
    return " OR ".join(f'"{word}"' for word in words)


def _beginning(word: str) -> str:
    return word[: max(4, len(word) - 2)]  # its endings vary


def _begins_a_word(beginning: str, text: str) -> bool:
    at = text.find(beginning)  # far faster than a regular expression
    while at > 0 and text[at - 1].isalnum():
        at = text.find(beginning, at + 1)
    return at >= 0
