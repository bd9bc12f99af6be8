"""Small real parts for tests and examples: a tokenizer, a policy of a few thousand weights, and prompts."""

from __future__ import annotations

import string
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.prompt import Prompt


def letter_tokenizer(letters: str = string.ascii_lowercase + string.digits) -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token for each letter, behind a pad token, an end token and one for the unknown.

    Args:
        letters: By default the letters from a to z, and the digits.

    Example:
        >>> tokenizer = letter_tokenizer()
        >>> tokenizer.decode(tokenizer("abc")["input_ids"])
        'abc'
    """
    symbols = ["<pad>", "<eos>", "<unk>", *letters]
    tokenizer = Tokenizer(models.WordLevel({symbol: i for i, symbol in enumerate(symbols)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    words = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    # Else transformers 4 adds token types, which no decoder takes.
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **words)


def tiny_qwen3(seed: int = 0, **sizes: Any) -> Qwen3ForCausalLM:
    """Return a randomly initialised Qwen3 for `letter_tokenizer`, the same for the same seed.

    Args:
        seed: Of the weights.
        **sizes: Of `Qwen3Config`, other than those of a model of one layer and a few thousand weights.

    Example:
        >>> tiny_qwen3(hidden_size=64, num_hidden_layers=2).config.num_hidden_layers
        2
    """
    tokenizer = letter_tokenizer()
    config = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(Qwen3Config(**{**config, **sizes}))


def tiny_policy(seed: int = 0) -> CausalLMPolicy:
    """Return `tiny_qwen3` as a policy, the same for the same seed."""
    return CausalLMPolicy(tiny_qwen3(seed), letter_tokenizer())


def letter_rows(n: int) -> list[dict[str, str]]:
    """Return ``n`` rows whose prompts are letters, of ragged lengths, and whose answer is the first of them."""
    letters = string.ascii_lowercase
    prompts = [(letters[i % 26] + letters[i // 26 % 26]) * (1 + i % 3) for i in range(n)]
    return [{"prompt": prompt, "answer": prompt[0]} for prompt in prompts]


def letter_prompts(n: int) -> list[Prompt]:
    """Return the rows of `letter_rows`, tokenised."""
    tokenizer = letter_tokenizer()
    return [
        Prompt(tokenizer(row["prompt"])["input_ids"], row["prompt"], dict(row), index)
        for index, row in enumerate(letter_rows(n))
    ]
