"""From rows of data to prompts: chat template, ids, and what to do with those that are too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from transformers import PreTrainedTokenizerBase

from rlframework.prompt import Prompt

TooLong = Literal["refuse", "drop"]


def tokenize_rows(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    prompt_column: str = "prompt",
    system_prompt: str | None = None,
    generation_prompt: str = "",
    max_prompt_tokens: int | None = None,
    too_long: TooLong = "refuse",
) -> list[Prompt]:
    """Render and tokenise the prompt of every row.

    A prompt that is a list of chat messages goes through the tokenizer's chat template, and so does a string with a
    ``system_prompt``, as the user's message behind it. A string without one is taken as it is.

    Args:
        rows: Mappings from column to value.
        tokenizer: Of the policy.
        prompt_column: Where the prompt is.
        system_prompt: Opens every conversation that does not open with a system message of its own.
        generation_prompt: What a chat prompt has to end with; appended where the chat template does not end so.
        max_prompt_tokens: Budget of a prompt, chat template included.
        too_long: ``"refuse"`` raises on a prompt above the budget, ``"drop"`` leaves it out and says how many.

    Raises:
        KeyError: A row without the prompt column.
        TypeError: A row that is no mapping, as when a whole DatasetDict is passed.
        ValueError: A chat prompt for a tokenizer without chat template, a prompt that is too long, or none left.
    """
    prompts = []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {index} is a {type(row).__name__}, not a mapping; of a DatasetDict pass one split")
        if prompt_column not in row:
            raise KeyError(f"row {index} has no column {prompt_column!r}; its columns are: {', '.join(sorted(row))}")
        text = _render(row[prompt_column], tokenizer, system_prompt)
        if _is_chat(row[prompt_column], system_prompt) and not text.endswith(generation_prompt):
            text += generation_prompt
        ids = tokenizer(text, add_special_tokens=not _is_chat(row[prompt_column], system_prompt))["input_ids"]
        prompts.append(Prompt(list(ids), text, dict(row), index))
    return _within_budget(prompts, max_prompt_tokens, too_long)


def _is_chat(prompt: Any, system_prompt: str | None) -> bool:
    return system_prompt is not None or not isinstance(prompt, str)


def _render(prompt: Any, tokenizer: PreTrainedTokenizerBase, system_prompt: str | None) -> str:
    if not _is_chat(prompt, system_prompt):
        return prompt
    if tokenizer.chat_template is None:
        raise ValueError(
            "the prompts are chats (messages, or a system_prompt) and the tokenizer has no chat template; set "
            "tokenizer.chat_template, or pass plain strings without system_prompt"
        )
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if not messages:
        raise ValueError("a chat prompt has no messages")
    if system_prompt is not None and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system_prompt}, *messages]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _within_budget(prompts: list[Prompt], budget: int | None, too_long: TooLong) -> list[Prompt]:
    if not prompts:
        raise ValueError("the data set is empty")
    long = [prompt for prompt in prompts if budget is not None and len(prompt.ids) > budget]
    if not long:
        return prompts
    longest = max(long, key=lambda prompt: len(prompt.ids))
    count = f"{len(long)} of {len(prompts)} prompts are longer than max_prompt_tokens={budget}"
    if too_long == "refuse" or len(long) == len(prompts):
        raise ValueError(
            f"{count} (the longest, row {longest.index}, has {len(longest.ids)}); raise the budget or pass "
            "too_long='drop'"
        )
    rank_zero_warn(f"{count} and were dropped")
    return [prompt for prompt in prompts if len(prompt.ids) <= (budget or 0)]
