"""A reward as a metric."""

from __future__ import annotations

from rlframework.completions import Completion, Completions
from rlframework.metrics import MeanScore
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward


class Number(RowReward):
    """Pays the number that the completion says, and abstains where it says none."""

    def score_row(self, completion: Completion) -> float | None:
        return float(completion.text) if completion.text else None


def completions(*texts: str, group_size: int = 1) -> Completions:
    return Completions([Completion(Prompt([1], "?"), [2], text, "stop") for text in texts], group_size)


def test_the_mean_is_over_completions_and_not_over_batches() -> None:
    score = MeanScore(Number())
    score.update(completions("1", "2", "3"))
    score.update(completions("10"))
    assert score.compute().item() == 4.0


def test_groups_are_flattened() -> None:
    score = MeanScore(Number())
    score.update(completions("1", "2", "3", "6", group_size=2))
    assert score.compute().item() == 3.0


def test_an_abstention_does_not_count() -> None:
    score = MeanScore(Number())
    score.update(completions("1", "", "2"))
    score.update(completions(""))
    assert score.compute().item() == 1.5


def test_nothing_but_abstentions_is_nan() -> None:
    score = MeanScore(Number())
    score.update(completions("", ""))
    assert score.compute().isnan()


def test_a_composed_reward_is_measured_by_its_total() -> None:
    score = MeanScore(Number() + 0.5 * Number(name="again"))
    score.update(completions("2", "4"))
    assert score.compute().item() == 4.5  # 3 + 0.5 * 3


def test_reset_starts_anew() -> None:
    score = MeanScore(Number())
    score.update(completions("7"))
    score.reset()
    score.update(completions("1"))
    assert score.compute().item() == 1.0
