"""Tool calls in JSON: what is strict about them whatever stands around them."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from rlframework.turns import Call


class MalformedError(ValueError):
    """Raised for a tool call that cannot be read as JSON; the message is what the policy is told."""


def decode(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at a place of a text, and the place behind it.

    Args:
        text: What the policy wrote.
        start: Where the value begins.

    Raises:
        MalformedError: There is no JSON value, it names a thing twice, or is nested too deep.
    """
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        where = f", near {text[error.pos : error.pos + 20]!r}" if error.pos < len(text) else " at its end"
        raise MalformedError(f"it is not valid JSON: {error.msg}{where}") from error
    except RecursionError as error:
        raise MalformedError("its JSON is nested too deep") from error
    except ValueError as error:  # An integer with more digits than Python reads.
        raise MalformedError(f"it is not valid JSON: {error}") from error


def call_of(value: Any, key: str = "arguments") -> Call:
    """Return the call that a JSON value stands for.

    The arguments may come as the text of a JSON object, as some models write them.

    Args:
        value: What `decode` found.
        key: The name that the arguments have in it.

    Raises:
        MalformedError: It is no object of a name and arguments.

    Example:
        >>> call_of({"name": "look", "arguments": {"key": "f"}}).arguments
        {'key': 'f'}
    """
    shape = f'write {{"name": ..., "{key}": {{...}}}}'
    if not isinstance(value, dict):
        raise MalformedError(f"it is no object; {shape}")
    if not isinstance(value.get("name"), str) or not value["name"]:
        raise MalformedError(f'it has no "name"; {shape}')
    if key not in value:
        raise MalformedError(f'it has no "{key}"; {shape}')
    if extra := [name for name in value if name not in ("name", key)]:
        raise MalformedError(f'it has a "{extra[0]}" too; {shape}')
    arguments = value[key]
    if isinstance(arguments, str):
        try:
            arguments, end = decode(arguments)
        except MalformedError:
            end = -1
        if end != len(str(value[key]).rstrip()):
            arguments = None
    if not isinstance(arguments, dict):
        raise MalformedError(f'its "{key}" are no object; {shape}')
    refuse_strange([value["name"], arguments])
    return Call(value["name"], arguments)


def refuse_strange(value: Any) -> None:
    """Refuse what JSON can say and nothing behind it can take: halves of letters, endless numbers, deep nests.

    Args:
        value: A JSON value.

    Raises:
        MalformedError: Says what is in it.
    """
    left = [(value, 0)]
    while left:
        one, depth = left.pop()
        if depth > _DEEPEST:
            raise MalformedError(f"it is nested more than {_DEEPEST} deep")
        if isinstance(one, float) and not math.isfinite(one):
            raise MalformedError(f"{one} is no number")
        if isinstance(one, str) and _HALF.search(one):
            raise MalformedError(f"{one[:20]!a} has half of a letter in it (a lone surrogate)")
        if isinstance(one, dict):
            left += [(key, depth) for key in one]
        if isinstance(one, dict | list):
            left += [(part, depth + 1) for part in (one.values() if isinstance(one, dict) else one)]


def malformed(why: MalformedError) -> Call:
    """Return the call that stands for one that cannot be read.

    Args:
        why: What is wrong with it.
    """
    return Call(fault="malformed", result=f"Error: the tool call cannot be read: {why}.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedError(f'its JSON has "{name}" twice')
        found[name] = value
    return found


def _no_number(name: str) -> NoReturn:
    raise MalformedError(f"it is not valid JSON: {name} is no number")


# Far less than Python's stack, that of whoever writes the call down included.
_DEEPEST = 64
_HALF = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
