"""The tables of docs/algorithms/index.md: how far apart the two sides are, by algorithm and by option."""

from collections.abc import Iterable
from pathlib import Path

from tests.trl.cases import MATRIX, SETTINGS
from tests.trl.compare import Errors, errors, train_both, weight_errors
from tests.trl.matrix import BETA, FACTORS
from tests.trl.rows import ROW_CASES, ROWS, row_of

PAGE = Path(__file__).parents[2] / "docs" / "algorithms" / "index.md"
BEGIN, END = "<!-- trl-table:begin -->\n", "<!-- trl-table:end -->"

# Every level of the matrix that is not the plain one: here, and in TRL's words.
OPTIONS = {
    ("ratio", "sequence"): ("`importance` of `GSPO`", '`importance_sampling_level="sequence"`'),
    ("scale", "none"): ("`advantages = group_centered`", '`scale_rewards="none"`'),
    ("scale", "batch"): ("`advantages = batch_scaled`", '`scale_rewards="batch"`, RLOO: `normalize_advantages=True`'),
    ("constants", "other"): (
        "`clip_high`, `ratio_cap`, temperatures, shapes",
        "`epsilon_high`, `sapo_...`, `vespo_...`",
    ),
    ("cap", "delta"): ("`ratio_cap=1.3`", "`delta=1.3`"),
    ("kl", "plain"): (f"`kl_coefficient={BETA}`", f"`beta={BETA}, use_bias_correction_kl=False`"),
    ("kl", "corrected"): ("`kl=KLInLoss(ratio_corrected=True)`", f"`beta={BETA}`"),
    ("passes", "2"): ("`passes_per_rollout=2`", "`num_iterations=2`"),
    ("accumulate", "2"): ("`accumulate_grad_batches=2`", "`gradient_accumulation_steps=2`"),
    ("accumulate", "4"): ("`accumulate_grad_batches=4`", "`gradient_accumulation_steps=4`"),
    ("slices", "2"): ("twice as many `minibatches_per_rollout`", "twice as many `steps_per_generation`"),
    ("rewards", "weighted"): ("`a + 0.5 * b`", "`reward_weights=[1.0, 0.5]`"),
    ("rewards", "abstaining"): ("rewards of NaN", "rewards of None"),
    ("truncated", "masked"): ("`mask_truncated=True, count_masked=True`", "`mask_truncated_completions=True`"),
    ("given", "third"): ("`Completion.turns` of an environment", '`"env_mask"` of the rollout function'),
    ("entropy_share", "top"): ("`top_entropy_share=0.43`", "`top_entropy_quantile=0.43`"),
    ("bonus", "fixed"): ("`EntropyBonus(0.1)`", "`entropy_coef=0.1`"),
    ("bonus", "adaptive"): ("`AdaptiveEntropyBonus(...)`", "`use_adaptive_entropy=True`"),
    ("off_policy", "masked"): ("`off_policy_threshold=0.02`", "`off_policy_mask_threshold=0.02`"),
    ("sampler", "known"): ("`Completion.logprobs` with noise and NaN", '`"logprobs"` of the rollout function'),
    ("sampler", "token_truncate"): ("`TokenTruncation(0.7, 1.4)`", '`vllm_importance_sampling_mode="token_truncate"`'),
    ("sampler", "token_mask"): ("`TokenMask(0.7, 1.4)`", '`vllm_importance_sampling_mode="token_mask"`'),
    ("sampler", "sequence_truncate"): (
        "`SequenceTruncation(0.7, 1.4)`",
        '`vllm_importance_sampling_mode="sequence_truncate"`',
    ),
    ("sampler", "sequence_mask"): ("`SequenceMask(0.7, 1.4)`", '`vllm_importance_sampling_mode="sequence_mask"`'),
    ("temperature", "0.7"): ("`temperature=0.7`", "`temperature=0.7`"),
}


def names() -> list[tuple[str, str, int]]:
    """Return what identifies each line of both tables: here, in TRL's words, and how many cases there are."""
    kinds = [row_of(setting) for setting in SETTINGS.values()]
    algorithms = [(title(name), row.setting(), kinds.count(name) + 1) for name, row in ROWS.items()]
    levels = [level for setting in SETTINGS.values() for level in setting.items()]
    return algorithms + [(ours, theirs, levels.count(level)) for level, (ours, theirs) in OPTIONS.items()]


def title(name: str) -> str:
    kind, _, ratio = name.partition(", ")
    return f"`{kind}`" + {"": "", "sequence": ", ratio of `GSPO`", "token": ", ratio of `GRPO`"}[ratio]


def render() -> str:
    """Train everything that is not trained yet and return both tables."""
    lines = names()
    algorithms, options = lines[: len(ROWS)], lines[len(ROWS) :]
    table = [*header("algorithm", "loss", "gradient", "gradient in float64", "weights, SGD", "weights, AdamW")]
    for name, line in zip(ROWS, algorithms, strict=True):
        mine = [errors(MATRIX[key]) for key, setting in SETTINGS.items() if row_of(setting) == name]
        case = ROW_CASES[name]
        steps = weight_errors(train_both(case)).max(), weight_errors(train_both(case, "adamw")).quantile(0.999)
        table.append(written(line, [*mine, errors(case)], errors(case, double=True).gradient, *map(float, steps)))
    table += ["", *header("option", "loss", "gradient")]
    for (factor, level), line in zip(OPTIONS, options, strict=True):
        table.append(written(line, [errors(MATRIX[key]) for key, s in SETTINGS.items() if s[factor] == level]))
    return "\n".join(table) + "\n"


def header(first: str, *figures: str) -> tuple[str, str]:
    columns = (first, "in TRL", "cases", *figures)
    return f"| {' | '.join(columns)} |", "|" + "---|" * 2 + "---:|" * (len(columns) - 2)


def written(line: tuple[str, str, int], found: Iterable[Errors], *more: float) -> str:
    found = list(found)
    figures = (max(one.loss for one in found), max(one.gradient for one in found), *more)
    assert max(figures) < 1e-4, f"not equal, so not written: {line}"
    ours, theirs, cases = line
    return f"| {ours} | {theirs} | {cases} | {' | '.join(f'{figure:.0e}' for figure in figures)} |"


def unlisted_levels() -> set[tuple[str, str]]:
    """Return levels of the matrix that no line of the second table is about, but for the plain ones."""
    plain = {(factor, "group" if factor == "scale" else next(iter(levels))) for factor, levels in FACTORS.items()}
    every = {(factor, level) for factor, levels in FACTORS.items() if factor != "algorithm" for level in levels}
    return every - plain - OPTIONS.keys()
