"""The tokens of a mathematical answer."""

from __future__ import annotations

import re
from typing import NamedTuple

from rlframework.rewards.math.syntax import UnreadableError

MAX_TOKENS = 400
MAX_DIGITS = 400

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>\\text\s*\{(?P<content>[^{}]*)\})
    |(?P<begin>\\begin\s*\{(?P<opened>[A-Za-z]+\*?)\}(?:\{[clr|]*\})?)
    |(?P<end>\\end\s*\{(?P<closed>[A-Za-z]+\*?)\})
    |(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
    |(?P<row>\\\\)
    |(?P<brace>\\[{}])
    |(?P<sign>\\[$%&\#_|])
    |(?P<command>\\[A-Za-z]+)
    |(?P<word>[A-Za-z]+)
    |(?P<mark>[-+*/^_=<>!|,;:.()\[\]{}&$%'"?])
    """,
    re.VERBOSE | re.ASCII,
)


class Token(NamedTuple):
    """A piece of an answer.

    Args:
        kind: ``number``, ``text`` (words set upright), ``command``, ``word``, ``mark``, ``begin``, ``end`` or ``row``.
        value: Its characters; of a command without the backslash, of text the words.
        spaced: Whether a blank stands before it.
    """

    kind: str
    value: str
    spaced: bool


def tokenize(text: str) -> list[Token]:
    r"""Split a normalised text into tokens, in linear time.

    Raises:
        UnreadableError: A character that no notation here uses, too many tokens, or a number of too many digits.

    Example:
        >>> [token.value for token in tokenize(r"\frac12x \text{ cm}")]
        ['frac', '12', 'x', 'cm']
    """
    tokens: list[Token] = []
    place, spaced = 0, False
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableError(f"the character {text[place]!r}")
        place = match.end()
        kind = match.lastgroup or ""
        if match["space"]:
            spaced = True
            continue
        tokens.append(_token(match, kind, spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise UnreadableError(f"more than {MAX_TOKENS} symbols")
    return tokens


def _token(match: re.Match[str], kind: str, spaced: bool) -> Token:
    if match["text"]:
        return Token("text", " ".join(match["content"].split()), spaced)
    if match["begin"] or match["end"]:
        return Token("begin" if match["begin"] else "end", (match["opened"] or match["closed"]).rstrip("*"), spaced)
    if match["number"] and len(match[0]) > MAX_DIGITS:
        raise UnreadableError(f"a number of {len(match[0])} digits; at most {MAX_DIGITS} are read")
    if match["row"]:
        return Token("row", "", spaced)
    if match["command"] or match["sign"]:
        return Token("command", match[0][1:], spaced)
    return Token("mark" if match["brace"] else kind, match[0], spaced)
