"""The matrix of TRL's settings: factors, which of their levels go together, and the pairwise draw."""

import functools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any, NamedTuple

from rlframework.algorithms import BNPO, CISPO, DAPO, GDPO, GMPO, GRPO, LUSPO, RLOO, SAPO, VESPO, DrGRPO
from rlframework.functional.advantages import batch_normalized, batch_scaled, group_centered, group_normalized
from rlframework.functional.ratios import masked_mean
from rlframework.terms import (
    AdaptiveEntropyBonus,
    EntropyBonus,
    KLInLoss,
    SequenceMask,
    SequenceTruncation,
    TokenMask,
    TokenTruncation,
)
from tests.trl.runs import TWO, abstaining, brevity, quality

Setting = dict[str, str]


class GroupScaled:
    def advantages(self, rewards):
        return group_normalized(rewards)


class BatchScaled:
    def advantages(self, rewards):
        return batch_scaled(rewards)


class Unscaled:
    def advantages(self, rewards):
        return group_centered(rewards)


class Normalized:
    """TRL's ``normalize_advantages`` of RLOO."""

    def advantages(self, rewards):
        # A row that is the only one of its group with a reward is compared with nothing either.
        alone = rewards.isnan() | ((~rewards.isnan()).sum(1, keepdim=True) < 2)
        compared = super().advantages(rewards).masked_fill(alone, float("nan"))
        return batch_normalized(compared - compared.nanmean(), epsilon=1e-4)


class SequenceRatio:
    sequence_ratio = True

    def importance(self, log_ratio, mask):
        return masked_mean(log_ratio, mask)


class TokenRatio:
    sequence_ratio = False

    def importance(self, log_ratio, mask):
        return log_ratio


class PerMinibatch:
    """Ranks entropies and averages the bonus within each minibatch, as TRL does, not over the optimizer step."""

    def prepare_step(self, minibatches):
        alone = []
        for minibatch in minibatches:
            alone += super().prepare_step([minibatch])
        together = super().prepare_step(minibatches)
        return [
            replace(part, entropy_mask=one.entropy_mask, entropy_weights=one.entropy_weights / len(minibatches))
            for part, one in zip(together, alone, strict=True)
        ]


@dataclass(frozen=True)
class Both:
    """A level of a factor: options of ours, settings of theirs, and fields of the case."""

    ours: Callable[[], dict[str, Any]] = dict
    theirs: dict[str, Any] = field(default_factory=dict)
    case: dict[str, Any] = field(default_factory=dict)


class Algorithm(NamedTuple):
    """An algorithm here and there; with the level of the ratio and the constants that its papers do not settle."""

    kind: type
    theirs: dict[str, Any]
    trainer: str = "grpo"
    ratio: str = "token"
    other: tuple[dict[str, Any], dict[str, Any]] = ({"clip_high": 0.28}, {"epsilon_high": 0.28})


CLIP = ({"clip_high": 0.2}, {"epsilon": 0.2})
ALGORITHMS = {
    "grpo": Algorithm(GRPO, {"loss_type": "grpo"}),
    "bnpo": Algorithm(BNPO, {"loss_type": "bnpo"}),
    "dr_grpo": Algorithm(DrGRPO, {"loss_type": "dr_grpo"}),
    "dapo": Algorithm(DAPO, {"loss_type": "dapo"}),
    "cispo": Algorithm(CISPO, {"loss_type": "cispo"}, other=({"ratio_cap": 1.1}, {"epsilon_high": 1.1})),
    "sapo": Algorithm(
        SAPO,
        {"loss_type": "sapo"},
        other=(
            {"temperature_positive": 2.0, "temperature_negative": 3.0},
            {"sapo_temperature_pos": 2.0, "sapo_temperature_neg": 3.0},
        ),
    ),
    "luspo": Algorithm(LUSPO, {"loss_type": "luspo"}, ratio="sequence"),
    "vespo": Algorithm(
        VESPO,
        {"loss_type": "vespo"},
        other=(
            {"shape_positive": 1.0, "rate_positive": 1.5, "shape_negative": 2.0, "rate_negative": 2.5},
            {"vespo_k_pos": 1.0, "vespo_lambda_pos": 1.5, "vespo_k_neg": 2.0, "vespo_lambda_neg": 2.5},
        ),
    ),
    "gdpo": Algorithm(GDPO, {"loss_type": "grpo", "multi_objective_aggregation": "normalize_then_sum"}),
    "gmpo": Algorithm(
        GMPO, {}, trainer="gmpo", other=({"clip_low": 0.05, "clip_high": 0.1}, {"epsilon": 0.05, "epsilon_high": 0.1})
    ),
    "rloo": Algorithm(RLOO, {}, trainer="rloo"),
}
CLIPPED = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "gdpo")
BETA = 0.3
BOUNDS = {"clip_min": 0.7, "clip_max": 1.4}


