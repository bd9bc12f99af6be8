"""Charts of a run: which figures stand together, over the optimizer steps, and how rewards were spread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

from rlframework.functional.confidence import wilson_interval

Points = tuple[Sequence[int], Sequence[float]]
# More points than a chart has pixels would only make the file larger.
MOST_POINTS = 1000
BINS, COLUMNS = 24, 80


@dataclass(frozen=True)
class Family:
    """Figures that are one chart.

    Args:
        title: Of the chart.
        about: What it shows, and how to read it.
        pattern: Of the figures' names; what its group matches is the name of the line.
        kind: ``"line"``, ``"share"`` for shares of 1, or ``"stack"`` for lines that add up.
        wide: Whether it is one of those that come first, and larger.
    """

    title: str
    about: str
    pattern: str
    kind: str = "line"
    wide: bool = False


FAMILIES = (
    Family(
        "reward", "Mean over the completions of a rollout, in total and by component.", "train/reward/(.+)", wide=True
    ),
    Family("held-out", "Mean of each measure at each validation.", "val/(?!reward$)(.+)", "share", wide=True),
    Family("held-out reward", "At each validation.", "val/reward"),
    Family("length", "Tokens that the policy sampled for a completion.", "train/completion_length"),
    Family("entropy", "Nats per token: how undecided the policy is.", "train/(entropy)"),
    Family("KL divergence", "To the reference policy, per token.", "train/kl"),
    Family("clip fractions", "Tokens whose ratio the bounds cut.", "train/clip_fraction_?(.*)", "share"),
    Family(
        "groups without spread", "All completions got one reward: nothing to learn.", "train/zero_std_groups", "share"
    ),
    Family("spread within groups", "Standard deviation of the rewards of a prompt.", "train/reward_std_in_group"),
    Family("truncated", "Completions that a limit ended.", "train/truncated", "share"),
    Family("time of a step", "Seconds, by what was done.", "train/(rollout|update|wait|publish)_seconds", "stack"),
    Family("gradient norm", "Before it is clipped.", "train/grad_norm"),
    Family("gap of sampler and policy", "In log-probability per token.", "train/sampler_gap(_max)?"),
    Family("effective sample size", "What off-policy weights leave of it.", "train/ess", "share"),
    Family("staleness", "Age of the weights that sampled.", "train/(staleness|staleness_steps)"),
    Family("abstentions", "Completions that a reward gave no score.", "train/judgement/(.+)/abstained", "share"),
    Family("errors of rewards", "Completions whose check failed.", "train/judgement/(.+)/errors", "share"),
    Family("turns of an episode", "By the policy.", "train/episode/turns"),
    Family("tool calls", "Of an episode, in all and with a fault.", "train/episode/calls/(.+)"),
    Family("how episodes ended", "Share of the episodes.", "train/episode/ended_by/(.+)", "share"),
    Family("learning rate", "As the schedule has it.", "(?:train/)?lr-?(.*)"),
)


def charts_of_run(
    figures: Mapping[str, Points], start: Mapping[str, float] | None = None, problems: int | None = None
) -> list[dict[str, Any]]:
    """Return the charts of one run, as the page draws them; figures of no family are charts of their own, at the end.

    Args:
        figures: Steps and values by name.
        start: Held-out measures before the first step.
        problems: Held-out problems of a validation, which give its shares their 95 % Wilson intervals.
    """
    figures = {name: points for name, points in figures.items() if name not in dict(constants(figures))}
    for name, share in (start or {}).items():
        if f"val/{name}" in figures and 0 not in figures[f"val/{name}"][0]:
            steps, values = figures[f"val/{name}"]
            figures[f"val/{name}"] = [0, *steps], [share, *values]
    charts = []
    for family, lines in _families(figures):
        series = {line: figures[name] for line, name in lines.items()}
        banded = problems if family.title == "held-out" else None
        charts.append(_chart(family, family.title, series, banded))
    return charts


def constants(figures: Mapping[str, Points]) -> list[tuple[str, float]]:
    """Return the figures that are the same at every step, by their names for people; held-out ones are not among them.

    Args:
        figures: Steps and values by name.

    Example:
        >>> constants({"train/truncated": ([1, 2], [0.0, 0.0]), "train/entropy": ([1, 2], [0.5, 0.4])})
        [('train/truncated', 0.0)]
    """
    return [
        (name, values[0])
        for name, (steps, values) in figures.items()
        if len(steps) > 1 and len(set(values)) == 1 and not name.startswith("val/")
    ]


def charts_of_runs(runs: Mapping[str, Mapping[str, Points]]) -> list[dict[str, Any]]:
    """Return the charts of several runs: one for each figure, with a line for each run.

    Args:
        runs: The figures of each run, by its name.
    """
    same = set.intersection(*(set(constants(figures)) for figures in runs.values()))
    everything = {name: points for figures in runs.values() for name, points in figures.items()}
    charts = []
    for family, lines in _families({name: everything[name] for name in everything if name not in dict(same)}):
        for line, name in lines.items():
            title = family.title if len(lines) == 1 else f"{family.title}: {line}"
            series = {run: figures[name] for run, figures in runs.items() if name in figures}
            # Of several lines the first is the one that comes first, and larger.
            charts.append(
                _chart(family, title, series, stack=False)
                | {"wide": family.wide and name == next(iter(lines.values()))}
            )
    return charts


def charts_of_tries(names: Sequence[str], measures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the charts of pass@k and maj@k over k, one for each measure, with a line for each evaluation.

    Args:
        names: Of the evaluations.
        measures: Their figures by measure, as `Evaluation.figures` returns them.
    """
    charts = []
    for measure in measures[-1] if measures else ():
        for kind, title in {"pass_at_k": "pass@k", "maj_at_k": "maj@k"}.items():
            found = {
                name: figures[measure][kind]
                for name, figures in zip(names, measures, strict=True)
                if figures.get(measure, {}).get(kind)
            }
            if not found:
                continue
            steps = sorted({k for tried in found.values() for k in tried})
            lines = [
                {"name": name, "values": [tried[k]["share"] if k in tried else None for k in steps]}
                | {
                    side: [tried[k]["interval"][at] if k in tried else None for k in steps]
                    for at, side in enumerate(("low", "high"))
                }
                for name, tried in found.items()
            ]
            about = "Of k answers, by k."
            charts.append(
                {
                    "title": f"{title}, {measure}",
                    "about": about,
                    "kind": "tries",
                    "wide": False,
                    "steps": steps,
                    "lines": lines,
                }
            )
    return charts


