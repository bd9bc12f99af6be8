"""Verdicts become numbers, failures are counted, logged, written down, and stop a run when they are many."""

import csv
import json
from pathlib import Path

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from rlframework.callbacks import RolloutWriter
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.report.evaluation import evaluate
from rlframework.rewards import Judgement, RewardLimits, RewardModel, Verdict, VerifiedReward, Where, optional
from rlframework.rewards.failure_limits import Counts
from rlframework.samplers import BatchedSampler
from rlframework.testing import tiny_policy

NAN = float("nan")


class ByFirstLetter(VerifiedReward):
    """A verdict for each remainder of the first id; `share` of them in a thousand are what `bad` says."""

    def __init__(self, bad, share=1000, **options):
        super().__init__(**options)
        self.bad = bad
        self.share = share
        self.seen = 0

    def verdicts(self, completions):
        found = []
        for row in completions:
            self.seen += 1
            spoiled = self.seen * self.share % 1000 < self.share
            found.append(self.bad if spoiled else (Verdict.CORRECT, Verdict.INCORRECT)[row.ids[0] % 2])
        return found, "it broke" if self.bad in found else ""


def four(verdicts):
    class Fixed(VerifiedReward):
        def verdicts(self, completions):
            return verdicts, "why"

    rows = [Completion(Prompt([1], "?"), [2], "", "stop")] * len(verdicts)
    return Fixed(correct=2.0, incorrect=-1.0, malformed=-2.0), Completions(rows, len(verdicts))


def test_only_three_verdicts_become_numbers():
    reward, completions = four(list(Verdict))
    scores = reward.evaluate(completions)
    torch.testing.assert_close(scores.total, torch.tensor([[2, -1, -2, NAN, NAN]]), equal_nan=True)
    judgement = scores.judgements["fixed"]
    assert judgement.unverifiable.tolist() == [[False, False, False, True, False]]
    assert judgement.errors.tolist() == [[False, False, False, False, True]]
    assert judgement.columns["verdict"] == ["correct", "incorrect", "malformed", "gold_unverifiable", "error"]


def test_a_failed_factor_is_a_failed_product_and_a_failed_term_a_failed_sum():
    reward, completions = four([Verdict.CORRECT, Verdict.ERROR])

    class Two(RewardModel):
        def score(self, completions):
            return torch.full((1, 2), 2.0)

    scores = (reward * Two()).evaluate(completions)
    [judgement] = scores.judgements.values()
    assert judgement.errors.tolist() == [[False, True]]
    assert judgement.detail == "why"
    assert judgement.columns == {"fixed/verdict": ["correct", "error"]}
    torch.testing.assert_close((reward + Two()).evaluate(completions).total, torch.tensor([[4, NAN]]), equal_nan=True)
    for factor, product in ((reward + Two(name="a"), [8, NAN]), (optional(reward) + Two(name="a"), [8.0, 4.0])):
        judgement = (factor * Two()).evaluate(completions).judgements[f"{factor.name}*two"]
        assert judgement.errors.tolist() == [[False, True]]
        torch.testing.assert_close(judgement.scores, torch.tensor([product]), equal_nan=True)


@pytest.mark.parametrize(
    ("judgement", "message"),
    [
        (Judgement(torch.zeros(2), errors=torch.tensor([True, False])), "gave 1 scores where its check failed"),
        (Judgement(torch.zeros(2), errors=torch.tensor([True])), "returned 1 errors of shape"),
        (Judgement(torch.zeros(2), columns={"a": [1]}), "column 'a' of reward 'said' has 1 values for 2 completions"),
        (Judgement(torch.zeros(2), metrics={"m": torch.zeros(3)}), "returned 3 values of 'm'"),
    ],
)
def test_a_judgement_that_does_not_fit_is_refused(judgement, message):
    class Said(RewardModel):
        def score(self, completions):
            return judgement

    with pytest.raises(ValueError, match=message):
        Said().evaluate(four([Verdict.CORRECT] * 2)[1])


