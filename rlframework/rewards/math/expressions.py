"""Reading arithmetic: sums, products, powers, and what they are made of."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from fractions import Fraction

from rlframework.rewards.math.cursor import Cursor
from rlframework.rewards.math.syntax import (
    SCALARS,
    Based,
    Degree,
    Node,
    Number,
    Operation,
    Percent,
    PlusMinus,
    Symbol,
    UnreadableError,
    has_variables,
    has_vector,
)

MAX_DEPTH = 25

FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
        sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc cis sinh cosh tanh coth sech csch
        arsinh arcosh artanh arcoth arcsinh arccosh arctanh arccoth ln log lg exp sqrt cbrt abs floor ceil gcd lcm max
        min
        """,
    )
)
GREEK = frozenset(
    re.findall(
        r"\w+",
        """
        alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau phi
        varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar
        """,
    )
)
INFINITY = "infinity"
CONSTANTS = {"pi": "pi", "e": "e", "i": "i", "infty": INFINITY, "infinity": INFINITY, "inf": INFINITY, "oo": INFINITY}
# What stands behind \frac where both parts are whole numbers: in braces, or digits without.
_PROPER = re.compile(r"(?:\{ )?([0-9]+)(?: \})? (?:\{ )?([0-9]+)(?: \})? |([0-9])([0-9]) ")
# Commands that are no number but may be the subscript of a name.
_INDICES = frozenset(["max", "min", "triangle", "circ", "infty", "perp", "parallel", "odot", "ast"])
# Commands that begin a factor without a sign of multiplication before it.
_BEGIN_A_FACTOR = (
    "frac",
    "sqrt",
    "radical",
    "cuberadical",
    "half",
    "binom",
    "pi",
    "infty",
    "lfloor",
    "lceil",
    "vec",
    "overrightarrow",
)


