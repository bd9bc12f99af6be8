"""Demonstrations as a LightningDataModule: prompts with the completions to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.data.module import PromptDataModule
from rlframework.data.tokenize import BATCH_ROWS
from rlframework.prompt import Demonstration, Prompt


class DemonstrationDataModule(PromptDataModule):
    """Feeds `SFT`: rows with a prompt and, in another column, a completion of it.

    Prompts are made as for reinforcement, with the same template, so that what is primed is what is then sampled. The
    completion is tokenised by itself, as it would be sampled after its prompt, and ends with the tokenizer's end
    token. It does not repeat what the prompt ends with: with an `AnswerTemplate` it starts inside the working.

    Before another data module it makes demonstrations of that one's rows, as `OpenR1Demonstrations` does.

    Raises:
        KeyError: While a run starts: a row lacks the column.
        ValueError: While a run starts: a completion is empty or too long, or none is left.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> data = DemonstrationDataModule([{"prompt": "ab", "completion": "b"}])
        >>> [shown] = data.tokenize("train", letter_tokenizer())
        >>> shown.ids, shown.completion_ids  # 1 is the end token
        ([3, 4], [4, 1])
    """

    completion_column: str = "completion"
    """Column of the completion's text."""
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
        shown: list[Demonstration] = []
        for start in range(0, len(prompts), BATCH_ROWS):
            part = prompts[start : start + BATCH_ROWS]
            texts = [self._completion(prompt) for prompt in part]
            ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
            shown += [
                Demonstration(prompt.ids, prompt.text, prompt.row, prompt.index, [*row, tokenizer.eos_token_id], text)
                for prompt, row, text in zip(part, ids, texts, strict=True)
            ]
        return self._within_budget(shown, split)

    def _completion(self, prompt: Prompt) -> str:
        text = prompt.column(self.completion_column)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"row {prompt.index} has {text!r} in {self.completion_column!r}; expected a completion")
        return text

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
