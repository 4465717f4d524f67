"""Questions about documents: found with file_search, answered with the sentences that fit."""

import json
import re
from typing import NamedTuple

from assistants_server.marks import MARK
from assistants_server.tutor.conversation import Conversation, ToolCall
from assistants_server.tutor.whole_numbers import counted

TOOL = "file_search"
ABOUT_DOCUMENTS = re.compile(
    r"\b(?:documents?|papers?|files?|text|article|notes?|manual|chapters?|attached|attachment|"
    r"according to|read|says?|mentions?)\b",
    re.I,
)
PASSAGE = re.compile(rf"(?:\A|(?<=\n\n))({MARK.pattern})\n")
# A heading, as text from a PDF shows it: a short line without a full stop, before a capital letter.
HEADING = re.compile(r"(?:(?<=\n)|\A)[^\n.!?,;:]{1,45}\n(?=[A-Z])")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
COUNTED = re.compile(
    r"\b(one|two|three|four|five|1|2|3|4|5|a single) (?:short )?sentences?\b", re.I
)
EMPTY_WORDS = """
a about according all also an and any are as at be been but by can could did do does document
documents explain file files for from give had has have how i if in into is it its me mention
mentions my no not of on one or our paper papers please read say says sentence sentences short
should some tell text than that the their them then there these they this those three to two us
was we were what when where which who whom why will with would you your behind cool pdf docx
"""
EMPTY = frozenset(EMPTY_WORDS.split())
# A question of these words alone is about the whole document; then CONCEPT_WORDS are looked for.
BROAD_WORDS = """
math mathematic mathematical concept idea topic main point summary summariz
"""
BROAD = frozenset(BROAD_WORDS.split())
CONCEPT_WORDS = """
algebra angle area axiom calculus circle curvature derivative distribution ellipse equation
formula function geometry group infinity integral limit logarithm matrix number polynomial prime
probability projection proof radian series singular sphere statistics symmetry tangent theorem
triangle trigonometry vector
"""
CONCEPTS = CONCEPT_WORDS.split()
CONCEPTS_OF_A_SENTENCE = 4  # as many as make a sentence a full answer to such a question
MOST_MISSING = 0.5  # the share of a question's words that an answer may lack
NOTHING = (
    "I found nothing about that in the documents. I am the offline tutor, a script: I look for the "
    "words of your question, so other words may help."
)


class Sentence(NamedTuple):
    mark: str
    text: str
    share: float
    place: int


def call(conversation: Conversation) -> ToolCall:
    """Return a call that looks for what the question is about."""
    question = conversation.question()
    query = question if _wanted(question) else " ".join(CONCEPTS)
    return ToolCall(TOOL, json.dumps({"query": query}, ensure_ascii=False))


def conclude(conversation: Conversation, call: ToolCall) -> str:
    """Return the sentences that fit the question best, each with the mark of its passage."""
    wanted = _wanted(conversation.question())
    enough = len(wanted) or CONCEPTS_OF_A_SENTENCE
    sentences = _sentences(call.output or "", wanted or set(map(_stem, CONCEPTS)), enough)
    fitting = [each for each in sentences if each.share > MOST_MISSING]
    if not fitting:
        return NOTHING
    best = sorted(fitting, key=lambda each: (-each.share, each.place))[: _how_many(conversation)]
    quotes = [f"“{each.text}” {each.mark}" for each in sorted(best, key=lambda each: each.place)]
    return " ".join(quotes)


def _wanted(question: str) -> set[str]:
    """Return the words that a question is about; none if it is about the whole document."""
    words = {word for word in re.findall(r"\w+", question.lower()) if len(word) > 1}
    return {_stem(word) for word in words - EMPTY} - EMPTY - BROAD


def _sentences(output: str, wanted: set[str], enough: int) -> list[Sentence]:
    found: dict[str, Sentence] = {}
    # What stands before the first mark belongs to no passage.
    _, *pieces = PASSAGE.split(output)
    for mark, passage in zip(pieces[::2], pieces[1::2]):
        for text in _cut(passage):
            words = {_stem(word) for word in re.findall(r"\w+", text.lower())}
            share = len(words & wanted) / enough
            # Passages overlap, so a sentence may come twice.
            found.setdefault(text, Sentence(mark, text, share, len(found)))
    return list(found.values())


def _cut(passage: str) -> list[str]:
    """Return the whole sentences of a passage, without headings."""
    sentences = []
    for paragraph in re.split(r"\n\s*\n|\n(?=[#|>*-])", HEADING.sub("\n\n", passage)):
        plain = " ".join(paragraph.replace("**", "").replace("`", "").split())
        if not plain.startswith("#"):
            sentences += [each for each in SENTENCE.split(plain) if _is_whole(each)]
    return sentences


def _is_whole(text: str) -> bool:
    return len(text.split()) > 3 and text[-1] in ".!?" and not text[0].islower()


def _how_many(conversation: Conversation) -> int:
    if wanted := COUNTED.search(conversation.question()):
        return counted(wanted[1], 5)
    return 1 if conversation.wants_brevity() else 3


def _stem(word: str) -> str:
    for ending in ("ies", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word.removesuffix("e") if len(word) > 4 else word
