"""The completions that a reward is tried on, and what the user expects of each."""

from __future__ import annotations

import copy
import json
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt

Expectation: TypeAlias = Literal["accept", "refuse", "abstain"] | float | None
Given: TypeAlias = tuple[str | Completion, Mapping[str, Any]] | tuple[str | Completion, Mapping[str, Any], Expectation]

WORDS = ("accept", "refuse", "abstain")


@dataclass(frozen=True)
class Case:
    """One completion, with the row of data that it answers.

    Args:
        completion: What is judged; its prompt carries the row.
        expected: ``"accept"``, ``"refuse"``, ``"abstain"``, an exact score, or None for any.
    """

    completion: Completion
    expected: Expectation = None


def as_cases(given: Sequence[Given]) -> list[Case]:
    """Return cases from tuples of a completion, its row, and maybe what is expected of it.

    Rows that are equal become one prompt, so that their completions stand in one group.

    Raises:
        TypeError: An entry is not such a tuple.
        ValueError: There is none, or an expectation is not one of the words nor a number.

    Example:
        >>> cases = as_cases([("4", {"answer": "4"}, "accept"), ("5", {"answer": "4"}, -1.0)])
        >>> cases[0].completion.prompt is cases[1].completion.prompt, cases[1].expected
        (True, -1.0)
    """
    if not given:
        raise ValueError("there are no cases; give some (completion, row) pairs, such as ('4', {'answer': '4'})")
    prompts: dict[str, Prompt] = {}
    cases = []
    for number, entry in enumerate(given):
        if not (isinstance(entry, tuple) and len(entry) in (2, 3)):
            raise TypeError(f"case {number} is {entry!r}; expected (completion, row) or (completion, row, expectation)")
        text, row = entry[0], entry[1]
        if not isinstance(text, (str, Completion)) or not isinstance(row, Mapping):
            raise TypeError(f"case {number} is {entry!r}; expected a str or Completion first, and a dict second")
        expected: Expectation = entry[2] if len(entry) == 3 else None
        if not (expected is None or expected in WORDS or isinstance(expected, numbers.Real)):
            raise ValueError(f"case {number} expects {expected!r}; choose one of {', '.join(WORDS)}, or a score")
        key = json.dumps(dict(row), sort_keys=True, default=repr)
        if isinstance(text, Completion) and not row:
            cases.append(Case(text, expected))
            continue
        prompt = prompts.setdefault(key, prompt_of(row, index=len(prompts)))
        cases.append(Case(answered(prompt, text), expected))
    return cases


def prompt_of(row: Mapping[str, Any], index: int = 0) -> Prompt:
    """Return a prompt for a row; its text is the column ``prompt``, if there is one."""
    text = str(row.get("prompt", "?"))
    return Prompt([ord(letter) for letter in text], text, dict(row), index)


def answered(prompt: Prompt, text: str | Completion) -> Completion:
    """Return a completion of a prompt; a text is one that the policy ended, with an id for each character."""
    if isinstance(text, Completion):
        return replace(text, prompt=prompt)
    return Completion(prompt, [ord(letter) for letter in text], text, "stop")


def in_groups(cases: Sequence[Case], group_size: int) -> tuple[Completions, list[int]]:
    """Return every case once, among the completions of its prompt, in whole groups; and the row of each case.

    What is missing to a group is filled up with the texts of other cases: any text may be an answer to any prompt.

    Args:
        cases: What to put in groups.
        group_size: Completions in a group.
    """
    by_prompt: dict[int, list[int]] = {}
    for number, case in enumerate(cases):
        by_prompt.setdefault(id(case.completion.prompt), []).append(number)
    rows: list[Completion] = []
    places: dict[int, int] = {}
    for own in by_prompt.values():
        prompt = cases[own[0]].completion.prompt
        for start in range(0, len(own), group_size):
            group = own[start : start + group_size]
            places.update({number: len(rows) + place for place, number in enumerate(group)})
            others = [(group[-1] + 1 + place) % len(cases) for place in range(group_size - len(group))]
            rows += [replace(cases[number].completion, prompt=prompt) for number in group + others]
    return copy.deepcopy(Completions(rows, group_size)), [places[number] for number in range(len(cases))]


def shortened(text: str, characters: int = 60) -> str:
    """Return a text as Python would write it, cut in the middle if it is long.

    Example:
        >>> shortened("a" * 100, characters=10)
        "'aaaaa...aaaaa' (100 characters)"
    """
    if len(text) <= characters:
        return ascii(text) if not text.isprintable() else repr(text)
    half = characters // 2
    return f"{(text[:half] + '...' + text[-half:])!a} ({len(text):,} characters)"
