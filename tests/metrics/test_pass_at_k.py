"""pass@k, maj@k, the bounds of an accuracy and a paired difference, by hand and in a run."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from statistics import fmean

import pytest
import torch

from rlframework.algorithms import GRPO
from rlframework.completions import Completion, Completions
from rlframework.metrics import MajorityAtK, MeanScore, PairedBootstrap, PassAtK, ScoreMetric, ShareBound
from rlframework.prompt import Prompt
from rlframework.rewards import CorrectAnswer, RowReward
from rlframework.samplers import BatchedSampler
from rlframework.utilities.words import made_of


class Right(RowReward):
    """1 for the answer that the prompt expects; counts what it was asked."""

    asked = 0

    def score_row(self, completion: Completion) -> float | None:
        self.asked += 1
        return None if completion.text == "?" else float(completion.text == completion.prompt.text)


def groups(*texts: str) -> Completions:
    """Return a prompt for each text, whose expected answer is the first letter, and whose answers are the others."""
    rows = [Completion(Prompt([1], text[0]), [2], letter, "stop") for text in texts for letter in text[1:]]
    return Completions(rows, len(texts[0]) - 1)


def test_pass_at_k_is_the_mean_over_every_choice_of_k() -> None:
    metric, texts = PassAtK(Right(), k=2), ("abcad", "bbbbb", "cxxxx", "ddxxx")
    for text in texts:
        metric.update(groups(text))
    chosen = [fmean(text[0] in "".join(pair) for pair in combinations(text[1:], 2)) for text in texts]
    assert metric.compute().item() == pytest.approx(fmean(chosen))


def test_prompts_with_too_few_judged_are_left_out() -> None:
    metric = PassAtK(Right(), k=2)
    metric.update(groups("aa??", "bbx?"))
    assert metric.compute() == 1.0
    metric.reset()
    assert metric.compute().isnan()


@pytest.mark.parametrize(
    ("k", "expected"), [(4, [1.0, 0.5, 0.0, 0.0]), (2, [0.5, 0.5, 0.0, 0.25]), (1, [0.5, 0.5, 0.0, 0.25])]
)
def test_the_majority_is_right_or_wrong(k: int, expected: list[float]) -> None:
    metrics = [MajorityAtK(Right(), k=k, answer=lambda row: row.text) for _ in expected]
    for metric, text in zip(metrics, ("aabac", "bbxbx", "cxxxy", "ddxxx"), strict=True):
        metric.update(groups(text))
    assert [metric.compute().item() for metric in metrics] == expected


def test_a_completion_without_an_answer_has_no_vote() -> None:
    metric = MajorityAtK(Right(), k=4, answer=lambda row: None if row.text == "x" else row.text)
    metric.update(groups("aaxxx", "bxxxx"))
    assert metric.compute() == 0.5


def test_bounds_of_alike_completions_are_those_of_their_prompts() -> None:
    alike, single = (ShareBound(Right(), "low") for _ in range(2))
    alike.update(groups(*["aaaaa", "bxxxx"] * 20))
    single.update(groups(*["aa", "bx"] * 20))
    assert alike.compute().item() == pytest.approx(single.compute().item(), abs=1e-6)
    assert alike.compute() == pytest.approx(0.352, abs=1e-3)
    assert ShareBound(Right(), "high").compute().isnan()


def test_the_paired_interval_covers_the_difference_as_often_as_it_says() -> None:
    random, covered = torch.Generator().manual_seed(0), []
    for trial in range(200):
        hard = torch.rand(100, 1, generator=random)
        first = (torch.rand(100, 1, generator=random) > hard).float()
        second = (torch.rand(100, 1, generator=random) > 0.8 * hard).float()
        metric = PairedBootstrap(resamples=1000, seed=trial)
        metric.update(first[:40], second[:40])
        metric.update(first[40:], second[40:])
        found = metric.compute()
        covered.append(bool(found.low <= 0.1 <= found.high))
    assert 0.9 <= fmean(covered) <= 0.99


def test_pairs_have_to_be_pairs() -> None:
    with pytest.raises(ValueError, match="answered 3 prompts and the second 2"):
        PairedBootstrap().update(torch.ones(3, 1), torch.ones(2, 1))
    with pytest.raises(ValueError, match="no prompt was scored by both"):
        PairedBootstrap().compute()


@pytest.mark.parametrize("kind", [PassAtK, MajorityAtK])
def test_too_few_completions_are_refused(kind: type) -> None:
    with pytest.raises(ValueError, match=r"@3 cannot be told from 2"):
        kind(Right(), k=3).update(groups("aab"))


class Half(RowReward):
    def score_row(self, completion: Completion) -> float:
        return 0.5


@pytest.mark.parametrize("metric", [PassAtK(Half(), k=1), MajorityAtK(Half(), k=1), ShareBound(Half(), "low")])
def test_other_scores_than_0_and_1_are_refused(metric: PassAtK) -> None:
    with pytest.raises(ValueError, match=f"{type(metric).__name__} counts right answers, and reward 'half'"):
        metric.update(groups("aa"))


def test_states_keep_their_precision_in_a_half_precision_module() -> None:
    metrics = torch.nn.ModuleList([MeanScore(Right()), PassAtK(Right(), k=1)])
    metrics.to(torch.bfloat16)
    for metric in metrics:
        for _ in range(300):
            metric.update(groups("aa"))
        assert metric.compute() == 1.0
    assert (metrics[0].count, metrics[1].prompts) == (300, 300)


def test_a_run_logs_what_its_validation_names(grpo: Callable, fit: Callable) -> None:
    """A reward that several measures share judges once."""
    right = Right()
    measures = {"accuracy": right, "pass@8": PassAtK(right, k=8), "maj@4": MajorityAtK(right, 4, lambda row: row.text)}
    algorithm = grpo(validation=measures, validation_samples=8, sampler=BatchedSampler(4, max_tokens=1))
    assert (algorithm.validation_sampler.group_size, algorithm.validation_sampler.temperature) == (8, 1.0)
    trainer = fit(algorithm, prompts=4, held_out=20)
    figures = trainer.callback_metrics
    assert right.asked == 20 * 8
    assert figures["val/accuracy"] <= figures["val/pass@8"] <= 1.0
    assert {"val/maj@4", "val/reward"} <= figures.keys()


def test_too_few_samples_are_refused_when_the_algorithm_is_made(grpo: Callable) -> None:
    with pytest.raises(ValueError, match=r"val/pass@8 needs 8 completions .* validation_samples=8"):
        grpo(validation={"pass@8": PassAtK(Right(), k=8)})
    with pytest.raises(ValueError, match="validation_samples=0"):
        grpo(validation_samples=0)


def test_a_metric_says_what_it_was_made_of(grpo: Callable[..., GRPO]) -> None:
    """So that a checkpoint alone rebuilds a run that has some, and MLflow takes their settings."""
    measures = {"pass@8": PassAtK(CorrectAnswer(), k=8)}
    algorithm = grpo(validation=measures, validation_samples=8)
    words = algorithm.hparams["validation"]["pass@8"]
    assert words["class_path"] == "rlframework.metrics.PassAtK"
    assert words["init_args"]["k"] == 8
    assert "pass_8" in algorithm.hparams_initial["validation"]
    again = made_of(words, ScoreMetric)
    assert isinstance(again, PassAtK)
