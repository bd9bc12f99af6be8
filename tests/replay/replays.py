"""A replay that was put together by hand, with a completion that tries to act on whoever shows it."""

from __future__ import annotations

from typing import Any

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.replay import Pair, Replay, ReplayedCompletion
from rlframework.turns import Turn

HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(2)',
    "</pre></span><img src=x onerror=alert(3)>",
    "\x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe",
    "{{ 7 * 7 }}{% raw %}",
    "[bold red]markup[/]",
    "\n",
    "&lt;",
]


def completion(
    pieces: list[str], advantage: float, ratios: list[float], prompt: str = "<b>?</b>", **options: Any
) -> ReplayedCompletion:
    ids = list(range(len(pieces)))
    terms = {
        "advantage": [advantage] * len(ids),
        "ratio": ratios,
        "slope": [-advantage * ratio for ratio in ratios],
        "entropy": [0.5] * len(ids),
        "clip_fraction_low": [float(ratio < 0.8 and advantage < 0) for ratio in ratios],
        "clip_fraction_high": [float(ratio > 1.2 and advantage > 0) for ratio in ratios],
    }
    answer = Completion(Prompt([1], prompt), ids, "".join(pieces), "stop", **options)
    return ReplayedCompletion(
        answer, Pair(1.0, 1.0), {"<i>": Pair(1.0, 1.0)}, Pair(advantage, advantage), pieces, terms
    )


def replayed(tame: bool = False, **changes: Any) -> Replay:
    quiet = [1.0] * len(HOSTILE)
    rows = [
        completion(["x"] * len(HOSTILE) if tame else HOSTILE, 2.0, [1.5, *quiet[1:]]),
        completion(
            ["a", "b", "c"],
            -1.0,
            [0.5, 2.0, 1.0],
            turns=[Turn(0, 1, "policy", "a"), Turn(1, 2, "environment", "b"), Turn(2, 3, "policy", "c")],
        ),
        completion(["d"], 0.0, [1.0], prompt="second"),
        completion(["e"], 0.0, [1.0], prompt="second"),
    ]
    figures = {"entropy": Pair(0.5, 0.5), "kl": Pair(0.25, 0.75), "new": Pair(None, 3.0)}
    given = {
        "step": 7,
        "rollout": 3,
        "group_size": 2,
        "weights": "those of <last>.ckpt",
        "exact": True,
        "completions": rows,
        "figures": figures,
        "remarks": ["left out: <x>"],
    }
    return Replay(**{**given, **changes})