def counts(rows, errors=0, unverifiable=0):
    return {"math": Counts(rows, errors, unverifiable, "it broke")}


def test_limits_are_shares_of_many_rows():
    limits = RewardLimits(errors=0.05, unverifiable=0.2)
    limits.refuse(counts(16, errors=2))  # a few hanging rows of a small rollout stop nothing
    limits.refuse(counts(1000, errors=50, unverifiable=200))
    with pytest.raises(
        RuntimeError, match=r"failed to check 51 of the latest 1000 completions \(5.1%; limit 5%\).*it broke"
    ):
        limits.refuse(counts(1000, errors=51))
    with pytest.raises(RuntimeError, match=r"cannot check the expected answer of 201 of the latest 1000"):
        limits.refuse(counts(1000, unverifiable=201))
    with pytest.raises(RuntimeError, match="failed to check 16 of the latest 16"):
        limits.refuse(counts(16, errors=16))
    RewardLimits(errors=1.0, unverifiable=1.0).refuse(counts(1000, unverifiable=1000))
    with pytest.raises(ValueError, match="shares in"):
        RewardLimits(errors=5)


def rollout(failed, size):
    """What a reward says of groups of a size, on so many rows of each of which its check fails."""
    errors = torch.stack([torch.arange(size) < count for count in failed])
    return {"math": Judgement(torch.zeros(errors.shape).masked_fill(errors, NAN), errors=errors, detail="it broke")}


def alone(numbers):
    return numbers


@pytest.mark.parametrize(
    ("failed", "size", "limit"),
    [
        ([3, 0, 1, 4, 2, 0, 1, 1], 8, 0.05),
        ([2, 3, 4, 1, 2, 4, 1, 3], 8, 0.1),
        ([1, 1, 0, 1], 4, 0.05),
        ([4, 4, 4, 4], 4, 0.05),
        ([8], 8, 0.05),
        ([1, 1, 1, 0, 1, 0, 0, 0], 1, 0.05),
        ([1], 1, 0.0),
        ([0, 1, 0, 0], 4, 0.0),
    ],
)
def test_what_is_more_than_chance_stops_a_run_at_its_first_rollout(failed, size, limit):
    rows = len(failed) * size
    with pytest.raises(RuntimeError, match=f"failed to check {sum(failed)} of the latest {rows} completions.*it broke"):
        RewardLimits(errors=limit).observe(rollout(failed, size), alone)


@pytest.mark.parametrize(
    ("failed", "size", "limit"),
    [
        ([0, 1, 0, 0], 4, 0.05),
        ([1, 1, 0, 0], 4, 0.05),
        ([1, 0, 1, 2, 0, 1, 0, 1], 8, 0.05),
        ([0, 8, 0, 0, 0, 0, 0, 0], 8, 0.05),  # one prompt that a check cannot digest
        ([0, 8, 1, 0, 1, 0, 0, 1], 8, 0.05),
        ([4, 0, 0, 4, 0, 0, 0, 0], 4, 0.05),  # two of them
        ([1, 0, 1, 0, 1, 0, 1, 0], 1, 0.5),
        ([8] * 8, 8, 1.0),
        ([0], 8, 0.0),
    ],
)
def test_what_chance_or_a_prompt_brings_stops_nothing(failed, size, limit):
    RewardLimits(errors=limit).observe(rollout(failed, size), alone)


@pytest.mark.parametrize(
    ("failed", "size"), [([3, 2, 1, 4, 2, 0, 1, 1], 8), ([8] * 8, 8), ([2, 1, 2, 1], 4), ([2, 1] * 32, 8)]
)
def test_a_late_rollout_is_limited_by_itself(failed, size):
    limits = RewardLimits()
    for _ in range(40):
        limits.observe(rollout([0] * 8, 8), alone)
    message = f"failed to check {sum(failed)} of the {len(failed) * size} completions of a rollout.*it broke"
    with pytest.raises(RuntimeError, match=message):
        limits.observe(rollout(failed, size), alone)


