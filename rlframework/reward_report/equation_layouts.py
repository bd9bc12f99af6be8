"""Layouts in which probes write answers for the equation rewards: ``--layout`` of ``rlframework reward-report``."""

from __future__ import annotations

from dataclasses import dataclass

from rlframework.reward_report.layout import BareLayout


@dataclass(frozen=True)
class OneEquation(BareLayout):
    """The completion is an equation with the answer on its right, and on its left what is worth as much.

    Example:
        >>> OneEquation().write("6 * 7 is 42.", "42")
        '42 + 0 = 42'
    """

    def write(self, working: str, answer: str) -> str:
        """Return a completion of one equation, whose left-hand side is the answer plus 0."""
        return f"{answer} + 0 = {answer}"


@dataclass(frozen=True)
class OneBox(BareLayout):
    r"""The completion ends with the answer in a box; nothing closes the working.

    Example:
        >>> OneBox().write("6 * 7 is 42.", "42")
        '6 * 7 is 42. \\boxed{42}'
    """

    def write(self, working: str, answer: str) -> str:
        """Return the working and a box."""
        return f"{working} \\boxed{{{answer}}}"
