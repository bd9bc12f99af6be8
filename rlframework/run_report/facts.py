"""Facts of a run for its report: plain values, read from the run folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import isfinite
from typing import Any, Literal, TypeGuard

from rlframework.report.evaluation import Evaluation
from rlframework.run_report.charts import plain
from rlframework.run_report.heldout import Change, changes_of, evaluations_of, measures_of
from rlframework.run_report.settings import name_of
from rlframework.runs.folder import RunFolder

Mood = Literal["good", "bad", "warn", ""]


@dataclass(frozen=True)
class Card:
    """A figure that comes first.

    Args:
        label: What it is.
        figure: As text.
        note: What else is to be known of it.
        mood: Its colour.
    """

    label: str
    figure: str
    note: str = ""
    mood: Mood = ""


class RunFacts:
    """Facts that a run folder holds of its run; each part is read once.

    Args:
        run: The run folder.
        name: What the run is called, by default the last two folders of its path.
    """

    def __init__(self, run: RunFolder, name: str | None = None) -> None:
        self.run = run
        self.name = name or "/".join(run.path.resolve().parts[-2:])

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings of the run, from ``run.json``."""
        return self.run.settings

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Measures before and after, from ``summary.json``."""
        return self.run.summary

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Steps and values by name."""
        return self.run.figures()

    @cached_property
    def rollouts(self) -> list[dict[str, Any]]:
        """Every completion that the run learned from."""
        return self.run.rollouts()

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """What happened, in its order."""
        return self.run.events()

    @cached_property
    def answers(self) -> dict[str, list[dict[str, Any]]]:
        """Held-out answers by row of the table."""
        return self.run.evaluations()

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The rows of the table."""
        return evaluations_of(self.answers)

    @cached_property
    def measures(self) -> list[dict[str, Any]]:
        """The figures of every row of the table, by measure."""
        return [measures_of(evaluation) for evaluation in self.evaluations]

    @cached_property
    def changes(self) -> list[Change]:
        """Paired differences of each row of the table to the one before, and of the last to the first."""
        last = len(self.evaluations) - 1
        pairs = [(place, place + 1) for place in range(last)] + [(0, last)] * (last > 1)
        return changes_of(self.evaluations, pairs)

    @property
    def status(self) -> tuple[str, Mood]:
        """How the run ended, and whether that is well."""
        kinds = [event for event in self.events if event.get("kind") in ("start", "resume", "exception", "end")]
        if not kinds:
            return "no record of how it ended", ""
        last = kinds[-1]
        if last["kind"] == "end":
            stopped = str(last.get("message", "")).startswith("stopped")
            return ("stopped before its time", "warn") if stopped else ("finished", "good")
        if last["kind"] == "exception":
            return f"ended by {last.get('source') or 'an exception'}", "bad"
        return "still going on, or was killed", "warn"

    @property
    def troubles(self) -> list[dict[str, Any]]:
        """Warnings, what sentinels said, and exceptions."""
        return [event for event in self.events if event.get("kind") in ("warning", "sentinel", "exception")]

    @property
    def started(self) -> str:
        """When it started, for people."""
        try:
            return f"{datetime.fromisoformat(str(self.settings.get('started'))):%Y-%m-%d %H:%M} UTC"
        except ValueError:
            return ""

    @property
    def seconds(self) -> float | None:
        """Time of training: as the recipe took it, else from the first event to the last."""
        if _is_number(given := self.summary.get("seconds_training")):
            return float(given)
        times = [event["time"] for event in self.events if _is_number(event.get("time"))]
        return max(times) - min(times) if len(times) > 1 else None

    @property
    def steps(self) -> int:
        """Optimizer steps that the figures reach."""
        return max((steps[-1] for steps, _ in self.figures.values() if len(steps)), default=0)

    @property
    def time_split(self) -> dict[str, float]:
        """Seconds by what was done, as logged; the rest of `seconds` is validation, checkpoints and all else."""
        names = {"rollout_seconds": "rollouts", "wait_seconds": "waiting", "update_seconds": "updates"}
        split = {
            said: float(sum(filter(isfinite, self.figures[f"train/{name}"][1])))
            for name, said in names.items()
            if f"train/{name}" in self.figures
        }
        if split and self.seconds and self.seconds > sum(split.values()):
            split["validation and the rest"] = self.seconds - sum(split.values())
        return split if sum(split.values()) else {}

    @property
    def cost(self) -> list[tuple[str, str]]:
        """What the run took, and the machine that it took it of."""
        numbers = {name: value for name, value in self.summary.items() if _is_number(value)}
        said = [(label, duration(numbers[name])) for name, label in _SECONDS.items() if name in numbers]
        if "peak_mib" in numbers:
            said.append(("peak memory of the process", f"{numbers['peak_mib']:,.0f} MiB"))
        machine = self.settings.get("hardware") or {}
        return said + [(name, name_of(value)) for name, value in machine.items() if value]

    @property
    def origin(self) -> list[tuple[str, str]]:
        """Where the run comes from: commit, command, folder and versions."""
        commit, command = self.settings.get("commit"), self.settings.get("command")
        versions = self.settings.get("versions") or self.summary.get("library_versions") or {}
        said = [("commit", commit), ("command", command and " ".join(map(str, command))), ("folder", self.run.path)]
        return [(label, str(value)) for label, value in [*said, *versions.items()] if value]

    @property
    def start(self) -> dict[str, float]:
        """Held-out measures where training started: the row before the last."""
        if len(self.measures) < 2:
            return {}
        return {measure: found["mean"] for measure, found in self.measures[-2].items()}

    @property
    def heldout_problems(self) -> int | None:
        """Problems of a validation: as the run wrote it down; None where it did not."""
        found = self.settings.get("heldout_problems")
        return found if isinstance(found, int) and found > 0 else None

    @property
    def cards(self) -> list[Card]:
        """The figures that come first."""
        return [card for card in (self._accuracy(), self._reward(), *self._work(), self._troubled()) if card]

    def _accuracy(self) -> Card | None:
        if len(self.evaluations) > 1 and self.changes:
            measure = next(iter(self.measures[-1]))
            before, after = (found[measure]["mean"] for found in self.measures[-2:])
            change = next(one for one in self.changes if one.after == self.evaluations[-1].name)
            low, high = change.interval
            mood: Mood = "good" if low > 0 else "bad" if high < 0 else ""
            note = f"{change.mean:+.3f} [{low:+.3f}, {high:+.3f}], {change.problems:,} problems"
            return Card(f"held-out {measure}", f"{before:.3f} → {after:.3f}", note, mood)
        name = next((name for name in self.figures if name.startswith("val/") and name != "val/reward"), "val/reward")
        return self._first_and_last(name, f"held-out {name.removeprefix('val/')}", "first and last validation")

    def _reward(self) -> Card | None:
        return self._first_and_last("train/reward/total", "reward", "mean of the first and the last rollout")

    def _first_and_last(self, name: str, label: str, note: str) -> Card | None:
        values = self.figures.get(name, ((), ()))[1]
        return Card(label, f"{values[0]:.3g} → {values[-1]:.3g}", note) if len(values) else None

    def _work(self) -> list[Card]:
        cards = [
            Card("optimizer steps", f"{self.steps:,}", f"{len(self.rollouts):,} completions" * bool(self.rollouts))
        ]
        if self.seconds is not None:
            split = {name: seconds for name, seconds in self.time_split.items() if name in ("rollouts", "updates")}
            shares = ", ".join(
                f"{seconds / self.seconds:.0%} {name}" for name, seconds in split.items() if self.seconds
            )
            cards.append(Card("training", duration(self.seconds), shares))
        if _is_number(peak := self.summary.get("peak_mib")):
            cards.append(
                Card("peak memory", f"{peak:,.0f} MiB" if peak < 10_240 else f"{peak / 1024:.1f} GiB", "of the process")
            )
        return cards

    def _troubled(self) -> Card | None:
        if not self.events:
            return None
        kinds = [event["kind"] for event in self.troubles]
        note = ", ".join(f"{kinds.count(kind)} {said}" for kind, said in _SAID.items() if kind in kinds)
        return Card("warnings and errors", f"{len(kinds):,}", note, "warn" if kinds else "")


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and isfinite(value)


_SECONDS = {"cpu_seconds": "CPU time", "seconds_base": "time to make the base"}
_SAID = {"warning": "of libraries", "sentinel": "of sentinels", "exception": "of exceptions"}


def duration(seconds: float) -> str:
    """Return a time for people.

    Args:
        seconds: The time.

    Example:
        >>> duration(7.25), duration(130), duration(7300), duration(200_000)
        ('7.2 s', '2 min 10 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, part, smaller in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {part}"
    return f"{whole} s"


def last_shares(figures: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> list[tuple[str, float, float]]:
    """Return truncation, abstentions and errors of completions: what it is, the mean over the run, and the last one.

    Args:
        figures: Steps and values by name.
    """
    found = []
    for name, (_, values) in figures.items():
        known = [value for value in values if isfinite(value)]
        if known and (name == "train/truncated" or name.endswith(("/abstained", "/errors", "/counted_as_0"))):
            found.append((plain(name), sum(known) / len(known), known[-1]))
    return found
