"""What judges: the abstract reward, its composition, and the scores of a rollout."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.rewards.judgement import Judgement


class Component(NamedTuple):
    """One named term of a reward and the factor it enters the total with."""

    name: str
    weight: float
    reward: RewardModel


@dataclass
class Scores:
    """The verdict on a rollout.

    Args:
        total: ``(N, G)`` float32, the weighted sum over the components that did not abstain; NaN where all did.
        components: ``(N, G)`` float32 raw score by component name, before its weight; NaN where it abstained.
        weights: The factor that each component enters the total with, by its name.
        judgements: What else each component had to say, by its name.
    """

    total: Tensor
    components: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    judgements: dict[str, Judgement] = field(default_factory=dict)


class RewardModel(ABC):
    """Judges completions, whole groups at a time.

    Override `score`; or, if rows are judged one by one, subclass `RowReward` and override `score_row`. Do not override
    `evaluate`, which checks what `score` returns and adds up components.

    A reward that can fail to check an answer says so by returning a `Judgement`: failures are counted and stop the run
    if they are many (``reward_limits`` of the algorithm). It may also record more columns and log more figures with it.

    Rewards compose: ``a + 0.5 * b`` is a reward with two named components, and ``a * b`` pays the product of two
    (use it to gate one by another). A score of NaN (or None from `RowReward`) is an abstention: the component is left
    out of that row's total and the row is not taken for a wrong answer.

    Example:
        >>> class Brevity(RewardModel):
        ...     def score(self, completions):
        ...         lengths = torch.tensor([float(len(row.ids)) for row in completions])
        ...         lengths = lengths.view(-1, completions.group_size)
        ...         return (lengths == lengths.amin(1, keepdim=True)).float()
        >>> (Brevity() + 0.5 * Brevity(name="again")).components()[1].weight
        0.5
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @abstractmethod
    def score(self, completions: Completions) -> Tensor | Judgement:
        """Return ``(N, G)`` scores; NaN abstains."""

    def components(self) -> list[Component]:
        """Return the named terms that add up to this reward."""
        return [Component(self.name, 1.0, self)]

    @final
    def evaluate(self, completions: Completions) -> Scores:
        """Score every component and add them up.

        Raises:
            ValueError: A component returned a wrong number of scores, or an infinite one.
        """
        parts = self.components()
        judgements = {name: judged(name, reward.score(completions), completions) for name, _, reward in parts}
        scores = {name: judgement.scores for name, judgement in judgements.items()}
        weighted = torch.stack([weight * scores[name] for name, weight, _ in parts])
        abstained = weighted.isnan().all(0)
        total = weighted.nansum(0).masked_fill(abstained, float("nan"))
        return Scores(total, scores, {name: weight for name, weight, _ in parts}, judgements)

    def __add__(self, other: RewardModel) -> RewardModel:
        if not isinstance(other, RewardModel):
            return NotImplemented
        return WeightedSum([*self.components(), *other.components()])

    def __mul__(self, other: float | RewardModel) -> RewardModel:
        if isinstance(other, RewardModel):
            return Product(self, other)
        if not isinstance(other, (int, float)):
            return NotImplemented
        return WeightedSum([Component(name, weight * other, reward) for name, weight, reward in self.components()])

    __rmul__ = __mul__


class RowReward(RewardModel):
    """A reward that judges each completion on its own. Override `score_row`.

    Example:
        >>> class Polite(RowReward):
        ...     def score_row(self, completion):
        ...         return 1.0 if "please" in completion.text else 0.0
        >>> Polite().name
        'polite'
    """

    @abstractmethod
    def score_row(self, completion: Completion) -> float | None:
        """Return the score of one completion, or None to abstain."""

    def score(self, completions: Completions) -> Tensor:
        """Judge the rows one by one, ``(N, G)``."""
        values = [self.score_row(row) for row in completions]
        numbers = [float("nan") if value is None else float(value) for value in values]
        return torch.tensor(numbers, dtype=torch.float32).view(-1, completions.group_size)


