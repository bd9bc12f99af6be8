"""The tags that a completion puts its working and its answer between, and the strict reading of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from rlframework.completions import Completion

if TYPE_CHECKING:
    from rlframework.rewards.base import RewardModel


@dataclass(frozen=True)
class AnswerTemplate:
    """The layout ``working </working> <answer> answer </answer>`` that a policy is asked to keep.

    The tags are those of Unsloth's Qwen3-4B GRPO notebook. Its regular expression takes cubic time on looping tags and
    ignores what follows the first line end; this class reads in linear time and is stricter: every tag occurs exactly
    once, only blanks stand between the working and the answer and after the answer, and the answer is not blank. One
    thing is forgiven where an answer is read: a completion may begin with the opening tag that its prompt ended with,
    since models copy it. `keeps` forgives nothing.

    Args:
        start_working: Tag that opens the working.
        end_working: Tag that closes the working.
        start_answer: Tag that opens the answer.
        end_answer: Tag that closes the answer.
        working_opened_by_prompt: Whether the prompt ends with ``start_working`` (append `generation_prompt` to it), so
            that a completion starts inside the working and need not open it again.

    Raises:
        ValueError: A tag is blank, or one contains (or equals) another, so that they could not be told apart.

    Example:
        >>> template = AnswerTemplate()
        >>> template.parse("6 * 7 is 42.<end_working_out><SOLUTION>42</SOLUTION>")
        '42'
        >>> template.parse("<SOLUTION>42</SOLUTION>") is None
        True
        >>> template.generation_prompt
        '<start_working_out>'
    """

    start_working: str = "<start_working_out>"
    end_working: str = "<end_working_out>"
    start_answer: str = "<SOLUTION>"
    end_answer: str = "</SOLUTION>"
    working_opened_by_prompt: bool = True

    def __post_init__(self) -> None:
        tags = {
            "start_working": self.start_working,
            "end_working": self.end_working,
            "start_answer": self.start_answer,
            "end_answer": self.end_answer,
        }
        for field, tag in tags.items():
            if not isinstance(tag, str):
                raise TypeError(
                    f"AnswerTemplate got {field}={tag!r} ({type(tag).__name__}) where str belongs: pass the four tags, "
                    "AnswerTemplate('<think>', '</think>', '<answer>', '</answer>')"
                )
            if not tag.strip():
                raise ValueError(f"{field}={tag!r} is blank; give a tag of visible characters, such as '<{field}>'")
        for (inner, tag), (outer, container) in permutations(tags.items(), 2):
            if tag in container:
                raise ValueError(
                    f"{inner}={tag!r} occurs inside {outer}={container!r}, so the two could not be told apart; "
                    "choose four tags of which none contains another"
                )

    @property
    def system_prompt(self) -> str:
        """The instruction that asks a policy for this layout."""
        return (
            f"Think about the problem and write your working between {self.start_working} and {self.end_working}. "
            f"Then write only the solution between {self.start_answer} and {self.end_answer}."
        )

    @property
    def generation_prompt(self) -> str:
        """The end of the prompt: the opening tag of the working, or nothing if the policy writes that itself."""
        return self.start_working if self.working_opened_by_prompt else ""

    @property
    def tags(self) -> tuple[str, ...]:
        """All four tags."""
        return self.start_working, self.end_working, self.start_answer, self.end_answer

    @property
    def completion_tags(self) -> tuple[str, ...]:
        """The tags that a completion must hold exactly once, in their order."""
        opening = () if self.working_opened_by_prompt else (self.start_working,)
        return (*opening, self.end_working, self.start_answer, self.end_answer)

    def tag_counts(self, text: str) -> dict[str, int]:
        """Return how often each of `completion_tags` occurs in the text."""
        return {tag: text.count(tag) for tag in self.completion_tags}

    def parse(self, text: str) -> str | None:
        """Return the answer as it was written, blanks included; None where the layout is broken.

        Args:
            text: A completion, without its prompt. Where the prompt opens the working, one more opening tag at the very
                start, blanks aside, changes nothing; anywhere else it breaks the layout.

        Example:
            >>> AnswerTemplate().parse("<start_working_out>6 * 7<end_working_out><SOLUTION>42</SOLUTION>")
            '42'
        """
        return self._strictly(self._without_copied_opening(text))

    def keeps(self, text: str) -> bool:
        """Return whether a completion has the exact layout: `parse` reads an answer, and no other tag is there."""
        return self._strictly(text) is not None

    def _without_copied_opening(self, text: str) -> str:
        start = text.lstrip()
        copied = self.working_opened_by_prompt and start.startswith(self.start_working)
        return start[len(self.start_working) :] if copied else text

    def _strictly(self, text: str) -> str | None:
        if any(count != 1 for count in self.tag_counts(text).values()):
            return None
        if self.working_opened_by_prompt:
            if self.start_working in text:
                return None
        else:
            before, _, text = text.partition(self.start_working)
            if before.strip():
                return None
        _, closed, rest = text.partition(self.end_working)
        between, opened, rest = rest.partition(self.start_answer)
        answer, ended, after = rest.partition(self.end_answer)
        if not (closed and opened and ended) or between.strip() or after.strip():
            return None
        return answer if answer.strip() else None

    def written(self, working: str, answer: str) -> str:
        """Return the completion that has this working and this answer in the layout: what `parse` reads back.

        Args:
            working: Text of the working, without tags.
            answer: Text of the answer, without tags.

        Raises:
            ValueError: The working or the answer holds a tag, or the answer is blank.

        Example:
            >>> AnswerTemplate().written("6 * 7 is 42.", "42")
            '6 * 7 is 42.<end_working_out><SOLUTION>42</SOLUTION>'
        """
        opening = "" if self.working_opened_by_prompt else self.start_working
        text = f"{opening}{working}{self.end_working}{self.start_answer}{answer}{self.end_answer}"
        if self._strictly(text) != answer:
            raise ValueError(f"a completion of answer {answer!r} would be misread: a tag inside, or a blank answer")
        return text

    def answer_of(self, completion: Completion) -> str | None:
        """Return the parsed answer of a completion that the policy ended itself; None for one that was cut."""
        return None if completion.truncated else self.parse(completion.text)


def template_of(reward: RewardModel) -> AnswerTemplate:
    """Return the template that a reward, or a term of a sum, reads answers by; the default one if there is none."""
    templates = [getattr(part.reward, "template", None) for part in reward.components()]
    return next((template for template in templates if isinstance(template, AnswerTemplate)), AnswerTemplate())
