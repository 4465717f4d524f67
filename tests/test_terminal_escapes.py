"""Text without what a terminal would obey."""

import pytest

from assistants_server.terminal_escapes import without_escapes

TITLE, CLIPBOARD = "\x1b]0;owned\x07", "\x1b]52;c;cm0gLXJm\x1b\\"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Grüße 😀\ttab\r\nline", "Grüße 😀\ttab\r\nline"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;1;2;3m\x1b[?25l\x1b[1 qred\x1b[K", "red"),
        (f"a{TITLE}b{CLIPBOARD}c", "abc"),
        ("\x1b]8;;http://evil.example/\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1bPsixel\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e", "abcde"),
        ("\x9b31mred\x9d0;title\x9cname\x90dcs\x9c", "redname"),
        ("\x1b(Bascii\x1b7\x1b8\x1bc\x1b=", "ascii"),
        ("bell\x07 back\x08 null\x00 delete\x7f next\x85", "bell back null delete next"),
        ("an end \x1b", "an end "),
        ("cut \x1b[31", "cut "),
        ("\x1b[31é stays", "é stays"),
        ("\x1b]0;no end\nall of it stays", "0;no end\nall of it stays"),
        ("\x1b\x1b[31m[31m", "[31m"),
        ("\x1b]0;a\x1b[31mb", "0;ab"),
    ],
)
def test_escapes_go_and_text_stays(text: str, plain: str):
    assert without_escapes(text) == plain
    assert without_escapes(plain) == plain


@pytest.mark.parametrize("piece", ["\x1b]", "\x9d", "\x1b[0", "\x1b[ ", "\x1bP1", "\x1b ", "\x9b;"])
def test_many_that_never_end_take_linear_time(piece: str):
    # Quadratic time would be hours here.
    assert "\x1b" not in without_escapes(piece * 1_000_000)


def test_no_character_that_a_terminal_obeys_is_left():
    obeyed = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - set("\t\r\n")
    text = "".join(f"{first}{second}x" for first in sorted(obeyed) for second in "[]PX^_(c\x07\x9c")
    assert not obeyed & set(without_escapes(text))