class WeightedSum(RewardModel):
    """Several rewards added up; made by ``a + 0.5 * b``.

    Raises:
        ValueError: Two components have one name, so that their logs could not be told apart.
    """

    def __init__(self, terms: Sequence[Component], name: str | None = None) -> None:
        super().__init__(name)
        names = [term.name for term in terms]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"several reward components are named {repeated}; give each its own name=...")
        self.terms = list(terms)

    def components(self) -> list[Component]:
        """Return the terms."""
        return self.terms

    def score(self, completions: Completions) -> Tensor:
        """Return the weighted sum, ``(N, G)``."""
        return self.evaluate(completions).total


class Product(RewardModel):
    """Two rewards multiplied; made by ``a * b``. It abstains where either does, and fails where either fails."""

    def __init__(self, left: RewardModel, right: RewardModel, name: str | None = None) -> None:
        super().__init__(name or f"{left.name}*{right.name}")
        self.left = left
        self.right = right

    def score(self, completions: Completions) -> Judgement:
        """Return the product, ``(N, G)``, with what the factors have to say of their components."""
        left, right = self.left.evaluate(completions), self.right.evaluate(completions)
        product = left.total * right.total
        parts = [*left.judgements.items(), *right.judgements.items()]
        # A component that failed beside others in a sum leaves the sum a number; only where there is none it matters.
        errors = torch.stack([part.error_flags for _, part in parts]).any(0) & product.isnan()
        unverifiable = torch.stack([part.unverifiable_flags for _, part in parts]).any(0) & product.isnan()
        return Judgement(
            product,
            errors,
            unverifiable,
            columns={f"{name}/{key}": values for name, part in parts for key, values in part.columns.items()},
            metrics={f"{name}/{key}": values for name, part in parts for key, values in part.metrics.items()},
            detail=next((part.detail for _, part in parts if part.detail), ""),
        )


def judged(name: str, result: Tensor | Judgement, completions: Completions) -> Judgement:
    """Return what a reward said with every part in shape: ``(N, G)`` on the CPU, float32 or bool.

    Raises:
        ValueError: A wrong number of scores, flags or values; an infinite score; a score where the check failed.
    """
    judgement = result if isinstance(result, Judgement) else Judgement(result)
    expected = (completions.num_groups, completions.group_size)

    def shaped(what: str, values: Any, dtype: torch.dtype) -> Tensor:
        tensor = torch.as_tensor(values, dtype=dtype).detach().cpu()
        if tuple(tensor.shape) not in (expected, (len(completions),)):
            raise ValueError(
                f"reward {name!r} returned {tensor.numel()} {what} of shape {tuple(tensor.shape)} for "
                f"{len(completions)} completions; it must return one for each, as (groups, group_size) = {expected}"
            )
        return tensor.reshape(expected)

    scores = shaped("scores", judgement.scores, torch.float32)
    if scores.isinf().any():
        raise ValueError(f"reward {name!r} returned an infinite score; use NaN (or None) to abstain")
    errors = shaped("errors", judgement.error_flags, torch.bool)
    unverifiable = shaped("unverifiable", judgement.unverifiable_flags, torch.bool)
    scored = ~scores.isnan() & (errors | unverifiable)
    if scored.any():
        raise ValueError(f"reward {name!r} gave {int(scored.sum())} scores where its check failed; they have to be NaN")
    for key, values in judgement.columns.items():
        if len(values) != len(completions):
            raise ValueError(
                f"column {key!r} of reward {name!r} has {len(values)} values for {len(completions)} completions"
            )
    metrics = {key: shaped(f"values of {key!r}", values, torch.float32) for key, values in judgement.metrics.items()}
    return Judgement(scores, errors, unverifiable, judgement.columns, metrics, judgement.detail)
