"""`RewardModel`, the abstract reward: its composition, as in ``a + 0.5 * b``, and the scores of a rollout."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.waiting import stoppable
from rlframework.utilities.arguments import Checked
from rlframework.utilities.ways_out import way_to
from rlframework.utilities.words import record


class Component(NamedTuple):
    """One named term of a reward.

    Args:
        name: What its figures are logged under.
        weight: The factor that it enters the total with.
        reward: What judges.
        required: Whether a row has no total where this term has no score; if not, its absence counts as 0.
    """

    name: str
    weight: float
    reward: RewardModel
    required: bool = True


@dataclass
class Scores:
    """The verdict on a rollout.

    Args:
        total: ``(N, G)`` float32, what is learned from: as `added_up`; NaN where the row abstains.
        components: ``(N, G)`` float32 raw score by component name, before its weight; NaN where it abstained.
        weights: The factor that each component enters the total with, by its name.
        judgements: What else each component had to say, by its name.
        optional: Names of the components whose absence counts as 0.
    """

    total: Tensor
    components: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    judgements: dict[str, Judgement] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    @property
    def concerned(self) -> Tensor:
        """``(N, G)`` bool: the rows that any component with a say is for."""
        return self._any([judgement.applies_flags for judgement in self._voices().values()])

    def failures(self) -> list[tuple[int, str]]:
        """Return the rows, counted through ``(N * G)``, whose check failed, each with the component's reason."""
        found = []
        for name, judgement in self.judgements.items():
            rows = judgement.error_flags.flatten().nonzero().flatten().tolist()
            found += [(row, f"{name}: {judgement.detail or 'no reason given'}") for row in rows]
        return found

    def as_judgement(self) -> Judgement:
        """Return them as what a single reward says: for a reward around others, so that no failure is lost in it."""
        # Where all that is for a row is optional and absent, it is so for whoever is around, too.
        owed = [
            judgement.applies_flags & ~(judgement.scores.isnan() & (name in self.optional))
            for name, judgement in self._voices().items()
        ]
        return Judgement.of_parts(self.total, list(self.judgements.items()), self._any(owed))

    def _voices(self) -> dict[str, Judgement]:
        return {name: self.judgements[name] for name, weight in self.weights.items() if weight != 0}

    def _any(self, flags: list[Tensor]) -> Tensor:
        return torch.stack([torch.zeros_like(self.total, dtype=torch.bool), *flags]).any(0)


