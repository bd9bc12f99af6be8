r"""Letters that may have any name: the integer of ``x = k\pi, k \in \mathbb{Z}``, the argument of ``f(x) = 2x``."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rlframework.rewards.math.syntax import CONSTANTS, Collection, Node, Operation, Relation, Symbol

_WORDS = r"(?:where|with|for|any|some|all|every|each|is|an?|and|,|\s){0,8}"
_DOMAIN = r"(?:\\in\s*\\(?:mathbb|text)\s*\{?\s*(?P<set>[NZ])\s*\}?|\s*(?P<words>integers?))"
# What is said of a letter behind everything else: (k \in \mathbb{Z}), where k is any integer, for some integer k.
_DECLARED = re.compile(
    rf"(?P<lead>[,;]|\s|(?=\())\s*{_WORDS}\(?\s*{_WORDS}(?:(?P<letter>[a-z])\s*{_WORDS}\s*{_DOMAIN}"
    rf"|(?P<noun>integers?)\s+(?P<behind>[a-z]))\s*\)?\s*\.?$"
)
_FOR_ALL = re.compile(
    r"^(?P<said>(?P<name>[A-Za-z])\s*\(\s*(?P<argument>[a-z])\s*\)\s*=.*?)[,\s]*for\s+(?:all|every|each|any)\s+"
    r"(?:real\s+(?:numbers?\s+)?)?(?P=argument)(?:\s*\\in\s*\\mathbb\s*\{?\s*R\s*\}?)?\s*\.?$"
)
# What goes without saying of the letters of a sequence or function: that the index is a natural number, and that
# what is not the argument may be any constant.
_NATURAL = re.compile(
    r"^(?P<said>[A-Za-z]_(?P<brace>\{)?\s*(?P<index>[a-z])\s*(?(brace)\})\s*=[^,;<>]*?)[,;\s]*\(?\s*"
    r"(?:(?:where|for)\s+(?:all\s+)?)?"
    r"(?P=index)\s*\\in\s*(?:\\(?:mathbb|text)\s*\{?\s*)?(?:N\s*\}?(?:\s*(?:\^|_)\s*\{?\s*[*+]\s*\}?)?"
    r"|Z\s*\}?\s*(?:\^|_)\s*\{?\s*\+\s*\}?)\s*\)?\s*\.?$"
)
# What may be any real number: for any constant c, where a and b are real constants, (C \in \mathbb{R}). No argument is
# one, and of positive or whole constants it is not said. None begins inside a product: kn, k \in \mathbb{R}.
_NAMES = r"(?P<{}>{name}(?:\s*(?:,\s*and\b|,|and\b)\s*{name}){{0,2}})"
_NAME = r"(?<![A-Za-z0-9_^}])(?![xyztuvw](?![A-Za-z]))[A-Za-z](?:_\{?[0-9]\}?)?(?![A-Za-z_])"
_OF_ANY = r"(?:(?:some|any|all|every|each|an|a|the)\s+)?"
_REAL = r"(?:arbitrary\s+|real\s+|fixed\s+){0,2}"
_KIND = (
    rf"{_OF_ANY}{_REAL}(?:const(?:ants?)?\.?(?:\s+of\s+integration)?|real\s+(?:numbers?|values?\s+of)|reals?|arbitrary)"
)
_CONSTANT = re.compile(
    rf"^(?P<said>[^,;<>]*?)[,\s]*\(?\s*(?:(?:for|with|where|and)\s+|\\forall\s*)?(?:"
    rf"{_KIND}\s+{_NAMES.format('behind', name=_NAME)}"
    rf"|{_OF_ANY}{_NAMES.format('before', name=_NAME)}(?:\s*[=-]\s*|\s+(?:(?:is|are|being|denotes?)\s+)?){_KIND}"
    rf"|{_OF_ANY}{_NAMES.format('element', name=_NAME)}\s*\\in\s*\\mathbb\s*\{{?\s*R\s*\}}?"
    rf"(?:\s*(?:is|are)\s+{_KIND})?)\s*\)?\s*\.?$"
)
_IDENTICAL = re.compile(r"(?<![A-Za-z\\])([A-Za-z]\s*\(\s*[a-z]\s*\))\s*\\equiv(?![A-Za-z])(?!.*mod)")
_ALL_OF = re.compile(r"^all\s+(?=[a-z]\s*(?:<|>|\\(?:le|ge|ne)(?![A-Za-z])))", re.IGNORECASE)


def in_signs(plain: str) -> str:
    r"""Return what words say of the letters of an answer in signs, or nothing where it goes without saying.

    Example:
        >>> in_signs(r"x = \pi k where k is any integer"), in_signs(r"x = 2k\pi (k\in\mathbb{Z})")
        ('x = \\pi k, k \\in \\mathbb{Z}', 'x = 2k\\pi, k \\in \\mathbb{Z}')
        >>> in_signs(r"f(x) = x \text{ for all } x"), in_signs(r"\text{all } n \ge 3")
        ('f(x) = x', 'n \\ge 3')
    """
    # Many blanks or words in a row would make the search slow.
    upright = " ".join(re.sub(r"\\text\s*\{([^{}]{2,})\}", r"\1", plain).split())
    plain, upright = _IDENTICAL.sub(r"\1 = ", plain), _IDENTICAL.sub(r"\1 = ", upright)
    natural = _NATURAL.match(" ".join(plain.split()))
    if natural and not re.search(r"\\(?:in|le|ge|ne|text)(?![A-Za-z])", natural["said"]):
        return natural["said"]
    declared = _DECLARED.search(upright)
    if declared and ("\\" in declared["lead"] or re.search(r"[0-9=\\+(]", upright[: declared.start()])):
        letter = declared["letter"] or declared["behind"]
        said = upright[: declared.start()].rstrip(" ,;")
        if re.search(rf"(?<![A-Za-z\\]){letter}|(?<=[a-z]){letter}(?![A-Za-z])", said):
            return rf"{said}, {letter} \in \mathbb{{{declared['set'] or 'Z'}}}"
    constant = _CONSTANT.match(" ".join(upright.split()))
    if constant:
        of_all = _FOR_ALL.match(constant["said"])
        said = of_all["said"] if of_all else constant["said"]
        names = _names(constant["behind"] or constant["before"] or constant["element"])
        if re.search(r"[0-9=+(\\]", said) and set(names) <= set(_names(re.sub(r"\\[A-Za-z]+", " ", said))):
            # Of several functions it goes without saying.
            return said if re.search(r"\b(?:or|and)\b", said) else rf"{said}, {', '.join(names)} \in \mathbb{{R}}"
    for_all = _FOR_ALL.match(upright)
    if for_all:
        return for_all["said"]
    return _ALL_OF.sub("", upright) if _ALL_OF.match(upright) else plain


def _names(text: str) -> list[str]:
    """Return the letters in a text that is no word, with their indices: a and C_1."""
    return re.findall(r"[A-Za-z](?:_[0-9])?", re.sub(r"\band\b|[{}]", " ", text))


def without_declarations(gold: Node, answer: Node) -> tuple[Node, Node] | None:
    """Return what two answers say beside the same declaration of a letter; None if they have none in common."""
    if not isinstance(gold, Collection) or not isinstance(answer, Collection) or _declared(gold) is None:
        return None
    common = [item for item in gold.items if item in answer.items and isinstance(item, Relation)]
    said = [[item for item in side.items if item not in common] for side in (gold, answer)]
    if _declared(answer) is None or len(common) != 1 or len(said[0]) != 1 or len(said[1]) != 1:
        return None
    return said[0][0], said[1][0]


def with_names_of(gold: Node, answer: Node) -> Node:
    """Return an answer with the gold's name for the one letter whose name says nothing; as it is if there is none.

    The new name must not be in the answer already: then it is another letter.
    """
    for find in (_declared, _argument):
        wanted, given = find(gold), find(answer)
        apart = wanted != given and wanted is not None and given is not None
        if apart and not occurs(wanted, answer):  # type: ignore[arg-type]
            return renamed(answer, given, wanted)  # type: ignore[arg-type]
    return answer


def _declared(node: Node) -> Symbol | None:
    """Return the one letter that an answer says is from a set of numbers, beside what it says with it."""
    if not isinstance(node, Collection) or node.kind != "list":
        return None
    found = [
        item.sides[0]
        for item in node.items
        if isinstance(item, Relation)
        and item.signs == ("in",)
        and isinstance(item.sides[1], Symbol)
        and item.sides[1].name.startswith("\\mathbb")
    ]
    return found[0] if len(found) == 1 and isinstance(found[0], Symbol) else None


def _argument(node: Node) -> Symbol | None:
    """Return the x of ``f(x) = x + 1``; not the a of ``f(a) = 3`` nor the A of ``P(A) = 0.3``."""
    if not isinstance(node, Relation) or node.signs != ("=",):
        return None
    left = node.sides[0]
    if not isinstance(left, Operation) or left.name != "*" or len(left.parts) != 2:
        return None
    name, letter = left.parts
    named = isinstance(name, Symbol) and name.name.rstrip("'") in ("f", "g", "h", "F", "G", "H", "P", "Q")
    bound = isinstance(letter, Symbol) and letter.name not in CONSTANTS
    return letter if named and bound and occurs(letter, node.sides[1]) else None  # type: ignore[arg-type, return-value]


def occurs(letter: Symbol, node: Any) -> bool:
    """Return whether a letter stands anywhere in an answer."""
    if node == letter:
        return True
    return any(occurs(letter, part) for part in _parts(node))


def _parts(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return list(node)
    return [getattr(node, field.name) for field in fields(node)] if is_dataclass(node) else []


def renamed(node: Any, old: Symbol, new: Node) -> Any:
    """Return any part of an answer with another name for a letter, or with a value in its place."""
    if node == old:
        return new
    if isinstance(node, tuple):
        return tuple(renamed(part, old, new) for part in node)
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{field.name: renamed(getattr(node, field.name), old, new) for field in fields(node)})
    return node
