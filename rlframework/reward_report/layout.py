"""Layouts in which probes write a completion: the working and the answer, with or without tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from rlframework.rewards.template import AnswerTemplate


class Layout(Protocol):
    """Writes the completions of probes."""

    def write(self, working: str, answer: str) -> str:
        """Return a completion with its working and its answer in place.

        Args:
            working: Text of the working.
            answer: Text of the answer.
        """

    def block(self, answer: str) -> str | None:
        """Return the answer block alone, or None if the layout has none."""

    def open_block(self, answer: str) -> str | None:
        """Return an answer block that was never closed, or None if the layout has none."""


@dataclass(frozen=True)
class TaggedLayout:
    """Working and answer between the tags of a template.

    Args:
        template: The tags.

    Example:
        >>> TaggedLayout().write("6 * 7 is 42.", "42")
        '6 * 7 is 42.<end_working_out><SOLUTION>42</SOLUTION>'
    """

    template: AnswerTemplate = field(default_factory=AnswerTemplate)

    def write(self, working: str, answer: str) -> str:
        """Return working, then the answer block."""
        opening = "" if self.template.working_opened_by_prompt else self.template.start_working
        return f"{opening}{working}{self.template.end_working}{self.block(answer)}"

    def block(self, answer: str) -> str:
        """Return the answer between its tags."""
        return f"{self.template.start_answer}{answer}{self.template.end_answer}"

    def open_block(self, answer: str) -> str:
        """Return the answer behind its opening tag."""
        return f"{self.template.start_answer}{answer}"


@dataclass(frozen=True)
class BareLayout:
    """The completion is the answer: for rewards that look for no tags.

    Example:
        >>> BareLayout().write("6 * 7 is 42.", "42")
        '42'
    """

    def write(self, working: str, answer: str) -> str:
        """Return a completion that is the answer alone."""
        return answer

    def block(self, answer: str) -> None:
        """Return no answer block: this layout has none."""

    def open_block(self, answer: str) -> None:
        """Return no unclosed answer block: this layout has none."""