class RewardModel(Checked, ABC):
    """Judges completions, whole groups at a time.

    Override `score`; or, if rows are judged one by one, subclass `RowReward` and override `RowReward.score_row`. Do not
    override `evaluate`, which checks what `score` returns and adds up components.

    A reward that can fail to check an answer says so by returning a `Judgement`: failures are counted and stop the run
    if they are many (``reward_limits`` of the algorithm). It may also record more columns and log more figures with it.

    Rewards compose: ``a + 0.5 * b`` is a reward with two named components, and ``a * b`` pays the product of two
    (use it to gate one by another). A score of NaN (or None from `RowReward`) is an abstention: the row is not taken
    for a wrong answer. In a sum it abstains as a whole, even if others have a score for it; those that a row can
    do without are marked, ``a + optional(b)``. Rewards for other rows each are `Where`.

    A reward around others hands on what they said: ``self.inner.evaluate(completions).as_judgement()``.

    Example:
        >>> class Brevity(RewardModel):
        ...     def score(self, completions):
        ...         lengths = torch.tensor([float(len(row.ids)) for row in completions])
        ...         lengths = lengths.view(-1, completions.group_size)
        ...         return (lengths == lengths.amin(1, keepdim=True)).float()
        >>> (Brevity() + 0.5 * Brevity(name="again")).components()[1].weight
        0.5
    """

    name: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Of the class, so that a constructor which does not call this one has a name too.
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, name: str | None = None) -> None:
        if name:
            self.name = name

    @abstractmethod
    def score(self, completions: Completions) -> Tensor | Judgement:
        """Return ``(N, G)`` scores; NaN abstains."""

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether a row of data holds what this reward compares with, such as an expected answer.

        Asked of every row before training. A row of which it is False is counted and said; if it is so of all, the run
        is refused.
        """
        return True

    def components(self) -> list[Component]:
        """Return the named terms that add up to this reward."""
        return [Component(self.name, 1.0, self)]

    @final
    def evaluate(self, completions: Completions) -> Scores:
        """Score every component and add them up.

        A completion whose environment failed has no score in any of them, and counts as a failed check.

        Raises:
            TypeError: A component returned what is no scores.
            ValueError: A component returned a wrong number of scores, or one that is infinite or beyond `LARGEST`.
        """
        parts = self.components()
        with stoppable():
            judgements = {part.name: judged(part.name, part.reward.score(completions), completions) for part in parts}
        if any(row.failure for row in completions):
            judgements = {name: without_failed(judgement, completions) for name, judgement in judgements.items()}
        total = added_up(parts, judgements)
        _refuse_large(f"the total of reward {self.name!r}", total)
        return Scores(
            total,
            {name: judgement.scores for name, judgement in judgements.items()},
            {part.name: part.weight for part in parts},
            judgements,
            frozenset(part.name for part in parts if not part.required),
        )

    def __add__(self, other: RewardModel) -> RewardModel:
        if not isinstance(other, RewardModel):
            of_sum = isinstance(other, int) and other == 0
            way = "sum begins with 0; write sum(rewards[1:], rewards[0])" if of_sum else way_to("RewardModel", other)
            raise TypeError(f"a {type(other).__name__} cannot be added to reward {self.name!r}: {way}")
        return WeightedSum([*self.components(), *other.components()])

    # Of what is no reward: two rewards are added from the left.
    __radd__ = __add__

    def __mul__(self, other: float | RewardModel) -> RewardModel:
        if isinstance(other, RewardModel):
            return Product(self, other)
        if not isinstance(other, (int, float)):
            return NotImplemented
        return WeightedSum([part._replace(weight=part.weight * other) for part in self.components()])

    __rmul__ = __mul__


class RowReward(RewardModel):
    """A reward that judges each completion on its own. Override `score_row`.

    It is not asked about a row whose environment failed: such a row has no score, and may have no episode.

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
        scores = [None if row.failure else self.score_row(row) for row in completions]
        return as_scores(self.name, scores).view(-1, completions.group_size)


