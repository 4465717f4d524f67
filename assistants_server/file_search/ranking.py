"""Which passages fit a question best. Another ranking can take the place of these two functions."""

import re

# Words that are in every question and say nothing about it.
EMPTY = frozenset(
    [
        "a",
        "about",
        "after",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "because",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "give",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "more",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "please",
        "say",
        "says",
        "should",
        "so",
        "some",
        "tell",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "document",
        "documents",
        "file",
        "files",
        "paper",
        "text",
    ]
)


def query(question: str) -> str:
    """Return an FTS5 query for the passages that hold any of a question's words, or an empty text."""
    words = dict.fromkeys(re.findall(r"\w+", question.lower()))
    telling = [word for word in words if word not in EMPTY] or list(words)
    return " OR ".join(f'"{word}"' for word in telling)


def score(bm25: float) -> float:
    """Return SQLite's bm25, where less is better, as a number between 0 and 1."""
    weight = max(-bm25, 0.0)
    return round(weight / (weight + 2), 4)
