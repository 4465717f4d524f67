"""Token counts offline: an approximation that can be relied on."""

import random

from assistants_server import tokens


def test_counts_never_fall_when_a_text_grows():
    letters = random.Random(3)
    text = ""
    for _ in range(500):
        longer = text + letters.choice("ab é☃😀\n")
        assert tokens.count(longer) >= tokens.count(text)
        text = longer
    assert tokens.count("") == 0


def test_a_clipped_text_is_the_start_and_fits():
    text = "naïve ☃ 😀 " * 50
    for limit in range(120):
        clipped = tokens.clip(text, limit)
        assert text.startswith(clipped)
        assert tokens.count(clipped) <= limit