class WeightedSum(RewardModel):
    """A weighted sum of rewards, made by ``a + 0.5 * b``; `added_up` says what becomes of rows that lack a score.

    Args:
        terms: The same as components, as `RewardModel.components` gives them, or tuples of name, weight and reward.
        name: What the sum is called where it is a factor or a term itself.
        rewards: The rewards, each under the name that its figures are logged by.
        weights: The factor that each enters the total with, by name; 1 for those that are left out.
        optional: Names of those that a row can do without; their absence counts as 0.

    Raises:
        TypeError: Neither rewards nor terms, or both.
        ValueError: Two components have one name, so that their logs could not be told apart; a weight is no number; or
            a name is given a weight, or called optional, that is none of the rewards.

    Example:
        >>> class Brevity(RowReward):
        ...     def score_row(self, completion):
        ...         return -len(completion.ids)
        >>> class Polite(RowReward):
        ...     def score_row(self, completion):
        ...         return float("please" in completion.text)
        >>> full_name(WeightedSum(rewards={"short": Brevity(), "polite": Polite()}, weights={"short": 0.5}))
        '0.5 * short + polite'
    """

    def __init__(
        self,
        terms: Sequence[Component] | None = None,
        name: str | None = None,
        *,
        rewards: Mapping[str, RewardModel] | None = None,
        weights: Mapping[str, float] | None = None,
        optional: Sequence[str] = (),
    ) -> None:
        super().__init__(name)
        weights = weights or {}
        if (terms is None) is (rewards is None):
            raise TypeError("WeightedSum takes rewards={name: reward}, with weights={name: number}, or else terms")
        if rewards is None:
            terms = [Component(*term) for term in terms or ()]
        else:
            terms = [Component(key, weights.get(key, 1.0), one, key not in optional) for key, one in rewards.items()]
        names = [term.name for term in terms]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"several reward components are named {repeated}; give each its own name=...")
        unknown = [name for name in (*weights, *optional) if rewards is None or name not in names]
        if unknown:
            raise ValueError(f"WeightedSum got weights or optional for {unknown}; rewards names {names}")
        endless = {term.name: term.weight for term in terms if not math.isfinite(term.weight)}
        if endless:
            raise ValueError(f"reward components enter a sum with finite weights, got {endless}")
        self.terms = terms
        record(
            self,
            {
                "rewards": {term.name: term.reward for term in terms},
                "weights": {term.name: term.weight for term in terms if term.weight != 1},
                "optional": [term.name for term in terms if not term.required],
                "name": name,
            },
        )

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether a row holds what the terms compare with that have a say and that it cannot do without."""
        return all(term.reward.can_judge(prompt) for term in self.terms if term.required and term.weight != 0)

    def components(self) -> list[Component]:
        """Return the weighted terms of the sum, as named components."""
        return self.terms

    def score(self, completions: Completions) -> Judgement:
        """Return the weighted sum, ``(N, G)``, with what the terms have to say."""
        return self.evaluate(completions).as_judgement()


class Product(RewardModel):
    """Two rewards multiplied; made by ``a * b``. It abstains where either does, and fails where either fails.

    Args:
        left: A reward.
        right: The other.
        name: Name of the component in logs; by default both names with a star between them.
    """

    def __init__(self, left: RewardModel, right: RewardModel, name: str | None = None) -> None:
        super().__init__(name or f"{left.name}*{right.name}")
        self.left = left
        self.right = right

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether a row holds what both of them compare with."""
        return self.left.can_judge(prompt) and self.right.can_judge(prompt)

    def score(self, completions: Completions) -> Judgement:
        """Return the product, ``(N, G)``, with what the factors have to say of their components."""
        factors = [self.left.evaluate(completions), self.right.evaluate(completions)]
        parts = [part for factor in factors for part in factor.judgements.items()]
        applies = factors[0].concerned & factors[1].concerned
        return Judgement.of_parts(factors[0].total * factors[1].total, parts, applies)


def optional(reward: RewardModel) -> RewardModel:
    """Return a reward that a row can do without: in a sum its absence counts as 0, as TRL has it for every reward.

    Use it for what is no part of right and wrong. Where a judge could not tell, 0 is what a wrong answer gets. How
    often it happens is logged, as ``train/judgement/<name>/counted_as_0``. Failed checks count as ever
    (`RewardLimits`).

    Args:
        reward: One, or a sum, whose terms are then all optional.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> class Polite(RowReward):
        ...     def score_row(self, completion):
        ...         return 1.0 if "please" in completion.text else 0.0
        >>> class Terse(RowReward):
        ...     def score_row(self, completion):
        ...         return None if "?" in completion.text else 0.5
        >>> row = Completions([Completion(Prompt([1], "?"), [2], "Salt, please?", "stop")], group_size=1)
        >>> (Polite() + Terse()).evaluate(row).total, (Polite() + optional(Terse())).evaluate(row).total
        (tensor([[nan]]), tensor([[1.]]))
    """
    return WeightedSum([part._replace(required=False) for part in reward.components()], name=reward.name)


def full_name(reward: RewardModel) -> str:
    """Return the name of a reward; of a sum, the weights and names of its terms.

    Example:
        >>> class Brevity(RowReward):
        ...     def score_row(self, completion):
        ...         return -len(completion.ids)
        >>> full_name(Brevity() + 0.5 * Brevity(name="again"))
        'brevity + 0.5 * again'
    """
    parts = reward.components()
    return " + ".join(part.name if part.weight == 1 else f"{part.weight:g} * {part.name}" for part in parts)


def added_up(parts: Sequence[Component], judgements: Mapping[str, Judgement]) -> Tensor:
    """Return ``(N, G)`` totals: ``sum_k w_k r_k``, or NaN for rows that abstain.

    A row abstains if any required component has no score for it, or none of them has one. A component of weight 0 has
    no say in it, nor has one that the row is no business of (`Judgement.applies`).

    Args:
        parts: The components of a reward.
        judgements: What each said, by its name, in shape.
    """
    voices = [(part, judgements[part.name]) for part in parts if part.weight != 0]
    if not voices:
        return torch.zeros_like(judgements[parts[0].name].scores)
    scores = torch.stack([judgement.scores for _, judgement in voices])
    owed = torch.stack([judgement.applies_flags & part.required for part, judgement in voices])
    weights = torch.tensor([part.weight for part, _ in voices]).view(-1, 1, 1)
    abstains = (scores.isnan() & owed).any(0) | scores.isnan().all(0)
    return (weights * scores).nansum(0).masked_fill(abstains, float("nan"))


