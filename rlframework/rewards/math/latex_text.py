r"""LaTeX in one normal form, for what is compared as text: ``\sum_{k=1}^n k`` is ``\sum_{k=1}^{n}{k}``."""

from __future__ import annotations

import re

MAX_DEPTH = 25
# How many arguments a command takes that is also written without braces; any other keeps the braces that it has.
_ARGUMENTS = {"frac": 2, "binom": 2, "sqrt": 1, "vec": 1, "hat": 1, "bar": 1, "overline": 1, "mathbb": 1, "pmod": 1}
_SPACES = ("\\,", "\\;", "\\!", "\\:", "\\ ")
_PIECE = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)


def one_writing(text: str) -> str:
    r"""Return LaTeX with braces about every argument and nowhere else, and without blanks that mean nothing.

    Text with braces that do not match, or nested too deeply, comes back without its blanks.

    Example:
        >>> one_writing(r"\sum_{k=1}^n {k^2}"), one_writing(r"\sum _ {k = 1} ^ {n} k^{2}")
        ('\\sum_{k=1}^{n}k^{2}', '\\sum_{k=1}^{n}k^{2}')
        >>> one_writing(r"\int_0^1 \frac1x \, dx") == one_writing(r"\int_{0}^{1}\frac{1}{x}dx")
        True
    """
    text = re.sub(r"\\[cl]?dots(?![A-Za-z])|…", "...", text)
    pieces = [piece for piece in _PIECE.findall(text) if not piece.isspace() and piece not in _SPACES]
    try:
        written, rest = _several(pieces, 0, 0)
    except (IndexError, RecursionError):
        rest = -1
    return written if rest == len(pieces) else re.sub(r"\s+", "", text)


def _several(pieces: list[str], place: int, depth: int) -> tuple[str, int]:
    """Write pieces up to the end, or to the brace that closes them; return what was written and the place behind."""
    if depth > MAX_DEPTH:
        raise RecursionError("too many braces")
    written = ""
    while place < len(pieces) and pieces[place] != "}":
        piece = pieces[place]
        if piece == "{":
            inner, place = _group(pieces, place, depth)
            # Two digits side by side would be one number.
            apart = (written[-1:] + inner[:1]).isdigit() and bool(written)
            written = f"{written}{{{inner}}}" if apart else _beside(written, inner)
            continue
        place += 1
        written = _beside(written, piece)
        wanted = 1 if piece in ("^", "_") else _ARGUMENTS.get(piece[1:], 0) if piece[0] == "\\" else 0
        braced = piece[0] == "\\" and piece[1:].isalpha() and not wanted
        while place < len(pieces) and (wanted > 0 or (braced and pieces[place] == "{")):
            if pieces[place] == "[" and piece == "\\sqrt":
                break
            argument, place = _argument(pieces, place, depth)
            written += f"{{{argument}}}"
            wanted -= 1
    return written, place


def _argument(pieces: list[str], place: int, depth: int) -> tuple[str, int]:
    return _group(pieces, place, depth) if pieces[place] == "{" else (pieces[place], place + 1)


def _group(pieces: list[str], place: int, depth: int) -> tuple[str, int]:
    inner, place = _several(pieces, place + 1, depth + 1)
    if pieces[place] != "}":
        raise IndexError("a brace that is not closed")
    return inner, place + 1


def _beside(written: str, piece: str) -> str:
    """Join two pieces; a command needs a blank before a letter."""
    blank = re.search(r"\\[A-Za-z]+$", written) and piece[:1].isalpha()
    return f"{written} {piece}" if blank else written + piece
