"""GRPO here against TRL's GRPOTrainer, run live: same model, prompts, completions and rewards, so same numbers.

Every case is trained twice on both sides: along the gradient itself (SGD, no clipping), where rounding stays as small
as it is, and as people train, with AdamW and clipping. Both follow the linear schedule and accumulate two minibatches.

The bounds are those of float32, several times the worst errors measured (in brackets, on x86). A biased standard
deviation, the other sign of the KL or an accumulation that is not compensated is far outside them.
"""

from itertools import chain

import pytest
import torch

from rlframework.testing import letter_tokenizer
from tests.drawn import drawn
from tests.trl.compare import SAME_METRICS, train_both, weight_errors
from tests.trl.runs import (
    GROUP,
    LEARNING_RATES,
    MAX_TOKENS,
    TWO,
    Case,
    Judge,
    Run,
    abstaining,
    indifferent,
)

STEPS = 5


def case(rewards=TWO, slices: int = 1, passes: int = 1, beta: float = 0.04, **fields) -> Case:
    """Return GRPO's case. TRL may shuffle the rows where one optimizer step takes all slices: nobody can tell."""
    return Case(
        ours=lambda: {"kl_coefficient": beta},
        theirs={"loss_type": "grpo", "beta": beta, "use_bias_correction_kl": False},
        rewards=rewards,
        accumulate=2,
        slices=slices,
        passes=passes,
        steps=STEPS,
        shuffled=slices == 1,
        **fields,
    )


CASES = {
    "on_policy": case(),
    "two_passes": case(passes=2),
    "two_steps_per_rollout": case(slices=2),
    "no_kl": case(passes=2, beta=0.0),
    "tempered": case(passes=2, temperature=0.7),
    "equal_rewards": case(((indifferent, 1.0),)),
    "abstentions": case(((abstaining, 1.0),)),
    "warmup_and_decay": case(warmup=2, weight_decay=0.1),
    "lora": case(passes=2, lora=True),
}
OFF_POLICY = [name for name, one in CASES.items() if one.passes * one.slices > 1]


def runs(name: str, optimizer: str):
    return train_both(CASES[name], optimizer)


# What the matrix has too, with each algorithm, is left to make test-long.
every_case = pytest.mark.parametrize(
    "case", drawn(list(CASES), {"on_policy", "two_passes", "abstentions", "warmup_and_decay", "lora"})
)
both_optimizers = pytest.mark.parametrize("optimizer", drawn(list(LEARNING_RATES), ["sgd"]))


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
def test_both_sides_read_the_same_tokens(case):
    ours, theirs = runs(case, "sgd")
    assert ours.prompts == theirs.prompts
    assert ours.completions == theirs.completions


def test_the_script_has_every_kind_of_row():
    run = runs("on_policy", "sgd").ours
    assert all(len({len(prompt.ids) for prompt in prompts}) > 1 for prompts in run.prompts), "no left padding"
    rows = list(chain.from_iterable(run.completions))
    eos = letter_tokenizer().eos_token_id
    kinds = {(len(ids) == MAX_TOKENS, ids[-1] == eos) for ids in rows}
    assert kinds == {(False, True), (True, True), (True, False)}


@every_case
def test_advantages(case):
    ours, theirs = runs(case, "sgd")
    assert worst(ours.advantages, theirs.advantages) < 1e-6  # [1.2e-7]


def test_equal_rewards_have_no_advantage():
    run = runs("equal_rewards", "sgd").ours
    rewards = scores(run, indifferent)
    equal = (rewards == rewards[..., :1]).all(-1)
    assert 0 < equal.sum() < equal.numel()
    advantages = torch.stack(run.advantages).view_as(rewards)
    assert (advantages[equal] == 0).all()
    assert (advantages[~equal] != 0).any(-1).all()


def test_abstaining_rows_have_no_advantage():
    run = runs("abstentions", "sgd").ours
    abstained = scores(run, abstaining).isnan()
    assert abstained.all(-1).any(), "no prompt without any reward"
    assert (abstained.any(-1) & ~abstained.all(-1)).any(), "no group with some rewards"
    advantages = torch.stack(run.advantages).view_as(abstained)
    assert (advantages[abstained] == 0).all()
    assert (advantages[~abstained] != 0).any()


@both_optimizers
@every_case
def test_loss_of_every_step(case, optimizer):
    ours, theirs = runs(case, optimizer)
    assert len(ours.losses) == STEPS
    assert worst(ours.losses, theirs.losses) < 2e-6  # [3e-7]


@every_case
def test_gradient_of_every_weight_at_every_step(case):
    ours, theirs = runs(case, "sgd")
    assert len(ours.gradients) == len(theirs.gradients) == STEPS
    for mine, other in zip(ours.gradients, theirs.gradients, strict=True):
        assert mine.keys() == other.keys()
        errors = {name: float((mine[name] - other[name]).norm() / other[name].norm()) for name in other}
        assert max(errors.values()) < 5e-5, errors  # [4e-6]


@every_case
def test_weights_after_steps_along_the_gradient(case):
    assert weight_errors(runs(case, "sgd")).max() < 1e-6  # [1.2e-7]


@pytest.mark.parametrize("case", drawn(list(CASES), ["on_policy", "two_passes", "lora"]))
def test_weights_after_steps_of_adamw(case):
    """AdamW divides by the gradient's own size, so where that is rounding, a step of the learning rate is too."""
    errors = weight_errors(runs(case, "adamw"))
    assert errors.quantile(0.999) < 5e-6  # [3e-7]
    assert errors.max() < LEARNING_RATES["adamw"] / 4  # [6.5e-5]


def test_steps_of_adamw_are_clipped():
    norms = [step["train/grad_norm"] for step in runs("two_passes", "adamw").ours.metrics]
    assert max(norms) > 1 > min(norms)


@both_optimizers
@pytest.mark.parametrize("case", drawn(OFF_POLICY, ["two_passes", "lora"]))
def test_ratios_are_clipped_off_policy(case, optimizer):
    second = [step for step in runs(case, optimizer).ours.metrics if "train/reward/total" not in step]
    assert len(second) == STEPS // 2
    assert all(step["train/clip_fraction_low"] + step["train/clip_fraction_high"] > 0 for step in second)
    assert sum(step["train/clip_fraction_low"] for step in second) > 0
    assert sum(step["train/clip_fraction_high"] for step in second) > 0


@both_optimizers
@every_case
def test_metrics_of_one_meaning(case, optimizer):
    ours, theirs = runs(case, optimizer)
    assert len(ours.metrics) == len(theirs.metrics) == STEPS
    for mine, other in zip(ours.metrics, theirs.metrics, strict=True):
        logged = {name: mine[name] for name in SAME_METRICS if name in mine}
        expected = {name: other[theirs] for name, theirs in SAME_METRICS.items() if theirs in other}
        if case == "abstentions":
            # A group without any reward has no spread for us, and an unknown one for TRL.
            del logged["train/zero_std_groups"], expected["train/zero_std_groups"]
        assert logged == pytest.approx(expected, rel=1e-5, abs=1e-5)  # [3e-6]
