"""GRPO here against TRL's GRPOTrainer, run live: the same model, prompts, completions and rewards give the same numbers.

Every case is trained twice on both sides: along the gradient itself (SGD, no clipping), where rounding stays as small as it
is, and as people train, with AdamW and clipping. Both follow the linear schedule and accumulate two minibatches.

The bounds are those of float32 and stand well above the worst errors measured on x86 (in brackets). A planted fault - a
biased standard deviation, the other sign of the KL, accumulation counted twice - is off by thousands of times as much.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from rlframework.testing import letter_tokenizer
from tests.trl_runs import ACCUMULATE, LEARNING_RATES, MAX_TOKENS, STEPS, Case, Run, train_ours, train_trl


def quality(prompt: str, ids: list[int]) -> float:
    return sum(ids) % 7 / 3


def brevity(prompt: str, ids: list[int]) -> float | None:
    """Judge every other completion, so that totals lack a component here and there."""
    return None if len(ids) % 2 else 1 / len(ids)


def indifferent(prompt: str, ids: list[int]) -> float:
    """Give all answers to half of the prompts the same reward."""
    return 1.0 if prompt[0] in "aceg" else quality(prompt, ids)


def abstaining(prompt: str, ids: list[int]) -> float | None:
    """Leave one prompt and about a quarter of the other rows without any reward."""
    return None if prompt[0] == "d" or sum(ids) % 4 == 0 else quality(prompt, ids)


TWO = ((quality, 1.0), (brevity, 0.5))
CASES = {
    "on_policy": Case(TWO),
    "two_passes": Case(TWO, passes=2),
    "two_steps_per_rollout": Case(TWO, minibatches=4),
    "no_kl": Case(TWO, passes=2, beta=0.0),
    "tempered": Case(TWO, passes=2, temperature=0.7),
    "equal_rewards": Case(((indifferent, 1.0),)),
    "abstentions": Case(((abstaining, 1.0),)),
    "warmup_and_decay": Case(TWO, warmup=2, weight_decay=0.1),
}
OFF_POLICY = [name for name, case in CASES.items() if case.passes * case.minibatches > ACCUMULATE]


class Pair(NamedTuple):
    ours: Run
    theirs: Run


def train_both(case: Case, optimizer: str, folder: Path) -> Pair:
    """Train with ``"adamw"``, gradients clipped to norm 1, or with ``"sgd"``, gradients as they are."""
    with quiet(), pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        if case.minibatches > ACCUMULATE:
            # TRL shuffles the rows of a rollout before it cuts them into slices. That is invisible while one optimizer
            # step takes all slices; here it would decide which rows share a step.
            patch.setattr("trl.trainer.grpo_trainer.shuffle_sequence_dict", lambda batch: batch)
        ours = train_ours(case, optimizer, folder)
        return Pair(ours, train_trl(case, optimizer, folder, sum(ours.prompts, [])))


@contextmanager
def quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(before)
        enable_progress_bar()


def save_model(folder: Path) -> None:
    """Save a tiny Qwen3: TRL loads its reference from where the policy came from."""
    tokenizer = letter_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        initializer_range=0.2,
        attention_dropout=0.0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen3ForCausalLM(config).save_pretrained(folder)



every_case = pytest.mark.parametrize("case", CASES)
both_optimizers = pytest.mark.parametrize("optimizer", LEARNING_RATES)
