"""What a model wrote is only shown: no escape sequence reaches the terminal, no mark turns the line around."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from rlframework.utilities.harmless import harmless


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J\x1b[H",  # clears the screen
        "\x1b]0;title\x07",  # sets the window's title
        "\x1b]52;c;cm0gLXJm\x07",  # writes to the clipboard
        "\x9b31m",  # the same in one byte of Latin-1
        "\r over the line",
        "\b\b\b",
        "\u202edrowkcab",  # right to left
        "\u2066\u2069\u200f",
        "\u200b\ufeff",  # without width
        "\u2028",
        "\ud800",  # half a character, as JSON can hold
        "\ue000",
        "\x00\x7f",
    ],
)
def test_control_characters_are_spelled(text):
    shown = harmless(text)
    assert all(unicodedata.category(letter)[0] in "LNPSZ" for letter in shown)
    assert shown.encode("utf-8")
    assert "\\" in shown


def test_no_character_at_all_controls_the_terminal():
    forbidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    shown = harmless("".join(map(chr, range(sys.maxunicode + 1))))
    assert not {unicodedata.category(letter) for letter in shown} & forbidden


def test_text_of_people_stays_as_it_is():
    for text in ("Grüße, ½ · π ≈ 3", "日本語", "é", "שלום", "한국어", "हिन्दी"):
        assert harmless(text) == text


def test_marks_are_not_heaped_upon_a_letter():
    assert harmless("a" + "\u0301" * 20).count("\u0301") == 2


def test_lines_stay_in_one():
    assert harmless("a\n\tb") == "a⏎  b"
