"""Finds the passages of some vector stores that fit a question, within a bounded amount of work."""

import sqlite3
from typing import Any, NamedTuple

from assistants_server.file_search import rows
from assistants_server.file_search.filters import fits
from assistants_server.file_search.ranking import Ranking

CANDIDATES = 50  # of the ranking, which are then put in order by score


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
    filter: dict[str, Any] | None = None,
    threshold: float = 0.0,
) -> list[Hit]:
    """Return the passages of these stores that fit a question best, best first."""
    ranking, marks = Ranking(question), ", ".join("?" * len(stores))
    passage = (
        f"SELECT p.text, f.seq, f.name, {rows.COLUMNS} FROM passages p "
        f"JOIN files f ON f.seq = p.owner WHERE p.id = ? AND f.store IN ({marks}) "
        "AND f.status = 'completed'"
    )
    hits: list[Hit] = []
    fitting: dict[int, tuple[bool, dict[str, Any] | None]] = {}  # by the seq of the file
    candidates = ranking.candidates(connection, *_span(connection, stores, marks))
    for id, weight in candidates:  # one by one: looking all of them up would take far longer
        found = connection.execute(passage, (id, *stores)).fetchone()
        if found is None:
            continue
        text, seq, name, *row = found
        if seq not in fitting:
            attributes = rows.load(row).attributes
            fitting[seq] = fits(attributes, filter), attributes
        fit, attributes = fitting[seq]
        if not fit:
            continue
        score = ranking.score(text, weight)
        if score >= threshold:
            hits.append(Hit(row[1], name, score, text, attributes))
        if len(hits) >= max(CANDIDATES, most):
            break
    return sorted(hits, key=lambda hit: -hit.score)[:most]


def _span(connection: sqlite3.Connection, stores: list[str], marks: str) -> tuple[int, int]:
    """Return the first and the last id that passages of these stores have.

    The passages of a file lie together, so most passages of other stores are never looked at.
    """
    first, last = connection.execute(
        "SELECT MIN((SELECT MIN(id) FROM passages WHERE owner = f.seq)), "
        "MAX((SELECT MAX(id) FROM passages WHERE owner = f.seq)) "
        f"FROM files f WHERE f.store IN ({marks})",
        stores,
    ).fetchone()
    return first or 0, last or 0
