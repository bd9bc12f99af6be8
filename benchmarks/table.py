"""Ratios beside what they have to reach, and the facts that figures mean nothing without."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

BARS: dict[tuple[str, str, int], dict[str, float]] = {
    ("trl", "tiny", 64): {"step": 2.5, "update": 3.0, "peak_mib": 3.5},
    ("trl", "tiny", 256): {"step": 3.5, "update": 4.5, "peak_mib": 5.0},
    ("trl", "tiny", 1024): {"step": 4.5, "update": 5.5, "peak_mib": 6.0},
    ("trl", "wide", 64): {"step": 6.0, "update": 8.0, "peak_mib": 4.0},
    ("trl_compacted", "wide", 64): {"step": 2.5},
}
SIDES = {"trl": "TRL", "trl_compacted": "TRL, head compacted"}
PARTS = {
    "step": ("step", "{:.2f} s"),
    "step_cpu": ("step, CPU", "{:.2f} s"),
    "rollout": ("rollout", "{:.2f} s"),
    "update": ("forward+backward", "{:.2f} s"),
    "peak_mib": ("peak memory", "{:.0f} MiB"),
    "tokens": ("tokens read", "{:.0f}"),
}


def ratios(medians: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return how many times more than this side the others take, by side and part."""
    own = medians["rlframework"]
    return {side: {part: medians[side][part] / own[part] for part in own} for side in medians if side in SIDES}


def bars_of(body: str, prompt: int) -> dict[str, dict[str, float]]:
    """Return the least ratios wanted, by side and part; those that nothing is asked of are left out."""
    return {side: BARS.get((side, body, prompt), {}) for side in SIDES}


def verdict(ratio: float, bar: float | None) -> str:
    if bar is None:
        return ""
    return f">= {bar:.1f}  {'met' if ratio >= bar else 'MISSED'}"


def table(results: list[dict[str, Any]]) -> str:
    """Return a line for every part of every shape, and a last one with the count of bars."""
    lines = [f"{'':12}{'':21}{'':18}{'TRL':>10}{'here':>10}{'ratio':>8}  bar"]
    verdicts = []
    for result in results:
        for side, by_part in result["ratio"].items():
            bars, title = result["bars"][side], f"{result['model']} P {result['prompt_tokens']}"
            for part, (name, form) in PARTS.items():
                theirs, own = (form.format(result["median"][who][part]) for who in (side, "rlframework"))
                said = verdict(by_part[part], bars.get(part))
                verdicts.append(said)
                line = f"{title:<12}{SIDES[side]:<21}{name:<18}{theirs:>10}{own:>10}{by_part[part]:>8.2f}  {said}"
                lines.append(line.rstrip())
    met, missed = (sum(said.endswith(word) for said in verdicts) for word in ("met", "MISSED"))
    return "\n".join([*lines, f"{met} of {met + missed} bars met"])


def facts() -> dict[str, Any]:
    """Return versions, threads, date and processor."""
    names = ("torch", "transformers", "trl", "pytorch-lightning", "numpy", "rlframework")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
    }


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else 'unknown'} ({platform.machine()})"
