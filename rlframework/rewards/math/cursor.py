"""A cursor over the tokens of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rlframework.rewards.math.syntax import UnreadableError
from rlframework.rewards.math.tokens import Token


class Cursor:
    """A place among tokens, how deep in brackets it is, and whether it stands between bars that another bar closes."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.between_bars = False

    @contextmanager
    def bars_apart(self, between: bool = False) -> Iterator[None]:
        """Read what a pair of brackets or bars holds: bars outside of it say nothing about those in it."""
        outside, self.between_bars = self.between_bars, between
        yield
        self.between_bars = outside

    def encloses(self) -> bool:
        """Return whether the bracket that comes first is closed by the one that comes last."""
        depth = 0
        for place, token in enumerate(self.tokens):
            depth += (token.value in ("(", "[", "\\{", "{")) - (token.value in (")", "]", "\\}", "}"))
            if not depth:
                return place == len(self.tokens) - 1
        return False

    def peek(self, ahead: int = 0) -> Token:
        """Return a token that comes next; one of no kind at the end."""
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else Token("end of text", "", False)

    def take(self) -> Token:
        """Return the next token and go behind it."""
        if self.place >= len(self.tokens):
            raise UnreadableError("an end where something was expected")
        self.place += 1
        return self.tokens[self.place - 1]

    def at(self, *values: str) -> bool:
        """Return whether a mark or command of these comes next."""
        token = self.peek()
        return token.kind in ("mark", "command") and token.value in values

    def accept(self, *values: str) -> str | None:
        """Go behind a mark or command if it is one of these."""
        return self.take().value if self.at(*values) else None

    def expect(self, *values: str) -> str:
        """Go behind a mark or command, which has to be one of these."""
        found = self.accept(*values)
        if found is None:
            raise UnreadableError(f"{self.peek().value!r} in place of {' or '.join(values)}")
        return found
