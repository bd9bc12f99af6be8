"""The normal form of an answer's text: signs of Unicode, spaces and wrappers of LaTeX and Markdown, separators."""

from __future__ import annotations

import re
import unicodedata

from rlframework.rewards.math.siunitx import without_siunitx

MAX_CHARACTERS = 1_000

_SIGNS = {
    **dict.fromkeys("−–﹣‐‑", "-"),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("·⋅∙", r"\cdot "),
    **dict.fromkeys("≤⩽", r"\le "),
    **dict.fromkeys("≥⩾", r"\ge "),
    **dict.fromkeys("′’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("\u00a0\u2009\u202f", r"\,"),
    **{"×": r"\times ", "π": r"\pi ", "∞": r"\infty ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset "},
    **{"∈": r"\in ", "±": r"\pm ", "∓": r"\mp ", "°": r"^{\circ}", "√": r"\radical ", "∛": r"\cuberadical "},
    **{"⟨": r"\langle ", "⟩": r"\rangle ", "…": r"\ldots ", "≈": r"\approx ", "→": r"\to ", "ℝ": r"\mathbb{R}"},
    **{"∖": r"\setminus "},
    **{"α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta "},
    **{"λ": r"\lambda ", "μ": r"\mu ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ", "ϕ": r"\phi "},
    **{"ψ": r"\psi ", "ω": r"\omega ", "Δ": r"\Delta ", "Ω": r"\Omega "},
}
_TRANSLATION = str.maketrans(_SIGNS)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_VULGAR = {character: unicodedata.normalize("NFKC", character).split("\u2044") for character in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"}

# A digit, a thin space or a guarded comma, three digits: one number. A comma alone may separate two.
_THIN = re.compile(r"(?<=[0-9])(?:(?<!\\)\\[,;:! ]|\{,\}|\\!,|,\\!\s*|\\!,\\!\s*|\{,\}\\!)(?=[0-9]{3}(?![0-9]))")
_GROUPED = re.compile(r"(?<![0-9.,_^{])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,])")
_SPACES = re.compile(
    r"(?<!\\)\\(?:[,;:! ]|(?:q?quad|displaystyle|textstyle|limits|thinspace)(?![A-Za-z])|hspace\{[^{}]*\})|~"
)
_SIZES = re.compile(r"\\(?:left|right|bigg?|Bigg?|bigl|bigr|Bigl|Bigr|middle)(?![A-Za-z])\s*\.?")
_FONTS = re.compile(
    r"\\(?:mathrm|mathbf|mathit|mathsf|operatorname|boldsymbol|bm|textit|textrm|textbf|textnormal|textsuperscript|mathnormal|mbox)\*?"
    r"(?![A-Za-z])"
)
# The bold R that stood for the real numbers before the double one did, and still does in much of the world.
_REALS = re.compile(r"\\(?:mathbf|boldsymbol|bm|mathds|Bbb)\s*(?:\{\s*R\s*\}|R(?![A-Za-z]))(?!\s*[=_^(])")
# What an element is of is a set of numbers, in whatever letter: k \in Z.
_NUMBERS = re.compile(r"\\in(?![A-Za-z])\s*(?:\\text\s*\{\s*([NZQR])\s*\}|([NZQR])(?![A-Za-z0-9_'(]))")
_PRIMES = re.compile(r"\^\s*(?:\{\s*(?:\\prime\s*)+\}|\\prime(?![A-Za-z]))")
# Powers of units: \text{m s^{-1}}.
_UPRIGHT = re.compile(r"\\text\s*\{[^{}]*(?:\^\{-?[0-9]\}[^{}]*)+\}")
_SAME = [
    (re.compile(pattern), written)
    for pattern, written in (
        (r"\\(?:[dtcsx]|nice|flat)frac(?![A-Za-z])", r"\\frac"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        (r"\\root\s*\{?([0-9A-Za-z]+)\}?\s*\\of(?![A-Za-z])", r"\\sqrt[\1]"),
        (r"\\leqslant(?![A-Za-z])|\\leq(?![A-Za-z])", r"\\le "),
        (r"\\geqslant(?![A-Za-z])|\\geq(?![A-Za-z])", r"\\ge "),
        (r"\\neq(?![A-Za-z])", r"\\ne "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"!=", r"\\ne "),
        (r"\\degree(?![A-Za-z])|\^\s*\\circ(?![A-Za-z])", r"^{\\circ}"),
        (r"\^\s*\{\s*\\circ\s*\}", r"^{\\circ}"),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset "),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\[lr]vert(?![A-Za-z])", "|"),
        (r"\\(?:ast|star|cdotp)(?![A-Za-z])", r"\\cdot "),
        (r"\\div(?![A-Za-z])", "/"),
        (r"\*\*", "^"),
        (r"(\\\\)\[[0-9.]+(?:pt|em|ex|mm|cm)\]", r"\1"),
        # Equations one under the other, of one system without its brace.
        (
            r"(?s)\A((?:(?!\\begin).)*)(?<!\\\{)(?<!\\\{\s)\\begin\{(cases|aligned)\}((?:(?!\\begin)[^&])*)\\end\{\2\}"
            r"(?!.*\\begin)",
            r"\1\3",
        ),
        (r"(?<=[0-9.])\\(?:overline|bar)\s*\{([0-9]+)\}", r"\\repeating{\1}"),
        # The number of these digits, and the segment between these points.
        (r"\\overline\s*\{([0-9]{2,}|[A-Z]{2})\}(?![0-9])", r"\1"),
        # A dot on the first and the last of the digits that repeat, or on the only one; or brackets about them.
        (r"(?<=[0-9.])\\dot\s*\{?([0-9])\}?([0-9]*)\\dot\s*\{?([0-9])\}?", r"\\repeating{\1\2\3}"),
        (r"(?<=[0-9.])\\dot\s*\{?([0-9])\}?", r"\\repeating{\1}"),
        (r"(?<=[0-9]\.)\(([0-9]+)\)", r"\\repeating{\1}"),
        (r"\\colon(?![A-Za-z])", ":"),
        (r"\\(?:long)?rightarrow(?![A-Za-z])", r"\\to "),
        (r"\\smallsetminus(?![A-Za-z])", r"\\setminus "),
        # What is taken from a set is one, also where its braces lost their backslash.
        (r"(\\(?:setminus|backslash))\s*\{(?!\s*[A-Z]\s*\})([^{}]*)\}", r"\1\\{\2\\}"),
        (r"\\angle\s*\{?\s*([A-Z])\s*([A-Z])\s*([A-Z])\s*\}?(?![A-Za-z])", r"\\angle \1\2\3"),
        (
            r"(?:\(|\\left\()\s*(?:\\bmod(?![A-Za-z])|\\(?:text|mathrm)\s*\{\s*mod\s*\}|\\?mod(?![A-Za-z]))"
            r"(?:\\[ ,;]|\s)*\{?([0-9]+|[a-z])\}?\s*(?:\\right)?\)",
            r"\\pmod{\1}",
        ),
        # What stands before the condition of a case,
        (r"&\s*\\text\s*\{\s*(?:if|for|when|where)\s*\}", "& "),
        # and a comma or full stop at the end of a row or column of several cases.
        (r"(?<!\\)[,.;]\s*(?=&|\\\\|\\end\{cases\})(?=.*\\end\{cases\})", ""),
        (r"\\var(phi|epsilon|theta)(?![A-Za-z])", r"\\\1"),
        # The tangent and its like, as Eastern Europe names them.
        *(
            (rf"\\(?:(?:operatorname|mathrm|text)\s*\{{\s*{name}\s*\}}|{name}(?![A-Za-z]))", rf"\\{usual} ")
            for name, usual in (("tg", "tan"), ("ctg", "cot"), ("arctg", "arctan"), ("arcctg", "arccot"))
        ),
    )
]


def normalize(text: str) -> str:
    r"""Return the text in one writing: ASCII, LaTeX commands, no wrappers, no grouping of digits.

    Raises:
        ValueError: Too long, or with characters that cannot be seen.

    Example:
        >>> normalize(r"$\boxed{2\,125}$."), normalize("3√13"), normalize("**x ≤ ½**")
        ('2125', '3\\radical 13', 'x \\le  \\half{1}{2}')
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{len(text)} characters; at most {MAX_CHARACTERS} are read")
    for character in text:
        if unicodedata.category(character) in ("Cf", "Cc", "Co", "Cs", "Cn") and character not in "\n\t\r ":
            raise ValueError(f"the invisible character U+{ord(character):04X}")
    text = _BOLD.sub(r"\1", _unboxed(_unwrapped(_REALS.sub(r"\\mathbb{R}", text))))
    if text.lstrip().startswith("~"):
        raise ValueError("an answer that is only about right")
    text = without_siunitx(_scripts(_vulgar(text)).translate(_TRANSLATION))
    for pattern, written in _SAME:
        text = pattern.sub(written, text)
    if r"\begin" not in text and "=" in text:
        text = re.sub(r"[,;]?\s*\\\\(?=[^=]*=)", ", ", text.rstrip("\\ "))
    text = _PRIMES.sub(lambda primes: "'" * primes[0].count("prime"), _SIZES.sub("", text))
    text = _NUMBERS.sub(r"\\in \\mathbb{\1\2}", _FONTS.sub(r"\\text", text))
    text = _THIN.sub("", _UPRIGHT.sub(lambda words: words[0].replace("^{", "^").replace("}", "") + "}", text))
    if text.replace(r"\$", "").count("$") % 2 == 0:
        text = re.sub(r"(?<!\\)\$", " ", text)
    if not re.search(r"[(\[{]", _TEXT.sub("", text)):
        text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    return _unwrapped(_turned_brackets(_SPACES.sub(" ", text)))


# An interval whose brackets are turned outwards where it is open, as in much of Europe: ]2, 3[ is (2, 3).
# No bracket of it is one that closes the index of a root.
_INTERVAL = re.compile(r"((?:(?<![0-9A-Za-z})\]])|(?<=cup)|(?<=cap)|(?<=\\in))[\[\]])([^\[\]]*[,;][^\[\]]*)([\[\]])")


def _turned_brackets(text: str) -> str:
    def turned(interval: re.Match[str]) -> str:
        return f"{interval[1].replace(']', '(')}{interval[2]}{interval[3].replace('[', ')')}"

    return _INTERVAL.sub(turned, text)


_TEXT = re.compile(r"\\text\s*\{[^{}]*\}")


def _vulgar(text: str) -> str:
    return "".join(rf"\half{{{_VULGAR[c][0]}}}{{{_VULGAR[c][1]}}}" if c in _VULGAR else c for c in text)


def _scripts(text: str) -> str:
    return _script(_script(text, "^", _SUPERSCRIPTS), "_", _SUBSCRIPTS)


def _script(text: str, mark: str, digits: dict[str, str]) -> str:
    """Write runs of raised or lowered characters with a mark and braces."""
    runs = re.compile(f"[{''.join(digits)}]+")
    return runs.sub(lambda run: f"{mark}{{{''.join(digits[character] for character in run[0])}}}", text)


_PAIRS = [(mark, mark) for mark in ("$$", "$", "**", "__", "*", "`", '"')] + [(r"\(", r"\)"), (r"\[", r"\]")]
# Not the powers of 2**3**2: a letter, digit or bracket stands beside those.
_BOLD = re.compile(r"(?<![\w)\]}*])\*\*(?=\S)([^*]+?)(?<=\S)\*\*(?![\w(\[{*])")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACED = re.compile(
    r"\\(?:boxed|fbox|underline|text|textbf|textit|textrm|mathbf|mathrm|bm|boldsymbol|displaystyle|ensuremath)\s*\{"
)


def _unwrapped(text: str) -> str:
    """Take off what stands about the whole text and means nothing: mathematics signs, boxes, emphasis, a full stop."""
    while True:
        before = text
        text = text.strip()
        if text.endswith((".", ",", ";")) and not text.endswith(("..", r"\,", r"\;")):
            text = text[:-1]
        for opening, closing in _PAIRS:
            inner = text[len(opening) : len(text) - len(closing)]
            enclosed = text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing)
            if enclosed and opening not in inner and closing not in inner:
                text = inner
        match = _BRACED.match(text)
        if match and closes_at(text, match.end() - 1) == len(text) - 1:
            text = text[match.end() : -1]
        if text == before:
            return text


def _unboxed(text: str) -> str:
    r"""Take the box off a part of the text, as in ``x = \boxed{5}``; two boxes are two answers and stay."""
    boxes = list(_BOX.finditer(text))
    if len(boxes) != 1:
        return text
    end = closes_at(text, boxes[0].end() - 1)
    return text if end is None else f"{text[: boxes[0].start()]} {text[boxes[0].end() : end]} {text[end + 1 :]}"


def closes_at(text: str, start: int) -> int | None:
    """Return where the brace at ``start`` is closed; None if it is not."""
    depth, escaped = 0, False
    for place in range(start, len(text)):
        character = text[place]
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if not depth:
                return place
    return None
