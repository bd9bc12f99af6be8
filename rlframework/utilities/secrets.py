"""Secrets in what is written down, such as tokens, passwords and keys: a settings file or a log gets stars for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

STARS = "***"
# Names of arguments that hold a secret: `token`, `hf_token`, `api_key`; and none of `pad_token` and `max_tokens`.
_NAME = (
    r"(?:[\w-]*(?:password|passwd|secret|api[_-]?key|access[_-]?key|credentials?|authorization)"
    r"|(?:[\w-]*(?:hf|auth|access|hub|api|bearer|wandb)[_-])?token)"
)
_NAMED = re.compile(_NAME, re.IGNORECASE)
# Of a command: an option with its value in the same word, or in the next one.
_OPTION = re.compile(rf"(?P<said>(?:.*\.|-*){_NAME})(?P<value>=.*)?", re.IGNORECASE | re.DOTALL)
# Secrets that are known by their form, wherever they stand: the user of a URL, and keys of well-known services.
_KNOWN = re.compile(
    r"(?<=://)[^\s/@'\"]+(?=@)|\bBearer\s+\S+|\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{16,}"
)


def without_secrets(value: Any) -> Any:
    """Return plain values with stars for the secrets among them: by the name of an argument, or by their form.

    Args:
        value: Dictionaries, lists, texts, numbers.

    Example:
        >>> without_secrets({"api_key": "k1", "pad_token": "<pad>", "servers": ["http://me:pw@10.0.0.1:8000"]})
        {'api_key': '***', 'pad_token': '<pad>', 'servers': ['http://***@10.0.0.1:8000']}
    """
    if isinstance(value, str):
        return _KNOWN.sub(STARS, value)
    if isinstance(value, Mapping):
        return {
            name: STARS if one and isinstance(one, str) and _NAMED.fullmatch(str(name)) else without_secrets(one)
            for name, one in value.items()
        }
    return [without_secrets(one) for one in value] if isinstance(value, (list, tuple)) else value


def command_without_secrets(words: list[str]) -> list[str]:
    """Return the words of a command with stars for its secrets.

    Args:
        words: As in ``sys.argv``.

    Example:
        >>> command_without_secrets(["fit", "--data.token", "k1", "--api-key=k2", "--seed", "1"])
        ['fit', '--data.token', '***', '--api-key=***', '--seed', '1']
    """
    said: list[str] = []
    hidden = False
    for word in words:
        found = _OPTION.fullmatch(word)
        if hidden and not word.startswith("-"):
            said.append(STARS)
        elif found and found["value"]:
            said.append(f"{found['said']}={STARS}")
        else:
            said.append(without_secrets(word))
        hidden = bool(found and found["value"] is None and word.startswith("-"))
    return said
