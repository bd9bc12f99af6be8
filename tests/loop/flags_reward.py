"""A reward that can be imported, as a checkpoint names it."""

from __future__ import annotations


def vowels(completion: str) -> float:
    return sum(letter in "aeiou" for letter in completion) / 4
