"""Reading an answer: a recursive descent over the notation that answers are written in, and nothing beyond it."""

from __future__ import annotations

import re

from rlframework.rewards.math.latex import Commands
from rlframework.rewards.math.solutions import FUNCTION_LETTERS, holds
from rlframework.rewards.math.syntax import (
    ALL_REALS,
    SCALARS,
    Collection,
    Matrix,
    Node,
    Operation,
    Relation,
    Sequence,
    Symbol,
    UnreadableError,
)
from rlframework.rewards.math.tokens import tokenize

RELATIONS = {"=": "=", "<": "<", ">": ">", "le": "<=", "ge": ">=", "ne": "!=", "in": "in"}
CLOSING = {"(": (")", "]"), "[": ("]", ")"), "\\{": ("\\}",), "{": ("}",), "langle": ("rangle",)}
MATRICES = ("matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "vmatrix")
# A letter that names no function by custom, and what it is said to be of.
_FUNCTION_NAME = re.compile(rf"(?![{FUNCTION_LETTERS}])([A-Za-z])'*\((?!\1)[a-z]\)(?==)")


def read(text: str) -> Node:
    r"""Read a normalised text as one mathematical object.

    Raises:
        UnreadableError: It is none, or one that is too large or too deeply nested.

    Example:
        >>> read(r"\frac12")
        Operation(name='/', parts=(Number(value=Fraction(1, 1)), Number(value=Fraction(2, 1))))
        >>> read("(x, 2]")
        Sequence(opening='(', items=(Symbol(name='x'), Number(value=Fraction(2, 1))), closing=']')
    """
    reader = Reader(tokenize(text))
    node = reader.items()
    if reader.place < len(reader.tokens):
        raise UnreadableError(f"{reader.tokens[reader.place].value!r} where nothing was expected")
    if isinstance(node, SCALARS) and reader.tokens[0].value == "[" and reader.encloses():
        raise UnreadableError("a value in square brackets")
    return node


def _is_declaration(node: Node) -> bool:
    r"""Return whether it says of a letter which whole numbers it stands for: ``k \in \mathbb{Z}``."""
    in_set = isinstance(node, Relation) and node.signs == ("in",) and isinstance(node.sides[0], Symbol)
    return in_set and isinstance(node.sides[1], Symbol) and node.sides[1].name.startswith("\\mathbb")  # type: ignore[union-attr]


def _is_family(node: Node, element: Symbol) -> bool:
    r"""Return whether it says of the element that it is a value for each whole number: ``x = 2k, k \in \mathbb{Z}``."""
    if not isinstance(node, Collection) or node.kind != "list" or len(node.items) != 2:
        return False
    value, letter = node.items
    if not isinstance(value, Relation) or not isinstance(letter, Relation) or not _is_declaration(letter):
        return False
    name = letter.sides[0]
    return (
        (value.sides[0], value.signs) == (element, ("=",))
        and name != element
        and holds(value.sides[1], name)
        and not holds(value.sides[1], element)
    )


class Reader(Commands):
    """Reads lists, relations, brackets and matrices; each method reads one level of the grammar."""

    def items(self) -> Node:
        """Read bare items: ``a, b and c``, ``x = 1 or x = 2``; a single one is itself."""
        items, joints = [self.relation()], []
        while True:
            joint = self.accept(",", ";")
            joint = self._joint() or joint
            if joint is None:
                break
            joints.append(joint)
            items.append(self.relation())
        kind = "either" if joints and set(joints) == {"or"} else "list"
        return self._infix(items[0]) if len(items) == 1 else Collection(kind, tuple(items))

    def _infix(self, above: Node) -> Node:
        r"""Read ``\over`` or ``\choose``, which take all that a group holds before and behind them."""
        name = self.accept("over", "choose")
        return Operation("/" if name == "over" else "binom", (above, self.sum())) if name else above

    def _condition(self, element: Node) -> Node:
        r"""Read ``\{x \mid x > 2\}`` behind its bar as ``x > 2``: what it says of its elements."""
        of_reals = isinstance(element, Relation) and element.signs == ("in",) and element.sides[1] == ALL_REALS
        bound = element.sides[0] if isinstance(element, Relation) and of_reals else element
        node = self.items()
        self.expect("\\}")
        conditions = node.items if isinstance(node, Collection) else (node,)
        if _is_declaration(node) and isinstance(element, Operation) and holds(element, node.sides[0]):  # type: ignore[union-attr]
            return Collection("list", (element, node))
        if isinstance(bound, Symbol) and _is_family(node, bound):
            return Collection("list", (node.items[0].sides[1], *node.items[1:]))  # type: ignore[union-attr]
        of_element = (isinstance(one, Relation) and any(holds(side, bound) for side in one.sides) for one in conditions)
        if not isinstance(bound, Symbol) or not all(of_element):
            raise UnreadableError("a set of more than a condition on its element")
        return node

    def _joint(self) -> str | None:
        token = self.peek()
        word = token.value.lower() if token.kind in ("word", "text") else {"lor": "or", "vee": "or"}.get(token.value)
        return self.take() and word if word in ("and", "or") else None

    def relation(self) -> Node:
        """Read a sum, or a chain of comparisons of sums."""
        sides, signs = [self._function_name() or self.union()], []
        while self.at(*RELATIONS):
            signs.append(RELATIONS[self.take().value])
            sides.append(self.union())
        return Relation(tuple(sides), tuple(signs)) if signs else sides[0]

    def _function_name(self) -> Node | None:
        """Read ``y(x)`` before an equals sign, as one name; that of f, g or h is read as ``2f(x)`` is."""
        written = _FUNCTION_NAME.match("".join(self.peek(ahead).value for ahead in range(8)))
        if written is None:
            return None
        self.place += len(written[0])
        return Symbol(written[0])

    def union(self) -> Node:
        """Read sets joined by the sign of a union; the letter U between brackets is taken for it."""
        parts = [self.difference()]
        while self.accept("cup") or self._letter_u(parts[-1]):
            parts.append(self.difference())
        return parts[0] if len(parts) == 1 else Collection("union", tuple(parts))

    def difference(self) -> Node:
        """Read a set without the elements of another."""
        node = self.sum()
        return Operation("setminus", (node, self.sum())) if self.accept("setminus", "backslash") else node

    def _letter_u(self, before: Node) -> bool:
        if isinstance(before, Sequence) and self.peek().kind == "word" and self.peek().value in ("U", "u"):
            self.take()
            return True
        return False

    def bracketed(self) -> Node:
        """Read brackets: a group, a pair, an interval, a set."""
        opening = self.take().value
        if opening in ("\\{", "{") and self.accept(*CLOSING[opening]):
            return Collection("set", ())
        # A bar in a set means "such that".
        with self.bars_apart(between=opening == "\\{"):
            items = [self.relation()]
            if opening == "\\{" and self.accept("|", "mid", ":"):
                return self._condition(items[0])
            if opening == "{":
                items = [self._infix(items[0])]
            while self.accept(",", ";"):
                items.append(self.relation())
        closing = self.expect(*CLOSING[opening])
        if opening == "\\{" or (opening == "{" and len(items) > 1):
            return Collection("set", tuple(items))
        if opening == "langle":
            return Sequence("<", tuple(items), ">")
        if len(items) == 1 and (opening, closing) in (("(", ")"), ("{", "}"), ("[", "]")):
            return items[0]
        return Sequence(opening, tuple(items), closing)

    def matrix(self) -> Node:
        """Read a matrix environment."""
        kind = self.take().value
        if kind not in MATRICES:
            raise UnreadableError(f"the environment {kind}")
        rows: list[tuple[Node, ...]] = []
        while not rows or self.peek().kind == "row":
            if rows:
                self.take()
                if self.peek().kind == "end":
                    break
            row = [self.sum()]
            while self.accept("&"):
                row.append(self.sum())
            rows.append(tuple(row))
        if self.peek().kind != "end" or self.take().value != kind:
            raise UnreadableError("a matrix without its end")
        if len({len(row) for row in rows}) != 1:
            raise UnreadableError("a matrix with rows of unequal length")
        return Matrix(tuple(rows), "determinant" if kind == "vmatrix" else "matrix")
