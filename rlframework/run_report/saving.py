"""The run report as a file: one page of a run, or of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlframework.pages.page import page, write_page
from rlframework.run_report.charts import (
    charts_of_run,
    charts_of_runs,
    charts_of_tries,
    constants,
    plain,
    reward_histogram,
)
from rlframework.run_report.comparison import answers_of_runs, different_settings, distinct_names, final_changes
from rlframework.run_report.completions import completion_columns
from rlframework.run_report.facts import RunFacts, duration, last_shares
from rlframework.run_report.heldout import pages_of
from rlframework.run_report.settings import flat, reward_terms, sentences
from rlframework.runs.folder import RunFolder

HERE = Path(__file__).parent
STYLES = ("uPlot.min.css", "report.css")
SCRIPTS = ("uPlot.iife.min.js", "texts.js", "charts.js", "tables.js", "report.js")


def save_run_report(folders: str | Path | Sequence[str | Path], output: str | Path | None = None) -> Path:
    """Write ``report.html``, one page with all that a run folder holds; of several runs a comparison.

    It needs nothing else: it opens without a network, in any browser. Whatever is missing in the folder, of a run that
    was killed or that kept no rollouts, is missing on the page.

    Args:
        folders: A run folder, or one above it whose newest run is taken; or several.
        output: The file; by default ``report.html`` in the run folder. Of several runs it has to be given.

    Returns:
        The file.

    Raises:
        FileNotFoundError: A folder is no run folder.
        ImportError: Jinja is not installed.
        ValueError: A run is given twice, or several without ``output``.

    Example:
        >>> save_run_report("runs/chain_sums")  # doctest: +SKIP
        PosixPath('runs/chain_sums/version_0/report.html')
    """
    paths = [folders] if isinstance(folders, (str, Path)) else list(folders)
    if len(paths) > 1 and output is None:
        raise ValueError(f"the comparison of {len(paths)} runs belongs to none of their folders; say output=")
    runs = [RunFolder(path) for path in paths]
    names = distinct_names([run.path.resolve().parts for run in runs])
    facts = [RunFacts(run, name) for run, name in zip(runs, names, strict=True)]
    html = _one(facts[0]) if len(facts) == 1 else _several(facts)
    return write_page(output or runs[0].path / "report.html", html)


def _one(run: RunFacts) -> str:
    completions, histogram = completion_columns(run.rollouts), reward_histogram(run.rollouts)
    tries = charts_of_tries([row.name for row in run.evaluations], run.measures)
    data = {
        "charts": charts_of_run(run.figures, run.start, run.heldout_problems),
        "tries": tries,
        "histogram": histogram,
        "heldout": pages_of(run.answers),
        "completions": completions,
        "events": [
            {"step": event.get("step"), "kind": event.get("kind"), "source": event.get("source")}
            | {"message": event.get("message"), "time": event.get("time")}
            for event in run.events
        ],
    }
    values = {
        "run": run,
        "sentences": sentences(run.settings),
        "terms": reward_terms(run.settings),
        "settings": list(
            flat({name: run.settings.get(name) for name in ("algorithm", "data", "trainer") if run.settings.get(name)})
        ),
        "constant": [(plain(name), value) for name, value in constants(run.figures)],
        "shares": last_shares(run.figures),
        "completions": completions,
        "has_tries": bool(tries),
        "has_histogram": histogram is not None,
        "has_episodes": bool(completions and completions["turns"]),
    }
    return _page("run.html.jinja", values, data)


def _several(runs: list[RunFacts]) -> str:
    finals = [run for run in runs if run.evaluations]
    heldout = pages_of(answers_of_runs(runs))
    data = {
        "charts": charts_of_runs({run.name: run.figures for run in runs}),
        "tries": [],
        "histogram": None,
        "heldout": heldout,
        "completions": None,
        "events": [],
    }
    values = {
        "runs": runs,
        "different": different_settings(runs),
        "changes": final_changes(finals),
        "final_names": [run.name for run in finals],
        "final_measures": [run.measures[-1] for run in finals],
        "has_answers": heldout is not None and len(heldout["rows"]) > 1,
    }
    return _page("comparison.html.jinja", values, data)


def _page(template: str, values: dict[str, Any], data: dict[str, Any]) -> str:
    return page(template, values | {"duration": duration}, data, (HERE / "templates", HERE / "uplot"), STYLES, SCRIPTS)
