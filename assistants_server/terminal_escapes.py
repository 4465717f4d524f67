"""Removes escape sequences from text, so that printing it cannot control the terminal."""

import re

# Every repetition is possessive (*+), so that matching takes linear time on any input.
_ESCAPES = re.compile(
    r"""
    (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])   # OSC, DCS, SOS, PM or APC, such as a window's title:
    [^\x07\x1b\x80-\x9f]*+                 # ESC ] 0 ; title,
    (?:\x07|\x1b\\|\x9c)                   # up to BEL or ST
  | (?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?    # CSI, such as a colour: ESC [ 31 m
  | \x1b[ -/]*+[0-~]?                      # a short sequence, such as ESC ( B, or a lone ESC
  | [\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]  # all other controls but tab, CR and LF
    """,
    re.VERBOSE,
)


def without_escapes(text: str) -> str:
    """Return `text` without escape sequences, and without control characters but tab, CR and LF.

    Of an unterminated sequence only the introducer is removed; the text after it is kept.
    """
    return text if text.isprintable() else _ESCAPES.sub("", text)
