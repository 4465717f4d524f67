"""Finds the passages that fit a question, with an amount of work that does not grow without end."""

import sqlite3
from itertools import accumulate
from typing import Any, NamedTuple

from assistants_server.file_search import ranking, rows
from assistants_server.file_search.filters import fits

CANDIDATES = 50  # of bm25's best, put in order by the whole score
MOST_MATCHES = 50_000  # passages that are ranked for one question


class Hit(NamedTuple):
    """A passage that was found."""

    file_id: str
    name: str
    score: float
    text: str
    attributes: dict[str, Any] | None


def find(
    connection: sqlite3.Connection,
    stores: list[str],
    question: str,
    most: int,
    filter: dict[str, Any] | None,
    threshold: float,
) -> list[Hit]:
    """Return the passages of these stores that fit a question best, best first.

    At most `MOST_MATCHES` passages are ranked. Where the words of the question are in more, the
    rarest words alone say which ones; where even the rarest is in more, its first ones are ranked.
    """
    words, marks = ranking.telling(question), ", ".join("?" * len(stores))
    if not words or not stores:
        return []
    first, last = _span(connection, stores, marks)
    words_ranked, last = _affordable(connection, words, first, last)
    ranked = connection.execute(
        "SELECT rowid, rank FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? "
        "ORDER BY rank, rowid",
        (ranking.query(words_ranked), first, last),
    )
    passage = (
        f"SELECT p.text, f.seq, f.name, {rows.COLUMNS} FROM passages p "
        f"JOIN files f ON f.seq = p.owner WHERE p.id = ? AND f.store IN ({marks}) "
        "AND f.status = 'completed'"
    )
    hits: list[Hit] = []
    fitting: dict[int, tuple[bool, dict[str, Any] | None]] = {}  # by the number of the file
    for id, rank in ranked:  # one by one: looking all of them up would take far longer
        found = connection.execute(passage, (id, *stores)).fetchone()
        if found is None:
            continue
        text, seq, name, *row = found
        if seq not in fitting:
            attributes = rows.load(tuple(row)).attributes
            fitting[seq] = fits(attributes, filter), attributes
        fit, attributes = fitting[seq]
        if not fit:
            continue
        score = ranking.score(words, text, rank)
        if score >= threshold:
            hits.append(Hit(row[1], name, score, text, attributes))
        if len(hits) >= max(CANDIDATES, most):
            break
    return sorted(hits, key=lambda hit: -hit.score)[:most]


def _span(connection: sqlite3.Connection, stores: list[str], marks: str) -> tuple[int, int]:
    """Return the first and the last id that passages of these stores have.

    What is read together lies together, so other stores' passages are mostly left out early.
    """
    first, last = connection.execute(
        "SELECT MIN((SELECT MIN(id) FROM passages WHERE owner = f.seq)), "
        "MAX((SELECT MAX(id) FROM passages WHERE owner = f.seq)) "
        f"FROM files f WHERE f.store IN ({marks})",
        stores,
    ).fetchone()
    return first or 0, last or 0


def _affordable(
    connection: sqlite3.Connection, words: list[str], first: int, last: int
) -> tuple[list[str], int]:
    """Return the rarest words, as many as can be ranked together, and up to which passage.

    There is at least one word. If it alone is in too many passages, its last ones are left out.
    """
    matching = "FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?"

    def times(word: str) -> int:
        values = (ranking.query([word]), first, last, MOST_MATCHES + 1)
        return connection.execute(f"SELECT COUNT(*) FROM (SELECT 1 {matching})", values).fetchone()[
            0
        ]

    counted = sorted((times(word), word) for word in words)
    if counted[0][0] > MOST_MATCHES:
        rarest = [counted[0][1]]
        values = (ranking.query(rarest), first, last, 1, MOST_MATCHES - 1)
        (last,) = connection.execute(f"SELECT rowid {matching} OFFSET ?", values).fetchone()
        return rarest, last
    totals = accumulate(number for number, _ in counted)
    return [word for (_, word), total in zip(counted, totals) if total <= MOST_MATCHES], last
