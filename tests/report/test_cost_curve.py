"""The curve by cost: which steps are measured, and what is counted until then."""

import time

import pytorch_lightning as pl

from rlframework import GRPO, SFT, DemonstrationDataModule, PromptDataModule, SharedPrefixSampler
from rlframework.report import Comparison, CostCurve
from rlframework.rewards import FunctionReward
from rlframework.testing import letter_prompts, letter_rows, tiny_policy

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
SAMPLER = SharedPrefixSampler(group_size=4, max_tokens=6, seed=0)
REWARD = FunctionReward(lambda completion: float("a" in completion))


class SlowMeasure(Comparison):
    """Takes a fifth of a processor second for a row."""

    def add(self, *row):
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        return super().add(*row)


class Batches(pl.Callback):
    """The tokens of every batch, prompts once for their groups."""

    def __init__(self):
        self.read = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        rows = batch.completion_mask.sum(1) + batch.prompt_mask.sum(1)
        shared = batch.prompt_mask.sum(1)[batch.group.diff(prepend=batch.group[:1] - 1) == 0]
        self.read.append(int(rows.sum() - shared.sum()))


def comparison(kind=Comparison):
    return kind(letter_prompts(3), SAMPLER.for_evaluation(), {"a": REWARD})


def supervised(policy, **options):
    data = DemonstrationDataModule([{"prompt": "abc", "completion": "ab"}] * 24)
    return SFT(policy, demonstrations_per_step=2, learning_rate=1e-2, **options), data


def fit(learner, data, steps, *callbacks, **flags):
    pl.Trainer(max_steps=steps, callbacks=[*callbacks], **QUIET, **flags).fit(learner, data)


def test_powers_of_two_and_the_last_step_are_measured_in_every_comparison():
    policy, both = tiny_policy(), [comparison(), comparison()]
    curve = CostCurve(both, policy)
    fit(*supervised(policy), 7, curve)
    assert [point.step for point in curve.spent] == [0, 1, 2, 4, 7]
    assert [[row.name for row in each.rows] for each in both] == [[f"step {step}" for step in (0, 1, 2, 4, 7)]] * 2


def test_a_row_is_of_the_policy_as_it_was_then():
    policy, rows = tiny_policy(), comparison()
    curve = CostCurve([rows], policy)
    fit(*supervised(policy), 8, curve)
    afterwards = comparison().add("afterwards", policy)
    texts = [[row.text for row in each.completions] for each in (rows.rows[0], rows.rows[-1], afterwards)]
    assert texts[1] == texts[2] != texts[0]


def test_supervised_tokens_count_three_times_and_a_step_counts_once_however_it_is_accumulated():
    policy = tiny_policy()
    curve = CostCurve([comparison()], policy)
    fit(*supervised(policy), 3, curve, accumulate_grad_batches=2)
    # Two rows of three letters, two more, and the end.
    assert [(point.step, point.tokens) for point in curve.spent] == [(0, 0), (1, 36), (2, 72), (3, 108)]


def test_sampled_tokens_count_four_times_and_a_prompt_once_for_its_group():
    policy, batches = tiny_policy(), Batches()
    curve = CostCurve([comparison()], policy)
    learner = GRPO(policy, REWARD, SAMPLER, prompts_per_rollout=2, minibatches_per_rollout=2, learning_rate=1e-3)
    fit(learner, PromptDataModule(letter_rows(8)), 4, curve, batches)
    assert [point.tokens for point in curve.spent] == [4 * sum(batches.read[: point.step]) for point in curve.spent]


def test_the_curve_goes_on_over_a_second_run():
    policy = tiny_policy()
    curve = CostCurve([comparison()], policy)
    fit(*supervised(policy), 3, curve)
    learner = GRPO(policy, REWARD, SAMPLER, prompts_per_rollout=2, learning_rate=1e-3)
    fit(learner, PromptDataModule(letter_rows(8)), 2, curve)
    assert [point.step for point in curve.spent] == [0, 1, 2, 3, 4, 5]
    assert [point.tokens for point in curve.spent] == sorted(point.tokens for point in curve.spent)


def test_seconds_are_those_of_learning_and_not_of_measuring():
    policy = tiny_policy()
    curve = CostCurve([comparison(SlowMeasure)], policy)
    started = time.process_time()
    fit(*supervised(policy), 8, curve)
    assert 0 < curve.spent[-1].seconds < time.process_time() - started - 3 * 0.2
