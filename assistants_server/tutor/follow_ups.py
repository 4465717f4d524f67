"""Recognises questions about the answer before: "Could you explain this to me?"."""

import re

EXPLAIN = re.compile(
    r"\b(?:explain|why|how come|how did you|how so|elaborate|in (?:more )?detail|more about"
    r"|tell me more|show (?:me )?(?:the |your |all |every )*(?:steps?|work(?:ing)?)|step by step"
    r"|don[’']?t (?:understand|get)|do not understand|example|what do you mean)\b",
    re.I,
)
CHECK = re.compile(
    r"\b(?:are you sure|check|verify|is (?:that|this|it) (?:right|correct|true)|prove it)\b", re.I
)