def sampler(kind: type, mode: str) -> Both:
    case = {"sampler_known": True, "vllm": {"mode": mode, **BOUNDS}}
    return Both(lambda: {"sampler_correction": kind(BOUNDS["clip_min"], BOUNDS["clip_max"])}, {}, case)


FACTORS: dict[str, dict[str, Both]] = {
    "algorithm": {name: Both() for name in ALGORITHMS},
    "ratio": {"token": Both(), "sequence": Both(theirs={"importance_sampling_level": "sequence"})},
    "scale": {name: Both(theirs={"scale_rewards": name}) for name in ("none", "group", "batch")},
    "constants": {"default": Both(), "other": Both()},
    "cap": {"none": Both(), "delta": Both(lambda: {"ratio_cap": 1.3}, {"delta": 1.3})},
    "kl": {
        "none": Both(lambda: {"kl_coefficient": 0.0}),
        "plain": Both(lambda: {"kl_coefficient": BETA}, {"beta": BETA, "use_bias_correction_kl": False}),
        "corrected": Both(lambda: {"kl_coefficient": BETA, "kl": KLInLoss(ratio_corrected=True)}, {"beta": BETA}),
    },
    "passes": {"1": Both(), "2": Both(case={"passes": 2})},
    "accumulate": {str(n): Both(case={"accumulate": n}) for n in (1, 2, 4)},
    "slices": {"1": Both(), "2": Both(case={"slices": 2})},
    "rewards": {
        "one": Both(case={"rewards": ((quality, 1.0),)}),
        "weighted": Both(case={"rewards": TWO}),
        "abstaining": Both(case={"rewards": ((abstaining, 1.0), (brevity, -0.5))}),
    },
    "truncated": {
        "kept": Both(),
        "masked": Both(lambda: {"mask_truncated": True, "count_masked": True}, {"mask_truncated_completions": True}),
    },
    "given": {"nothing": Both(), "third": Both(case={"given": True})},
    "entropy_share": {"all": Both(), "top": Both(lambda: {"top_entropy_share": 0.43}, {"top_entropy_quantile": 0.43})},
    "bonus": {
        "none": Both(),
        "fixed": Both(lambda: {"entropy_bonus": EntropyBonus(0.1)}, {"entropy_coef": 0.1}),
        "adaptive": Both(
            lambda: {"entropy_bonus": AdaptiveEntropyBonus(3.0, 0.1, step=0.04, highest=0.15)},
            {
                "use_adaptive_entropy": True,
                "entropy_target": 3.0,
                "entropy_coef": 0.1,
                "entropy_coef_delta": 0.04,
                "entropy_coef_max": 0.15,
            },
        ),
    },
    "off_policy": {
        "kept": Both(),
        "masked": Both(lambda: {"off_policy_threshold": 0.02}, {"off_policy_mask_threshold": 0.02}),
    },
    "sampler": {
        "silent": Both(),
        "known": Both(case={"sampler_known": True}),
        "token_truncate": sampler(TokenTruncation, "token_truncate"),
        "token_mask": sampler(TokenMask, "token_mask"),
        "sequence_truncate": sampler(SequenceTruncation, "sequence_truncate"),
        "sequence_mask": sampler(SequenceMask, "sequence_mask"),
    },
    "temperature": {"1": Both(), "0.7": Both(case={"temperature": 0.7})},
}

