"""Whole numbers in a message, in digits or as words."""

NUMBER_WORDS = dict(
    zip("no one two three four five six seven eight nine ten eleven twelve".split(), range(13))  # noqa: SIM905
)


def whole(written: str, most: int) -> int:
    """Return the whole number that is written; `most`, or ``-most``, if it is larger than that."""
    digits = written.lstrip("-").lstrip("0") or "0"
    size = most if len(digits) > len(str(most)) else min(int(digits), most)
    return -size if written.startswith("-") else size


def counted(word: str, most: int) -> int:
    """Return the number that a word or digits stand for; 1 for words such as "a"."""
    return whole(word, most) if word.isdigit() else NUMBER_WORDS.get(word.lower(), 1)