def without_failed(judgement: Judgement, completions: Completions) -> Judgement:
    """Return what a reward said, with a failed check in place of a score where the environment of an episode failed.

    Args:
        judgement: In shape, ``(N, G)``.
        completions: What was judged.
    """
    failed = torch.tensor([row.failure is not None for row in completions]).view_as(judgement.scores)
    first = next(row.failure for row in completions if row.failure)
    return replace(
        judgement,
        scores=judgement.scores.masked_fill(failed, math.nan),
        errors=judgement.error_flags | failed,
        detail=judgement.detail or f"the environment failed: {first}",
    )


# Squares of a million scores of this size, added up, are still a float32: a spread of more is infinite, and the
# advantages that it divides are 0 without a word.
LARGEST = 1e16


def as_scores(name: str, values: Any) -> Tensor:
    """Return numbers, with None for an abstention, as a float64 tensor; a tensor as it is.

    Args:
        name: Of the reward, for messages.
        values: A tensor, an array, or anything with an order that gives a number or None for each completion.

    Raises:
        TypeError: It is something else, or holds something else.

    Example:
        >>> as_scores("right", [1, None, True])
        tensor([1., nan, 1.], dtype=torch.float64)
    """
    if isinstance(values, Tensor):
        return values
    if isinstance(values, (str, bytes, Mapping, Set)) or not isinstance(values, Iterable):
        raise TypeError(
            f"reward {name!r} returned {values!r:.80} ({type(values).__name__}); it must return a list with one number "
            "(or None, to abstain) for each completion, in their order"
        )
    return torch.tensor([_number(name, value) for value in values], dtype=torch.float64)


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return math.nan if value is None else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"reward {name!r} returned {value!r:.80} ({type(value).__name__}) for a completion; a score is a number, "
            "such as 1.0 or 0.0, or None to abstain"
        ) from None


def _refuse_large(what: str, scores: Tensor) -> None:
    """Refuse scores whose spread would overflow, rather than learn nothing from them."""
    large = scores[scores.isfinite() & (scores.abs() > LARGEST)]
    if len(large):
        raise ValueError(
            f"{what} is {large[0].item():g} for {len(large)} of {scores.numel()} completions: beyond {LARGEST:g} the "
            "spread of a group overflows float32, and nothing would be learned. Scale it, or return None where there "
            "is no score"
        )


def judged(name: str, result: Tensor | Judgement, completions: Completions) -> Judgement:
    """Return what a reward said with every part in shape: ``(N, G)`` on the CPU, float32 or bool.

    Args:
        name: Of the reward, for messages.
        result: What its ``score`` returned.
        completions: What was judged, ``N`` groups of ``G``.

    Raises:
        TypeError: What is no scores.
        ValueError: A wrong number of scores, flags or values; an infinite score, or one beyond `LARGEST`; a score where
            the check failed.
    """
    judgement = result if isinstance(result, Judgement) else Judgement(as_scores(name, result))
    _refuse_large(f"reward {name!r}", torch.as_tensor(judgement.scores))
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
    applies = shaped("applies", judgement.applies_flags, torch.bool)
    scored = ~scores.isnan() & (errors | unverifiable)
    if scored.any() and not judgement.composed:
        raise ValueError(f"reward {name!r} gave {int(scored.sum())} scores where its check failed; they have to be NaN")
    for key, values in judgement.columns.items():
        if len(values) != len(completions):
            raise ValueError(
                f"column {key!r} of reward {name!r} has {len(values)} values for {len(completions)} completions"
            )
    metrics = {key: shaped(f"values of {key!r}", values, torch.float32) for key, values in judgement.metrics.items()}
    return Judgement(
        scores, errors, unverifiable, judgement.columns, metrics, judgement.detail, applies, judgement.composed
    )