PLAIN = {"cap": "none", "entropy_share": "all", "bonus": "none", "off_policy": "kept", "sampler": "silent"}


def goes_with(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two levels go together: on both sides, and meaning the same."""
    levels = dict((one, other))
    name = levels.get("algorithm")
    if name is None:
        # Refused here: the one number per completion cannot leave out tokens.
        return not (levels.get("ratio") == "sequence" and levels.get("entropy_share") == "top")
    [(factor, level)] = ((factor, level) for factor, level in levels.items() if factor != "algorithm")
    # TRL's RLOOTrainer and GMPOTrainer have no more than this, or do not look at it.
    if name in ("rloo", "gmpo") and factor in PLAIN and (name, factor) != ("gmpo", "entropy_share"):
        return level == PLAIN[factor]
    if name == "rloo" and factor == "given":
        return level == "nothing"
    if name in ("rloo", "gmpo", "vespo") and factor == "ratio":
        return level == "token"
    if name in ("rloo", "gmpo") and factor == "kl":
        return level != "corrected"
    if factor == "scale" and name in ("rloo", "gdpo"):
        return level == "group" if name == "gdpo" else level != "group"
    # A cap of the ratio where TRL has none; a correction that VESPO cannot add to its ratio, or that silences rows.
    if factor == "cap":
        return level == "none" or name in CLIPPED
    return not (name == "vespo" and factor == "sampler" and level not in ("silent", "known", "token_truncate"))


def allowed_pairs() -> list[frozenset[tuple[str, str]]]:
    """Return every pair of levels of two factors that go together."""
    levels = {factor: [(factor, level) for level in FACTORS[factor]] for factor in FACTORS}
    pairs = (pair for a, b in combinations(levels, 2) for pair in product(levels[a], levels[b]))
    return [frozenset(pair) for pair in pairs if goes_with(*pair)]


def pairs_of(setting: Setting) -> list[frozenset[tuple[str, str]]]:
    return [frozenset(pair) for pair in combinations(setting.items(), 2)]


@functools.cache
def draw(times: int = 2, each: int = 12, seed: int = 0) -> tuple[Setting, ...]:
    """Return settings that cover every allowed pair so many times, and every algorithm.

    Greedily: each starts from a pair that is missing most often, and is the best of a few tries to complete it. What
    some algorithms lack in the end, since they have fewer options, is drawn at random.
    """
    chance = random.Random(seed)
    missing = Counter(dict.fromkeys(allowed_pairs(), times))
    settings: list[Setting] = []
    while missing:
        first = min(missing, key=lambda pair: (-missing[pair], sorted(pair)))
        tries = [complete(dict(first), missing, chance) for _ in range(10)]
        best = max(tries, key=lambda setting: sum(pair in missing for pair in pairs_of(setting)))
        settings.append(best)
        missing -= Counter(pairs_of(best))
    counts = Counter(setting["algorithm"] for setting in settings)
    for name in ALGORITHMS:
        settings += [complete({"algorithm": name}, missing, chance) for _ in range(each - counts[name])]
    return tuple(settings)


def covering(settings: Sequence[Setting]) -> list[int]:
    """Return the numbers of a few settings that have every level of every factor, those with most new ones first."""
    missing = {pair for setting in settings for pair in setting.items()}
    found: list[int] = []
    while missing:
        found.append(max(range(len(settings)), key=lambda number: len(missing & settings[number].items())))
        missing -= settings[found[-1]].items()
    return found


def complete(start: Setting, missing: Counter, chance: random.Random) -> Setting:
    """Choose the other factors one by one, in any order, each by how many missing pairs it brings."""
    setting = dict(start)
    for factor in chance.sample(sorted(FACTORS.keys() - start.keys()), len(FACTORS) - len(start)):
        options = [(factor, level) for level in FACTORS[factor]]
        options = [option for option in options if all(goes_with(option, other) for other in setting.items())]
        chance.shuffle(options)
        news = {option: sum(frozenset((option, other)) in missing for other in setting.items()) for option in options}
        setting[factor] = max(options, key=news.__getitem__)[1]
    return {factor: setting[factor] for factor in FACTORS}