def test_a_reward_that_fails_within_its_limit_runs_on():
    """Two rows in a hundred for ever, and now and then all rows of a prompt: the limit is 5 % of the latest."""
    draws = torch.Generator().manual_seed(0)
    limits = RewardLimits()
    for number in range(400):
        flags = torch.rand(8, 8, generator=draws) < 0.02
        flags[0] |= number % 20 == 0
        judgement = Judgement(torch.zeros(8, 8).masked_fill(flags, NAN), errors=flags)
        limits.observe({"math": judgement}, lambda numbers: numbers)


def test_a_rollout_above_the_limit_is_not_learned_from(grpo, fit):
    """A quarter of the checks of the very first rollout fails: not one step is taken."""
    algorithm = grpo(reward=ByFirstLetter(Verdict.ERROR, share=250), validation={})
    before = {name: weight.clone() for name, weight in algorithm.policy.named_parameters()}
    with pytest.raises(RuntimeError, match="failed to check 4 of the latest 16"):
        fit(algorithm)
    assert algorithm.trainer.global_step == 0
    assert all(torch.equal(weight, before[name]) for name, weight in algorithm.policy.named_parameters())


def test_a_rare_tasks_failures_are_a_share_of_its_own_rows():
    """Half of the checks of a tenth of the rows fail: one in twenty of all rows, and still every second one."""
    rows = [Completion(Prompt([1], "?", {"task": "rare" if n < 8 else "often"}, n), [n], "", "stop") for n in range(80)]
    reward = Where(ByFirstLetter(Verdict.ERROR, share=500, name="judge"), "task", "rare")
    judgements = reward.evaluate(Completions(rows, 1)).judgements
    with pytest.raises(RuntimeError, match="'judge_rare' failed to check 4 of the latest 8 completions"):
        RewardLimits().observe(judgements, lambda numbers: numbers)


def observed(limits, rows, errors):
    flags = torch.arange(rows) < errors
    judgement = Judgement(torch.zeros(rows).masked_fill(flags, NAN), errors=flags, detail="it broke")
    limits.observe({"math": judgement}, lambda numbers: numbers)


def test_rows_add_up_over_rollouts_and_old_ones_are_forgotten():
    limits = RewardLimits(errors=0.05, window_rows=512)
    for _ in range(3):
        observed(limits, 64, errors=4)  # each of them no more than chance brings
    with pytest.raises(RuntimeError, match="failed to check 16 of the latest 256"):
        observed(limits, 64, errors=4)
    limits = RewardLimits(errors=0.05, window_rows=512)
    for rollout in range(40):
        observed(limits, 256, errors=12 if rollout % 2 else 0)


def test_all_ranks_count():
    flags = torch.arange(64) < 10
    judgement = Judgement(torch.zeros(64).masked_fill(flags, NAN), errors=flags)
    with pytest.raises(RuntimeError, match="failed to check 20 of the latest 128"):
        RewardLimits().observe({"math": judgement}, lambda numbers: 2 * numbers)


