"""Cuts a message into numbers, names and signs, with one spelling for each sign."""

import re

from assistants_server.tutor.parser import FUNCTIONS, Token

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "π": " pi "})
SIGNS |= str.maketrans({"`": " ", "$": " ", "√": " sqrt ", "{": "(", "}": ")", "[": "(", "]": ")"})
SPOKEN = (
    (r"\bto the (?:power of|power)\b", "^"),
    (r"\bsquare root of\b", "sqrt"),
    (r"\b(?:is equal to|equals)\b", "="),
    (r"\bmultiplied by\b|\btimes\b", "*"),
    (r"\bdivided by\b", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\bsquared\b", "^2"),
    (r"\bcubed\b", "^3"),
    (r"\bpercent\b", "%"),
    (r"%\s*of\b", "% *"),
    (r"\bdegrees?\b", "°"),
    (r"\*\*", "^"),
    (r"\s(?=[%°!^])", ""),
)
TOKEN = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4})"
    r"|(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z]+(?:['’][A-Za-z]+)*)"
    r"|(?P<sign>[-+*/^()=!%°])"
    r"|(?P<space>[ \t]+)"
    r"|(?P<other>\n|.)"
)


SHORT_WORDS = frozenset(
    """
    ad ah am an as at be by do eh er go ha he hi ho if in is it la lo ma me my no of oh ok on or ow
    ox pa re sh si so to uh um up us vs we ya ye yo
    """.split()  # noqa: SIM905, as a list it would fill the page
)


def plain(text: str) -> str:
    """Return `text` with one spelling for each sign: ``x²`` and ``x squared`` become ``x^2``."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + m[0].translate(SUPERSCRIPTS), text)
    text = re.sub(r"[^\S\n]+", " ", text.translate(SIGNS))
    for pattern, replacement in SPOKEN:
        text = re.sub(pattern, replacement, text, flags=re.I)
    return text


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a text that `plain` has returned. White space is left out."""
    tokens: list[Token] = []
    for match in TOKEN.finditer(text):
        kind, word, start = match.lastgroup or "other", match[0], match.start()
        if kind == "name" and word.lower() not in (*FUNCTIONS, "pi"):
            after_digit = start > 0 and (text[start - 1].isdigit() or text[start - 1] == ")")
            if len(word) == 1 or _is_product(word, after_digit, tokens):
                tokens += [Token("name", x, at, at + 1) for at, x in enumerate(word, start)]
                continue
            # "sinh(x) = 1" is more than "(x) = 1", so a function that is not known stays in.
            kind = "unknown" if text.startswith("(", match.end()) else "other"
        if kind != "space":
            tokens.append(Token(kind, word, start, match.end()))
    return tokens


def _is_product(word: str, after_digit: bool, before: list[Token]) -> bool:
    """Return whether a short word is letters multiplied: ``xy``, ``3ab``, ``ax``, ``+ by``."""
    if len(word) == 2 and word.islower():
        follows_sign = bool(before) and before[-1].text in ("+", "-", "*", "/", "=")
        return after_digit or follows_sign or word not in SHORT_WORDS
    return len(word) <= 3 and (after_digit or set(word) <= set("xyz"))
