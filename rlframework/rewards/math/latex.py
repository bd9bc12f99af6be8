"""Reading LaTeX commands and functions."""

from __future__ import annotations

import re
from fractions import Fraction

from rlframework.rewards.math.expressions import CONSTANTS, FUNCTIONS, GREEK, Expressions
from rlframework.rewards.math.syntax import (
    ALL_REALS,
    VECTOR,
    Collection,
    Node,
    Number,
    Operation,
    Sequence,
    Symbol,
    UnreadableError,
    has_vector,
)

# Functions of some numbers in any order, so that also a set of them will do.
SYMMETRIC = ("gcd", "lcm", "max", "min")


class Commands(Expressions):
    """Reads what a command applies to."""

    def command(self) -> Node:
        """Read a LaTeX command."""
        name = self.take().value
        if name in ("frac", "half"):
            return Operation("/", (self.argument(), self.argument()))
        if name == "binom":
            return Operation("binom", (self.argument(), self.argument()))
        if name == "sqrt":
            degree: Node = Number(Fraction(2))
            if self.accept("["):
                degree = self.sum()
                self.expect("]")
            return Operation("root", (self.radicand(), degree))
        if name in ("radical", "cuberadical"):
            return Operation("root", (self.radicand(), Number(Fraction(2 if name == "radical" else 3))))
        if name in ("lfloor", "lceil"):
            node = self.sum()
            self.expect("rfloor" if name == "lfloor" else "rceil")
            return Operation("floor" if name == "lfloor" else "ceil", (node,))
        if name in FUNCTIONS:
            return self.function(name)
        if name in CONSTANTS:
            return Symbol(CONSTANTS[name])
        if name in GREEK:
            return self.symbol("\\" + name)
        if name in ("vec", "overrightarrow"):
            return self._vector()
        if name == "angle" and re.fullmatch("[A-Z]{1,3}", self.peek().value):
            # The vertex stands in the middle: BAC is CAB.
            letters = self.take().value
            return Symbol(f"\\angle {min(letters, letters[::-1])}")
        if name == "emptyset":
            return Collection("set", ())
        if name == "mathbb":
            letter = self.argument()
            if isinstance(letter, Symbol) and letter.name in "NZQRC":
                return ALL_REALS if letter.name == "R" else Symbol(f"\\mathbb{{{letter.name}}}")
        raise UnreadableError(f"the command \\{name}")

    def _vector(self) -> Node:
        """Read an arrow over letters, as one name; over anything else it is not read."""
        braced = self.accept("{") is not None
        letters = ""
        while self.peek().kind == "word" and (braced or not letters):
            letters += self.take().value
        if not 0 < len(letters) <= (2 if braced else 1):
            raise UnreadableError("an arrow over more than letters")
        name = f"{VECTOR}{{{letters}"
        if self.accept("_"):
            name += "_" + self.index()
        if braced:
            self.expect("}")
        return Symbol(name + "}")

    def radicand(self) -> Node:
        """Read what a root is taken of; a number without braces is meant whole."""
        return self.number() if self.peek().kind == "number" else self.argument()

    def function(self, name: str) -> Node:
        """Read the argument of a function, with an exponent or a base between."""
        power, base = None, None
        while self.at("^", "_"):
            if self.take().value == "^":
                power = self.exponent()
            else:
                base = self.number() if self.peek().kind == "number" else self.argument()
        if self.at("(", "{", "[", "|"):
            inner = self.atom()
            parts = inner.items if isinstance(inner, Sequence) else (inner,)
        else:
            parts = (self._unbracketed(),)
        if power == Operation("neg", (Number(Fraction(1)),)):
            # The inverse function, and no reciprocal.
            name, power = f"arc{name}", None
        if name in SYMMETRIC:
            if parts and isinstance(parts[0], Collection) and parts[0].kind == "set":
                parts = parts[0].items
            parts = tuple(sorted(parts, key=repr))
        if base is not None:
            parts = (*parts, base)
        fewest, most = (2, 9) if name in SYMMETRIC else (1, 2 if name in ("log", "lg") else 1)
        if name not in FUNCTIONS or not fewest <= len(parts) <= most:
            raise UnreadableError(f"the function {name} of {len(parts)} arguments")
        if name in ("sqrt", "cbrt"):
            node = Operation("root", (parts[0], Number(Fraction(2 if name == "sqrt" else 3))))
        else:
            node = Operation(name, tuple(parts))
        return node if power is None else Operation("^", (node, power))

    def _unbracketed(self) -> Node:
        """Read factors side by side: the sine of 2x is ``sin 2x``."""
        node = self.factor()
        while self._factor_follows(node) and self.peek().kind != "number" and not self.at("(", "|", *FUNCTIONS):
            node = Operation("*", (node, self.power()))
        return node

    def bars(self) -> Node:
        """Read an absolute value."""
        with self.bars_apart(between=True):
            node = self.sum()
            self.expect("|")
        if isinstance(node, Symbol) and has_vector(node):
            # A length.
            return Symbol(f"|{node.name}|")
        if has_vector(node):
            raise UnreadableError("the length of a sum of vectors")
        return Operation("abs", (node,))