class Expressions(Cursor, ABC):
    """Reads scalars. What stands in brackets may be more than that, so a subclass reads those."""

    @abstractmethod
    def items(self) -> Node:
        """Read items without brackets about them: one expression, or several with commas between."""

    @abstractmethod
    def bracketed(self) -> Node:
        """Read what stands in brackets: a group, a pair, an interval, a set."""

    @abstractmethod
    def matrix(self) -> Node:
        """Read a matrix environment."""

    @abstractmethod
    def command(self) -> Node:
        """Read a LaTeX command."""

    @abstractmethod
    def function(self, name: str) -> Node:
        """Read the argument of a function."""

    @abstractmethod
    def bars(self) -> Node:
        """Read an absolute value."""

    def sum(self) -> Node:
        """Read terms joined by plus and minus."""
        if self.accept("pm", "mp"):
            node = self._with_more(PlusMinus(None, self.product()))
        else:
            node = self._with_more(self.signed())
            if self.accept("pm", "mp"):
                node = self._with_more(PlusMinus(node, self.product()))
        return node

    def _with_more(self, first: Node) -> Node:
        terms = [first]
        while self.at("+", "-"):
            negative = self.take().value == "-"
            term = self.signed()
            terms.append(Operation("neg", (term,)) if negative else term)
        return first if len(terms) == 1 else Operation("+", tuple(terms))

    def signed(self) -> Node:
        """Read a term with a sign before it or none."""
        negative = self.accept("+", "-") == "-"
        term = self.product()
        if negative and isinstance(term, (Degree, Percent)):
            # The sign belongs to the number.
            return type(term)(Operation("neg", (term.value,)))
        return Operation("neg", (term,)) if negative else term

    def product(self) -> Node:
        """Read factors joined by signs or by standing side by side."""
        node = last = self.operand()
        while True:
            sign = self.accept("*", "times", "cdot")
            if sign:
                last = self.factor()
                both = has_vector(node) and has_vector(last)
                node = self._of_vectors(node, last, sign) if both else Operation("*", (node, last))
            elif self.accept("/"):
                last = self.factor()
                node = Operation("/", (node, last))
            elif self._factor_follows(last):
                last = self.power()
                if has_vector(node) and has_vector(last):
                    raise UnreadableError("two vectors side by side")
                node = Operation("*", (node, last))
            else:
                return node

    def _of_vectors(self, left: Node, right: Node, sign: str) -> Node:
        """Return the name of the product of two vectors, of which nothing is worked out."""
        if sign != "cdot" or not isinstance(left, Symbol) or not isinstance(right, Symbol):
            raise UnreadableError("a product of more than two vectors")
        first, second = sorted((left.name, right.name))
        return Symbol(f"({first} {second})")

    def operand(self) -> Node:
        """Read a power, or a mixed number such as ``1 4/5``."""
        node = self.power()
        whole = isinstance(node, Number) and node.value.denominator == 1
        return self._mixed(node) if whole and self._fraction_follows() else node

    def factor(self) -> Node:
        """Read a factor behind a sign, which may have a sign of its own."""
        negative = self.accept("+", "-") == "-"
        node = self.operand()
        return Operation("neg", (node,)) if negative else node

    def _factor_follows(self, last: Node) -> bool:
        """Return whether another factor stands beside the last one without a sign between them."""
        token = self.peek()
        if token.kind == "number":
            return self._number_may_follow(last)
        if token.kind == "begin":
            return True
        if token.kind == "word":
            union = token.value in ("u", "U") and not isinstance(last, SCALARS)
            return token.value.lower() not in ("and", "or") and not union
        if token.kind == "text":
            return (len(token.value) == 1 and token.value.isalpha()) or token.value in FUNCTIONS
        # Between bars, another bar closes them.
        return self.at("(", "[", *_BEGIN_A_FACTOR, *FUNCTIONS, *GREEK) or (self.at("|") and not self.between_bars)

    def _number_may_follow(self, last: Node) -> bool:
        r"""Return whether a number is a factor after the last one: ``n2^{n-1}``, ``(n-2)2^n``, ``\sqrt{2}3``.

        Behind a letter only a power is: ``x2`` may have lost an exponent or an index, and ``June 20`` is a date; and
        behind a binomial or a fraction with letters. Never behind a number or a fraction of numbers, nor is a group in
        braces one: ``1{8}`` is eighteen on paper.
        """
        name = last.name if isinstance(last, Operation) else ""
        if isinstance(last, Symbol) or name == "binom" or (name == "/" and has_variables(last)):
            return self.peek(1).value == "^"
        closed = self.tokens[self.place - 1].value in (")", "|", "!", "rfloor", "rceil") and isinstance(last, SCALARS)
        return closed or (isinstance(last, Operation) and last.name in ("^", "root"))

    def _fraction_follows(self) -> bool:
        """Return whether a proper fraction comes next that makes a mixed number of the whole one before it."""
        token = self.peek()
        if token.kind == "command" and token.value == "half":
            return True
        if token.kind == "command" and token.value == "frac":
            match = _PROPER.match(" ".join(part.value for part in self.tokens[self.place + 1 : self.place + 7]) + " ")
            return match is not None and 0 < int(match[1] or match[3]) < int(match[2] or match[4])
        numbers = [self.peek(ahead) for ahead in (0, 1, 2)]
        written = [number.value for number in numbers]
        plain = token.spaced and written[1] == "/" and numbers[0].kind == numbers[2].kind == "number"
        return plain and "." not in written[0] + written[2] and int(written[0]) < int(written[2])

    def _mixed(self, whole: Node) -> Node:
        if self.peek().kind == "number":
            above = self.number()
            self.expect("/")
            part: Node = Operation("/", (above, self.number()))
        else:
            part = self.atom()
        return Operation("+", (whole, part))

    def power(self) -> Node:
        """Read an atom with what stands behind it: exponent, factorial, percent, degrees."""
        node = self.atom()
        while True:
            if self.accept("!"):
                node = Operation("factorial", (node,))
            elif self.at("^") and self._degrees():
                node = Degree(node)
            elif self.accept("^"):
                node = Operation("^", (node, self.exponent()))
            elif self.accept("%"):
                return Percent(node)
            else:
                return node

    def exponent(self) -> Node:
        """Read an exponent: a tower is read from its top."""
        negative = self.accept("-") is not None
        node = self.argument(whole=True)
        if self.at("^") and not self._degrees():
            self.take()
            node = Operation("^", (node, self.exponent()))
        return Operation("neg", (node,)) if negative else node

    def _degrees(self) -> bool:
        written = [self.peek(ahead).value for ahead in range(4)]
        if written == ["^", "{", "circ", "}"]:
            self.place += 4
            return True
        return False

    def argument(self, whole: bool = False) -> Node:
        """Read what a command or exponent applies to: a group in braces, or a symbol; of a number one digit or all."""
        if self.at("{"):
            return self.group()
        token = self.peek()
        if token.kind == "number" and len(token.value) > 1 and not whole:
            # \frac12 is one half.
            self.tokens[self.place] = token._replace(value=token.value[1:], spaced=False)
            if not token.value[0].isdigit() or not token.value[1].isdigit():
                raise UnreadableError(f"{token.value!r} as an argument without braces")
            return Number(Fraction(token.value[0]))
        return self.atom()

    def group(self) -> Node:
        """Read what braces hold together."""
        self.expect("{")
        self._deeper(1)
        with self.bars_apart():
            node = self.items()
        self._deeper(-1)
        self.expect("}")
        return node

    def number(self) -> Node:
        """Read a number; digits with a subscript are one in another base."""
        token = self.take()
        if token.kind != "number":
            raise UnreadableError(f"{token.value!r} in place of a number")
        if self.peek().value in ("e", "E") and not self.peek().spaced:
            return Number(Fraction(token.value) * self._magnitude(token.value))
        if self.accept("_"):
            base = self.argument() if self.at("{") else self.number()
            if base == Number(Fraction(10)) and token.value.isdigit():
                return Number(Fraction(token.value))
            if isinstance(base, Number) and base.value.denominator == 1 and 2 <= base.value <= 36:
                return Based(token.value.lstrip("0") or "0", int(base.value))
            raise UnreadableError("a subscript that is no base")
        point = self.peek().value == "." and self.peek(1).value == "repeating"
        if point or ("." in token.value and self.at("repeating")):
            self.place += 2 if point else 1
            return Number(self._repeating(token.value))
        return Number(Fraction(token.value))

    def _magnitude(self, coefficient: str) -> Fraction:
        """Return 1000 for the ``e3`` behind a number, and 1 where the letter is the constant, as in ``2e-1``.

        Computers write a sign in it: ``1e-05``, ``2.5e-7``. Euler's number is not written behind a 1, nor with
        two digits behind its sign, and seldom behind a decimal point.
        """
        sign = self.peek(1).value if self.peek(1).value in ("+", "-") else ""
        behind = [self.peek(ahead) for ahead in range(1, 3 if sign else 2)]
        digits = behind[-1].value
        computed = not sign or coefficient == "1" or "." in coefficient or len(digits) > 1
        if any(token.spaced for token in behind) or not computed or not re.fullmatch("[0-9]{1,3}", digits):
            return Fraction(1)
        self.place += 1 + len(behind)
        return Fraction(10) ** int(sign + digits)

    def _repeating(self, before: str) -> Fraction:
        """Return the value of ``0.1`` with the digits in the following braces for ever behind it."""
        self.expect("{")
        digits = self.take().value
        self.expect("}")
        places = len(before.partition(".")[2])
        return Fraction(before) + Fraction(int(digits), (10 ** len(digits) - 1) * 10**places)

    def atom(self) -> Node:
        """Read what no sign takes apart. Whatever is nested passes through here."""
        self._deeper(1)
        node = self._atom()
        self._deeper(-1)
        return node

    def _deeper(self, levels: int) -> None:
        self.depth += levels
        if self.depth > MAX_DEPTH:
            raise UnreadableError(f"nested more than {MAX_DEPTH} deep")

    def _atom(self) -> Node:
        token = self.peek()
        if token.kind == "number":
            return self.number()
        if token.kind == "word":
            return self.word()
        if token.kind == "text":
            if (len(token.value) == 1 and token.value.isalpha()) or token.value in FUNCTIONS:
                self.tokens[self.place] = token._replace(kind="word")
                return self.word()
            if token.value.isdigit():
                self.tokens[self.place] = token._replace(kind="number")
                return self.number()
            raise UnreadableError(f"the words {token.value!r}")
        if token.kind == "begin":
            return self.matrix()
        if self.at("(", "[", "\\{", "{", "langle"):
            return self.bracketed()
        if self.accept("|"):
            return self.bars()
        if token.kind == "command":
            return self.command()
        raise UnreadableError(f"{token.value or token.kind!r} where a number or symbol was expected")

    def word(self) -> Node:
        """Read letters: the name of a function or constant, or variables side by side."""
        token = self.peek()
        if token.value in FUNCTIONS:
            self.take()
            return self.function(token.value)
        if token.value.lower() in ("pi", "infinity", "inf", "oo"):
            self.take()
            return Symbol(CONSTANTS[token.value.lower()])
        if token.value[:-1] in FUNCTIONS:
            self.tokens[self.place] = token._replace(value=token.value[-1], spaced=True)
            return self.function(token.value[:-1])
        if len(token.value) > 4:
            raise UnreadableError(f"the word {token.value!r}")
        # One letter at a time: the exponent or subscript behind a word belongs to its last letter.
        self.tokens[self.place] = token._replace(value=token.value[1:], spaced=False)
        if len(token.value) == 1:
            self.take()
        return self.symbol(token.value[0])

    def symbol(self, letter: str) -> Node:
        """Read what belongs to the name of a variable: a subscript, primes."""
        name = letter
        if self.accept("_"):
            before = self.place, list(self.tokens)
            name += "_" + self.index()
            if letter == "C" and self.at("^"):
                self.place, self.tokens = before
                index = self.argument()
                self.take()
                return self._chosen(index, Symbol(name))
        while self.accept("'"):
            name += "'"
        return Symbol(CONSTANTS.get(name, name))

    def index(self) -> str:
        r"""Read a subscript as it is written, since it is a part of a name and no number: ``n``, ``n+1``, ``\max``."""
        if not self.accept("{"):
            token = self.take()
            if token.kind not in ("word", "number", "text") and token.value not in GREEK | _INDICES:
                raise UnreadableError(f"{token.value!r} as a subscript")
            if token.kind == "text" or len(token.value) == 1 or token.kind == "command":
                return token.value
            # Of several letters or digits without braces it is the first; the others stand behind it.
            self.place -= 1
            self.tokens[self.place] = token._replace(value=token.value[1:], spaced=False)
            return token.value[0]
        written, depth = "", 1
        while depth:
            token = self.take()
            if token.kind in ("end", "row", "begin"):
                raise UnreadableError("a subscript that does not end")
            depth += {"{": 1, "}": -1}.get(token.value, 0)
            written += token.value if depth else ""
        return re.sub(r"\{(\w)\}", r"\1", written)

    def _chosen(self, index: Node, symbol: Node) -> Node:
        """Read ``C_{10}^3`` as 10 choose 3, and ``C_1^2`` as the square of a constant."""
        above = self.exponent()
        numbers = isinstance(index, Number) and isinstance(above, Number) and index.value >= above.value
        chosen = numbers or (isinstance(index, (Symbol, Operation)) and isinstance(above, SCALARS))
        return Operation("binom" if chosen else "^", (index if chosen else symbol, above))