def test_a_run_logs_and_writes_what_it_could_not_check(grpo, fit, tmp_path):
    reward = ByFirstLetter(Verdict.ERROR, share=125, name="maths")
    trainer = fit(
        grpo(reward=reward, validation={}, reward_limits=RewardLimits(errors=0.5)),
        logger=CSVLogger(tmp_path),
        callbacks=[RolloutWriter()],
    )
    with (Path(trainer.log_dir) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train/judgement/maths/errors"]) for row in rows] == [0.125] * 4
    assert [float(row["train/judgement/maths/abstained"]) for row in rows] == [0.125] * 4
    records = [json.loads(line) for line in (Path(trainer.log_dir) / "rollouts.jsonl").read_text().splitlines()]
    verdicts = [record["details"]["maths"]["verdict"] for record in records]
    assert verdicts.count("error") == 8
    assert all(
        (record["reward"] is None) == (verdict == "error") for record, verdict in zip(records, verdicts, strict=True)
    )


def test_figures_of_a_reward_are_logged(grpo, fit, tmp_path):
    class Measured(RewardModel):
        def score(self, completions):
            lengths = torch.tensor([float(len(row.ids)) for row in completions])
            return Judgement(lengths, metrics={"tokens": lengths.masked_fill(lengths == 1, NAN)})

    trainer = fit(grpo(reward=Measured(), validation={}), max_steps=1, logger=CSVLogger(tmp_path))
    with (Path(trainer.log_dir) / "metrics.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert float(row["train/judgement/measured/tokens"]) >= float(row["train/reward/measured"]) > 1


@pytest.mark.parametrize(
    ("verdict", "message"),
    [(Verdict.ERROR, "failed to check 16 of the latest 16"), (Verdict.GOLD_UNVERIFIABLE, "cannot check the expected")],
)
def test_a_run_whose_checks_fail_stops(grpo, fit, verdict, message):
    class Half(RewardModel):
        """Keeps the total a number, so that it is not all rewards that abstain."""

        def score(self, completions):
            return torch.rand(len(completions))

    with pytest.raises(RuntimeError, match=message):
        fit(
            grpo(reward=ByFirstLetter(verdict) + Half(), prompts_per_rollout=16 if "latest" not in message else 4),
            prompts=64,
        )


def test_validation_says_what_it_leaves_out_and_stops_too(grpo, fit):
    broken = ByFirstLetter(Verdict.ERROR, share=100)
    with pytest.warns(UserWarning, match=r"validation: 'checked' leaves out \d of \d+ completions: \d checks failed"):
        fit(grpo(validation={"checked": broken}), held_out=20)
    with pytest.raises(RuntimeError, match="'checked' failed to check 20 of the latest 20"):
        fit(grpo(validation={"checked": ByFirstLetter(Verdict.ERROR)}), held_out=20)


def test_validation_limits_each_component_by_itself(grpo, fit):
    """Beside three that never fail, one that fails on every sixth row is no smaller a fault."""
    sound = [ByFirstLetter(Verdict.ERROR, share=0, name=name) for name in "abc"]
    broken = ByFirstLetter(Verdict.ERROR, share=170, name="broken")
    with pytest.raises(RuntimeError, match="'all/broken' failed to check 13 of the latest 80"):
        fit(grpo(validation={"all": sum([*sound[1:], optional(broken)], start=sound[0])}), held_out=80)


def test_a_comparison_does_not_rest_on_failed_checks():
    policy = tiny_policy()
    prompts = [Prompt([1, 2], "?", index=index) for index in range(8)]
    sampler = BatchedSampler(group_size=1, max_tokens=2)
    with pytest.raises(RuntimeError, match="failed to check 8 of the latest 8"):
        evaluate("base", policy, prompts, sampler, {"accuracy": ByFirstLetter(Verdict.ERROR)})
    with pytest.warns(
        UserWarning, match="base: 'accuracy' leaves out 2 of 8|base: 'by_first_letter' leaves out 2 of 8"
    ):
        found = evaluate("base", policy, prompts, sampler, {"accuracy": ByFirstLetter(Verdict.ERROR, share=250)})
    assert int(found.scores["accuracy"].isnan().sum()) == 2


def test_two_measures_of_one_reward_do_not_cover_each_other():
    measures = {
        "broken": ByFirstLetter(Verdict.ERROR, name="judge"),
        "sound": ByFirstLetter(Verdict.ERROR, share=0, name="judge"),
    }
    prompts = [Prompt([1, 2], "?", index=index) for index in range(8)]
    with pytest.raises(RuntimeError, match="'broken' failed to check 8 of the latest 8"):
        evaluate("base", tiny_policy(), prompts, BatchedSampler(group_size=1, max_tokens=2), measures)
