"""From rows of data to prompts: chat template, ids, and what to do with those that are too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from transformers import PreTrainedTokenizerBase

from rlframework.prompt import Prompt

TooLong = Literal["refuse", "drop"]
Message = dict[str, str]

# Rows that go through the tokenizer in one call, which a fast tokenizer shares out over the cores.
BATCH_ROWS = 1000


def tokenize_rows(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    prompt_column: str = "prompt",
    system_prompt: str | None = None,
    generation_prompt: str = "",
    max_prompt_tokens: int | None = None,
    too_long: TooLong = "refuse",
    max_prompt_quantile: float | None = None,
    examples: Sequence[tuple[str, str]] = (),
    request: str | None = None,
) -> list[Prompt]:
    """Render and tokenise the prompt of every row.

    A prompt that is a list of chat messages goes through the tokenizer's chat template, and so does a string with a
    ``system_prompt``, ``examples`` or a ``request``, as the user's message. A string without them is taken as it is.

    Args:
        rows: Mappings from column to value.
        tokenizer: Of the policy.
        prompt_column: Where the prompt is.
        system_prompt: Opens every conversation that does not open with a system message of its own.
        generation_prompt: What a chat prompt has to end with; appended where the chat template does not end so.
        max_prompt_tokens: Budget of a prompt, chat template included.
        too_long: ``"refuse"`` raises on a prompt above the budget, ``"drop"`` leaves it out and says how many.
        max_prompt_quantile: Leaves out, before the budget is looked at, the prompts longer than this quantile of all
            lengths, and says how many and what the quantile is; 0.9 leaves out about the longest tenth.
        examples: Questions and their answers, as turns of the conversation before every prompt (few-shot).
        request: A line behind every question, those of the examples included.

    Raises:
        KeyError: A row without the prompt column.
        TypeError: A row that is no mapping, as when a whole DatasetDict is passed.
        ValueError: A chat prompt for a tokenizer without chat template, a prompt that is too long, or none left.
    """
    opening = _opening(system_prompt, examples, request)
    prompts = list(_prompts(rows, tokenizer, prompt_column, opening, request, generation_prompt))
    if not prompts:
        raise ValueError("the data set is empty")
    if max_prompt_quantile is not None:
        prompts = _within_quantile(prompts, max_prompt_quantile)
    return _within_budget(prompts, max_prompt_tokens, too_long)


def _prompts(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    prompt_column: str,
    opening: list[Message],
    request: str | None,
    generation_prompt: str,
) -> Iterator[Prompt]:
    numbered = enumerate(rows)
    # Prompts of a data set repeat few ids many times: one object for each id takes a quarter of the memory.
    shared: dict[int, int] = {}
    while batch := list(islice(numbered, BATCH_ROWS)):
        texts, chats = [], []
        for index, row in batch:
            prompt = _prompt_of(row, index, prompt_column)
            chat = bool(opening) or request is not None or not isinstance(prompt, str)
            text = _render(prompt, tokenizer, opening, request) if chat else prompt
            texts.append(text + generation_prompt if chat and not text.endswith(generation_prompt) else text)
            chats.append(chat)
        for (index, row), text, ids in zip(batch, texts, _ids(texts, chats, tokenizer), strict=True):
            yield Prompt([shared.setdefault(token, token) for token in ids], text, dict(row), index)


def _prompt_of(row: Any, index: int, prompt_column: str) -> Any:
    if not isinstance(row, Mapping):
        raise TypeError(f"row {index} is a {type(row).__name__}, not a mapping; of a DatasetDict pass one split")
    if prompt_column not in row:
        raise KeyError(f"row {index} has no column {prompt_column!r}; its columns are: {', '.join(sorted(row))}")
    return row[prompt_column]


def _ids(texts: list[str], chats: list[bool], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Tokenise; a chat template has written its special tokens itself, a plain text gets the tokenizer's own."""
    ids: list[list[int]] = [[]] * len(texts)
    for kind in (True, False):
        places = [place for place, chat in enumerate(chats) if chat is kind]
        if places:
            found = tokenizer([texts[place] for place in places], add_special_tokens=not kind)["input_ids"]
            for place, row in zip(places, found, strict=True):
                ids[place] = row
    return ids


def _opening(system_prompt: str | None, examples: Sequence[tuple[str, str]], request: str | None) -> list[Message]:
    """Return the turns that open every conversation."""
    opening = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
    for question, answer in examples:
        opening += [_question(question, request), {"role": "assistant", "content": answer}]
    return opening


def _question(text: str, request: str | None) -> Message:
    return {"role": "user", "content": text if request is None else f"{text}\n{request}"}


def _render(prompt: Any, tokenizer: PreTrainedTokenizerBase, opening: list[Message], request: str | None) -> str:
    if tokenizer.chat_template is None:
        raise ValueError(
            "the prompts are chats (messages, a system_prompt, examples or a request) and the tokenizer has no chat "
            "template; set tokenizer.chat_template, say with rlframework.data.set_structured_chat_template, or "
            "pass plain strings without any of them"
        )
    messages = [_question(prompt, request)] if isinstance(prompt, str) else list(prompt)
    if not messages:
        raise ValueError("a chat prompt has no messages")
    if not isinstance(prompt, str) and messages[-1]["role"] == "user":
        messages[-1] = {**messages[-1], **_question(messages[-1]["content"], request)}
    if messages[0]["role"] == "system":
        own, *messages = messages
        opening = [own, *(turn for turn in opening if turn["role"] != "system")]
    messages = [*opening, *messages]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _within_quantile(prompts: list[Prompt], quantile: float) -> list[Prompt]:
    lengths = np.array([len(prompt.ids) for prompt in prompts])
    longest = int(np.quantile(lengths, quantile))
    kept = [prompt for prompt in prompts if len(prompt.ids) <= longest]
    rank_zero_info(
        f"{len(prompts) - len(kept)} of {len(prompts)} prompts are longer than {longest} tokens, which is "
        f"max_prompt_quantile={quantile} of their lengths (the longest has {lengths.max()}), and were left out"
    )
    return kept


def _within_budget(prompts: list[Prompt], budget: int | None, too_long: TooLong) -> list[Prompt]:
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
