"""GRPO here against TRL's GRPOTrainer, run live: same model, prompts, completions and rewards, so same numbers.

Every case is trained twice on both sides: along the gradient itself (SGD, no clipping), where rounding stays as small
as it is, and as people train, with AdamW and clipping. Both follow the linear schedule and accumulate two minibatches.

The bounds are those of float32, several times the worst errors measured (in brackets, on x86). A biased standard
deviation, the other sign of the KL or an accumulation that is not compensated is far outside them.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from rlframework.testing import letter_tokenizer
from tests.trl_runs import ACCUMULATE, GROUP, LEARNING_RATES, MAX_TOKENS, STEPS, Case, Judge, Run, train_ours, train_trl


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
        return Pair(ours, train_trl(case, optimizer, folder, list(chain.from_iterable(ours.prompts))))


@contextmanager
def quiet() -> Iterator[None]:
    bars, level = is_progress_bar_enabled(), logging.root.manager.disable
    logging.disable(logging.WARNING)
    disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(level)
        if bars:
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


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Callable[[str, str], Pair]:
    """Return a function that trains a case on both sides, once."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder)
    return functools.cache(lambda case, optimizer: train_both(CASES[case], optimizer, folder))


def worst(ours: list, theirs: list) -> float:
    """Return the largest difference between two lists of tensors or numbers."""
    assert len(ours) == len(theirs) > 0
    return max(float(torch.as_tensor(a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


def scores(run: Run, judge: Judge) -> torch.Tensor:
    """Return what a judge says of every completion, ``(rollouts, prompts, group)``, NaN for nothing."""
    values = [
        judge(prompts[row // GROUP].text, ids)
        for prompts, completions in zip(run.prompts, run.completions, strict=True)
        for row, ids in enumerate(completions)
    ]
    numbers = [float("nan") if value is None else value for value in values]
    return torch.tensor(numbers).view(len(run.prompts), -1, GROUP)


@every_case
def test_both_sides_read_the_same_tokens(runs, case):
    ours, theirs = runs(case, "sgd")
    assert ours.prompts == theirs.prompts
    assert ours.completions == theirs.completions


def test_the_script_has_every_kind_of_row(runs):
    run = runs("on_policy", "sgd").ours
    assert all(len({len(prompt.ids) for prompt in prompts}) > 1 for prompts in run.prompts), "no left padding"
    rows = list(chain.from_iterable(run.completions))
    eos = letter_tokenizer().eos_token_id
    kinds = {(len(ids) == MAX_TOKENS, ids[-1] == eos) for ids in rows}
    assert kinds == {(False, True), (True, True), (True, False)}


@every_case
def test_advantages(runs, case):
    ours, theirs = runs(case, "sgd")
    assert worst(ours.advantages, theirs.advantages) < 1e-6  # [1.2e-7]


def test_equal_rewards_have_no_advantage(runs):
    run = runs("equal_rewards", "sgd").ours
    rewards = scores(run, indifferent)
    equal = (rewards == rewards[..., :1]).all(-1)
    assert 0 < equal.sum() < equal.numel()
    advantages = torch.stack(run.advantages).view_as(rewards)
    assert (advantages[equal] == 0).all()
    assert (advantages[~equal] != 0).any(-1).all()


def test_abstaining_rows_have_no_advantage(runs):
    run = runs("abstentions", "sgd").ours
    abstained = scores(run, abstaining).isnan()
    assert abstained.all(-1).any(), "no prompt without any reward"
    assert (abstained.any(-1) & ~abstained.all(-1)).any(), "no group with some rewards"
    advantages = torch.stack(run.advantages).view_as(abstained)
    assert (advantages[abstained] == 0).all()
    assert (advantages[~abstained] != 0).any()


@both_optimizers
@every_case
def test_loss_of_every_step(runs, case, optimizer):
    ours, theirs = runs(case, optimizer)
    assert len(ours.losses) == STEPS
    assert worst(ours.losses, theirs.losses) < 2e-6  # [3e-7]


@every_case
def test_gradient_of_every_weight_at_every_step(runs, case):
    ours, theirs = runs(case, "sgd")
    assert len(ours.gradients) == len(theirs.gradients) == STEPS
    for mine, other in zip(ours.gradients, theirs.gradients, strict=True):
        assert mine.keys() == other.keys()
        errors = {name: float((mine[name] - other[name]).norm() / other[name].norm()) for name in other}
        assert max(errors.values()) < 5e-5, errors  # [4e-6]


@every_case
def test_weights_after_steps_along_the_gradient(runs, case):
    ours, theirs = runs(case, "sgd")
    assert ours.weights.keys() == theirs.weights.keys()
    assert worst(list(ours.weights.values()), list(theirs.weights.values())) < 1e-6  # [1.2e-7]


@every_case
def test_weights_after_steps_of_adamw(runs, case):
    """AdamW divides by the gradient's own size, so where that is rounding, a step of the learning rate is too."""
    ours, theirs = runs(case, "adamw")
    errors = torch.cat([(ours.weights[name] - theirs.weights[name]).abs().flatten() for name in theirs.weights])
    assert errors.quantile(0.999) < 5e-6  # [3e-7]
    assert errors.max() < LEARNING_RATES["adamw"] / 4  # [6.5e-5]


def test_steps_of_adamw_are_clipped(runs):
    norms = [step["train/grad_norm"] for step in runs("two_passes", "adamw").ours.metrics]
    assert max(norms) > 1 > min(norms)


@both_optimizers
@pytest.mark.parametrize("case", OFF_POLICY)
def test_ratios_are_clipped_off_policy(runs, case, optimizer):
    second = [step for step in runs(case, optimizer).ours.metrics if "train/reward" not in step]
    assert len(second) == STEPS // 2
    assert all(step["train/clip_fraction_low"] + step["train/clip_fraction_high"] > 0 for step in second)
    assert sum(step["train/clip_fraction_low"] for step in second) > 0
    assert sum(step["train/clip_fraction_high"] for step in second) > 0


SAME_METRICS = {
    "train/reward": "reward",
    "train/reward/quality": "rewards/quality/mean",
    "train/reward/brevity": "rewards/brevity/mean",
    "train/zero_std_groups": "frac_reward_zero_std",
    "train/completion_length": "completions/mean_length",
    "train/truncated": "completions/clipped_ratio",
    "train/entropy": "entropy",
    "train/kl": "kl",
    "train/clip_fraction_low": "clip_ratio/low_mean",
    "train/clip_fraction_high": "clip_ratio/high_mean",
    "train/grad_norm": "grad_norm",
}


@both_optimizers
@every_case
def test_metrics_of_one_meaning(runs, case, optimizer):
    ours, theirs = runs(case, optimizer)
    assert len(ours.metrics) == len(theirs.metrics) == STEPS
    for mine, other in zip(ours.metrics, theirs.metrics, strict=True):
        logged = {name: mine[name] for name in SAME_METRICS if name in mine}
        expected = {name: other[theirs] for name, theirs in SAME_METRICS.items() if theirs in other}
        if case == "abstentions":
            # A group without any reward has no spread for us, and an unknown one for TRL.
            del logged["train/zero_std_groups"], expected["train/zero_std_groups"]
        assert logged == pytest.approx(expected, rel=1e-5, abs=1e-5)  # [3e-6]
