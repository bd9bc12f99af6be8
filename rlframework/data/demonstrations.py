"""Demonstrations as a LightningDataModule: prompts with the completions to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.data.conversations import Said, laid_out, said_in
from rlframework.data.module import PromptDataModule
from rlframework.data.tokenize import BATCH_ROWS
from rlframework.environments.glue import Glue, PlainGlue
from rlframework.prompt import Demonstration, Prompt


class DemonstrationDataModule(PromptDataModule):
    """Feeds `SFT`: rows with a prompt and, in another column, a completion of it.

    Prompts are made as for reinforcement, with the same template, so that what is primed is what is then sampled. The
    completion is tokenised by itself, as it would be sampled after its prompt, and ends with the tokenizer's end
    token. It does not repeat what the prompt ends with: with an `AnswerTemplate` it starts inside the working.

    A completion may be a conversation with tools: a list of messages of the assistant, each with what was sampled as
    its content, and of the tool between them. It is laid out as `EpisodeSampler` does it, token by token.

    Before another data module it makes demonstrations of that one's rows, as `OpenR1Demonstrations` does.

    Raises:
        KeyError: While a run starts: a row lacks the column.
        TypeError: While a run starts: a completion is neither a text nor messages.
        ValueError: While a run starts: a completion is empty or too long, or none is left.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> data = DemonstrationDataModule([{"prompt": "ab", "completion": "b"}])
        >>> [shown] = data.tokenize("train", letter_tokenizer())
        >>> shown.ids, shown.completion_ids  # 1 is the end token
        ([3, 4], [4, 1])

        A conversation, of which the first and the last turn are learned from:

        >>> from rlframework.environments import PlainGlue
        >>> said = [("assistant", "f"), ("tool", "7"), ("assistant", "7")]
        >>> completion = [{"role": role, "content": text} for role, text in said]
        >>> glue = PlainGlue(letter_tokenizer(), before="x", after="y")
        >>> data = DemonstrationDataModule([{"prompt": "ab", "completion": completion}], glue=glue)
        >>> [shown] = data.tokenize("train", letter_tokenizer())
        >>> [(turn.by, turn.text, turn.start, turn.end) for turn in shown.turns]
        [('policy', 'f', 0, 2), ('environment', '7', 2, 5), ('policy', '7', 5, 7)]
    """

    completion_column: str = "completion"
    """Column of the completion: its text, or the messages of a conversation."""
    glue: Glue | None = None
    """What stands between the turns of a conversation; by default as `EpisodeSampler` has it."""
    max_tokens: int | None = None
    """Budget of prompt and completion together; ``too_long`` says what becomes of longer ones."""

    def tokenize(self, split: str, tokenizer: Any) -> Sequence[Prompt]:
        """Return the demonstrations of a split, as token ids.

        Args:
            split: ``"train"`` or ``"validation"``.
            tokenizer: Of the policy.
        """
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no end token, which a completion has to end with; set eos_token")
        prompts = super().tokenize(split, tokenizer)
        glue = self.glue or PlainGlue(tokenizer)
        shown: list[Demonstration] = []
        for start in range(0, len(prompts), BATCH_ROWS):
            part = prompts[start : start + BATCH_ROWS]
            said = [self._said(prompt) for prompt in part]
            texts = [text for text in said if isinstance(text, str)]
            answers = iter(tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
            for prompt, completion in zip(part, said, strict=True):
                if isinstance(completion, str):
                    ids, turns, text = [*next(answers), tokenizer.eos_token_id], [], completion
                else:
                    ids, turns = laid_out(completion, tokenizer, glue)
                    text = completion[-1].text
                shown.append(Demonstration(prompt.ids, prompt.text, prompt.row, prompt.index, ids, text, turns))
        return self._within_budget(shown, split)

    def _said(self, prompt: Prompt) -> str | list[Said]:
        """Return the completion of a row: a text, or the turns of a conversation."""
        completion = prompt.column(self.completion_column)
        if isinstance(completion, str) and completion.strip():
            return completion
        if isinstance(completion, str) or not completion:
            raise ValueError(
                f"row {prompt.index} has {completion!r} in {self.completion_column!r}; expected a completion"
            )
        return said_in(completion, f"row {prompt.index}: {self.completion_column!r}")

    def _within_budget(self, shown: list[Demonstration], split: str) -> list[Demonstration]:
        lengths = [len(one.ids) + len(one.completion_ids) for one in shown]
        kept = [
            one
            for one, length in zip(shown, lengths, strict=True)
            if self.max_tokens is None or length <= self.max_tokens
        ]
        if len(kept) == len(shown):
            return shown
        count = (
            f"{len(shown) - len(kept)} of {len(shown)} {split} demonstrations are longer than "
            f"max_tokens={self.max_tokens}"
        )
        if self.tokenization["too_long"] == "refuse" or not kept:
            raise ValueError(f"{count} (the longest has {max(lengths)}); raise it, or pass too_long='drop'")
        rank_zero_warn(f"{count} and were dropped")
        return kept