def reward_histogram(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return how the rewards of the rollouts were spread over time: the share of completions by range of reward.

    Args:
        rows: Rollouts as `RolloutWriter` wrote them.

    Returns:
        Steps of the columns, edges of the ranges, and for each column the shares; None without two different rewards.

    Example:
        >>> rows = [{"step": step, "reward": reward} for step in (0, 1) for reward in (0.0, 1.0, 1.0, 1.0)]
        >>> found = reward_histogram(rows)
        >>> found["steps"], found["shares"][0][0], found["shares"][0][-1]
        ([0, 1], 0.25, 0.75)
    """
    scored = [
        (row.get("step", row.get("rollout", 0)), reward)
        for row in rows
        if isinstance(reward := row.get("reward"), (int, float)) and isfinite(reward)
    ]
    rewards = [reward for _, reward in scored]
    if not rewards or min(rewards) == max(rewards):
        return None
    low, high = min(rewards), max(rewards)
    width = (high - low) / BINS
    steps = sorted({step for step, _ in scored})
    size = -(-len(steps) // COLUMNS)
    column = {step: place // size for place, step in enumerate(steps)}
    counts = [[0] * BINS for _ in range(-(-len(steps) // size))]
    for step, reward in scored:
        counts[column[step]][min(int((reward - low) / width), BINS - 1)] += 1
    return {
        "steps": steps[::size],
        "edges": [round(low + width * place, 6) for place in range(BINS + 1)],
        "shares": [[round(n / max(sum(counted), 1), 4) for n in counted] for counted in counts],
    }


def _families(figures: Mapping[str, Points]) -> list[tuple[Family, dict[str, str]]]:
    """Return the families that have figures, each with its figures' names by the name of the line."""
    left = dict.fromkeys(name for name, (steps, _) in figures.items() if len(steps))
    found = []
    for family in FAMILIES:
        lines = {}
        for name in list(left):
            if match := re.fullmatch(family.pattern, name):
                line = (match[1] if match.lastindex else "") or family.title
                lines[line.strip("_")] = name
                del left[name]
        if lines:
            found.append((family, dict(sorted(lines.items(), key=lambda item: item[0] != "total"))))
    return [*found, *((Family(plain(name), "", re.escape(name)), {plain(name): name}) for name in left)]


def plain(name: str) -> str:
    """Return a figure's name for people.

    Args:
        name: As it was logged.

    Example:
        >>> plain("train/judgement/answer_check/abstained")
        'answer check: abstained'
    """
    return name.removeprefix("train/").replace("judgement/", "").replace("/", ": ").replace("_", " ")


def _chart(
    family: Family, title: str, series: Mapping[str, Points], problems: int | None = None, stack: bool = True
) -> dict[str, Any]:
    values = {line: dict(zip(*points, strict=True)) for line, points in series.items()}
    steps = sorted({step for points in values.values() for step in points})
    size = -(-len(steps) // MOST_POINTS)
    blocks = [steps[start : start + size] for start in range(0, len(steps), size)]
    about = family.about + f" Each point is the mean of {size} steps." * (size > 1)
    lines = []
    for line, points in values.items():
        means = [_mean([points[step] for step in block if step in points]) for block in blocks]
        lines.append({"name": line, "values": means, **_band(means, problems)})
    kind = "line" if family.kind == "stack" and not stack else family.kind
    shares = [one for line in lines for one in line["values"] if one is not None]
    if kind == "share" and not all(0 <= one <= 1 for one in shares):
        kind = "line"
    if any("low" in line for line in lines):
        about += f" Bands: 95 % Wilson intervals of {problems:,} problems."
    return {
        "title": title,
        "about": about.strip(),
        "kind": kind,
        "wide": family.wide,
        "steps": [block[-1] for block in blocks],
        "lines": lines,
    }


def _band(means: Sequence[float | None], problems: int | None) -> dict[str, Any]:
    if problems is None or not all(mean is None or 0 <= mean <= 1 for mean in means):
        return {}
    bounds = [None if mean is None else wilson_interval(mean * problems, problems) for mean in means]
    return {
        "low": [bound and round(bound[0], 4) for bound in bounds],
        "high": [bound and round(bound[1], 4) for bound in bounds],
    }


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not isnan(value)]
    return float(f"{sum(known) / len(known):.6g}") if known else None
