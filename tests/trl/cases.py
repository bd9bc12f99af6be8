"""From the settings of the matrix to cases for both sides."""

from typing import Any

from tests.trl.matrix import (
    ALGORITHMS,
    CLIPPED,
    FACTORS,
    BatchScaled,
    Both,
    GroupScaled,
    Normalized,
    PerMinibatch,
    SequenceRatio,
    Setting,
    TokenRatio,
    Unscaled,
    draw,
)
from tests.trl.runs import Case, even_script, script

SCALES = {"none": Unscaled, "group": GroupScaled, "batch": BatchScaled}
RATIOS = {"token": TokenRatio, "sequence": SequenceRatio}
# TRL counts the tokens of a rollout and divides by its optimizer steps, so these need steps of equal size.
COUNT_ROLLOUT = ("dapo", "cispo", "vespo")


def make_case(setting: Setting, **fields: Any) -> Case:
    """Return the case; factors that the setting leaves out have their first level."""
    setting = {factor: setting.get(factor, next(iter(FACTORS[factor]))) for factor in FACTORS}
    algorithm = ALGORITHMS[setting["algorithm"]]
    levels: list[Both] = [FACTORS[factor][level] for factor, level in setting.items()] + [constants(setting)]
    theirs = {**algorithm.theirs, **{name: value for level in levels for name, value in level.theirs.items()}}
    case = {name: value for level in levels for name, value in level.case.items()}
    on_policy = setting["accumulate"] == setting["slices"] == "1"
    by_row = setting["algorithm"] in ("rloo", "gmpo")
    defaults = {
        "kind": type(algorithm.kind.__name__, (*mixins(setting), algorithm.kind), {}),
        "ours": lambda: {name: value for level in levels for name, value in level.ours().items()},
        "trainer": algorithm.trainer,
        "theirs": rloo_words(theirs) if algorithm.trainer == "rloo" else theirs,
        "script": even_script if setting["algorithm"] in COUNT_ROLLOUT and setting["slices"] != "1" else script,
        # In losses by row TRL counts masked rows, as constants.
        "evaluate": on_policy and not (by_row and setting["truncated"] == "masked"),
        "slower": {"luspo": 16, "rloo": 5, "vespo": 3}.get(setting["algorithm"], 2),
    }
    return Case(**{**defaults, **case, **fields})


def mixins(setting: Setting) -> list[type]:
    """Return what TRL makes of flags and we of subclasses."""
    algorithm, found = setting["algorithm"], []
    if (setting["entropy_share"] == "top" or setting["bonus"] != "none") and setting["accumulate"] != "1":
        found.append(PerMinibatch)
    if algorithm == "rloo":
        found += [Normalized] * (setting["scale"] == "batch")
    elif algorithm != "gdpo":
        found.append(SCALES[setting["scale"]])
    if setting["ratio"] != ALGORITHMS[algorithm].ratio:
        found.append(RATIOS[setting["ratio"]])
    return found


def constants(setting: Setting) -> Both:
    """Return the bounds of the ratio; those of whole completions are tighter, since a mean moves less than a token."""
    name, other = setting["algorithm"], setting["constants"] == "other"
    if name in (*CLIPPED, "rloo"):
        low, cap = (0.02, 1.035) if setting["ratio"] == "sequence" else (0.2, 1.3)
        high = 1.4 * low if other else low
        ours, theirs = {"clip_low": low, "clip_high": high}, {"epsilon": low, "epsilon_high": high}
        if setting["cap"] != "none":
            ours["ratio_cap"] = theirs["delta"] = cap
        if name == "rloo" and setting["kl"] != "none":
            # A sum over the completion, whose rounding is that of the advantages.
            ours["kl_coefficient"] = theirs["beta"] = 0.02
        return Both(lambda: ours, theirs)
    if name == "cispo" and not other:
        return Both(lambda: {"ratio_cap": 5.0}, {"epsilon_high": 5.0})
    ours, theirs = ALGORITHMS[name].other if other else ({}, {})
    return Both(lambda: ours, theirs)


def rloo_words(theirs: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that RLOOConfig has, by its names."""
    known = ("beta", "epsilon", "epsilon_high", "mask_truncated_completions")
    found = {name: value for name, value in theirs.items() if name in known}
    return {**found, "normalize_advantages": theirs["scale_rewards"] == "batch"}


SETTINGS = {f"{number:03d}-{setting['algorithm']}": setting for number, setting in enumerate(draw())}
MATRIX = {name: make_case(setting) for name, setting in SETTINGS.items()}
