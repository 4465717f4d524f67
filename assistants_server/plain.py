"""Makes text harmless for a terminal that shows it."""

import re

# Each part consumes what it begins with for good (*+), so any text takes linear time.
_ESCAPES = re.compile(
    r"""
    (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])   # OSC, DCS, SOS, PM or APC, such as a window's title:
    [^\x07\x1b\x80-\x9f]*+                 # ESC ] 0 ; title,
    (?:\x07|\x1b\\|\x9c)                   # up to BEL or ST
  | (?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?    # CSI, such as a colour: ESC [ 31 m
  | \x1b[ -/]*+[0-~]?                      # a short one, such as ESC ( B, or a lone ESC
  | [\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]  # other controls; tab, CR and LF stay
    """,
    re.VERBOSE,
)


def without_escapes(text: str) -> str:
    """Return `text` without escape sequences and without control characters but tab, CR and LF.

    Of a sequence that never ends only the beginning goes, so that no text after it is lost.
    """
    return _ESCAPES.sub("", text)
