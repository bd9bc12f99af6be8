"""One GRPO step here and in TRL, alternating in one process: same model, prompts and lengths of completions.

    make bench                          # every shape; most of an hour, and most of that TRL's with the wide model
    make bench ARGS="--only tiny:64,wide:64 --json some.json"
    make bench ARGS="--only real"       # a real pretrained model, see real.py
    make bench ARGS="--only episodes"   # turns with a tool between them, see episodes.py
    make bench-quick                    # tiny, prompts of 64 and 256 tokens: less than a minute

Real ``trl.GRPOTrainer.train()`` against real ``pl.Trainer.fit(GRPO(...))``: 4 prompts x 8 completions, no KL term, one
step per rollout, AdamW, the same clip, the same rewards, which differ in every group. Both sides run once before
anything counts, so that neither is charged for what Python loads late. Seconds are medians over steps, the first of
each run left out: here it also holds the proofs of the fast paths. Memory is the peak of the resident set above that
before the run, the median over runs.

On a CPU TRL projects prompts and padding onto the vocabulary too, which it does not on a GPU. With a large vocabulary
that is most of its step, so there the table also has TRL without it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import episodes
import real
from measure import Figures, joined, measured, medians, quiet
from ours import train_ours
from table import bars_of, facts, ratios, table
from theirs import train_trl, train_trl_compacted
from work import PROMPTS, Shape, Work, prepared

SHAPES = [Shape("tiny", 64), Shape("tiny", 256), Shape("tiny", 1024), Shape("wide", 64), Shape("wide", 256)]
QUICK = SHAPES[:2]
# (runs, measured steps of each). A wide step of TRL takes minutes, and its memory hardly differs from run to run.
LENGTHS = {"tiny": (3, 3), "wide": (1, 5)}
QUICK_LENGTH = (1, 5)
RESULTS = Path(__file__).parent / "results" / "cpu.json"
Train = Callable[[Work, Figures], None]


def sides_for(shape: Shape) -> dict[str, Train]:
    compacted: dict[str, Train] = {"trl_compacted": train_trl_compacted} if shape.body == "wide" else {}
    return {"trl": train_trl, **compacted, "rlframework": train_ours}


def compare(shape: Shape, runs: int, steps: int) -> dict[str, Any]:
    """Return the figures of all sides, their medians, and how many times more than this side TRL takes."""
    sides = sides_for(shape)
    figures: dict[str, list[Figures]] = {name: [] for name in sides}
    with prepared(shape, steps + 1) as work:
        for _ in range(runs):
            for name, train in sides.items():
                figures[name].append(measured(train, work))
    every = {name: joined(of_side) for name, of_side in figures.items()}
    middle = {name: medians(parts) for name, parts in every.items()}
    return {
        "model": shape.body,
        "prompt_tokens": shape.prompt,
        "prompts": PROMPTS,
        "group_size": shape.group,
        "completion_tokens": int(work.ends.sum()),
        "longest_completion": work.longest,
        "runs": runs,
        "steps": steps,
        "ratio": ratios(middle),
        "bars": bars_of(shape.body, shape.prompt),
        "median": middle,
        "figures": every,
    }


def prepare_process(threads: int) -> None:
    """Make the process quiet, and load what either side loads late."""
    torch.set_num_threads(threads)
    quiet()
    compare(Shape("tiny", 8, completion=8), runs=1, steps=1)


def shapes_named(text: str) -> list[Shape]:
    """Return the shapes of ``"tiny:64,wide:64"``."""
    pairs = [name.partition(":") for name in text.split(",")]
    return [Shape(body, int(prompt)) for body, _, prompt in pairs]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny, prompts of 64 and 256 tokens, one run of 5 steps")
    parser.add_argument("--only", help="these shapes alone, such as tiny:64,wide:64; or real, or episodes")
    parser.add_argument("--runs", type=int, help="runs of every side, in turn (default: 3, of wide models 1)")
    parser.add_argument("--steps", type=int, help="measured steps of each run (default: 3, of wide models 5)")
    parser.add_argument("--threads", type=int, default=1, help="of torch; 1, since a core that is shared slows more")
    whole = f"of whole runs {RESULTS.relative_to(RESULTS.parents[2])} and real_cpu.json, else none"
    parser.add_argument("--rows", type=int, default=64, help="of a step that TRL takes at a time (with --only real)")
    parser.add_argument("--sides", help="some of them (with --only real), such as 'TRL bfloat16,here bfloat16'")
    parser.add_argument("--json", type=Path, help=f"write the figures here (default: {whole})")
    return parser.parse_args()


def main() -> None:
    options = parse()
    if options.only == "real":
        path = options.json or (None if options.sides else real.RESULTS)
        names = options.sides.split(",") if options.sides else []
        real.compare(options.rows, options.threads, names, options.steps, path)
        return
    if options.only == "episodes":
        torch.set_num_threads(options.threads)
        quiet()
        episodes.compare(options.runs or 5, options.json or episodes.RESULTS)
        return
    prepare_process(options.threads)
    results = []
    for shape in shapes_named(options.only) if options.only else (QUICK if options.quick else SHAPES):
        runs, steps = QUICK_LENGTH if options.quick else LENGTHS[shape.body]
        results.append(compare(shape, options.runs or runs, options.steps or steps))
        print(f"{shape} done", flush=True)
    path = options.json or (None if options.only or options.quick else RESULTS)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**facts(), "results": results}, indent=2) + "\n")
        print(f"figures in {path}")
    print(table(results))
    for result in results:
        if (result["model"], result["prompt_tokens"]) == ("tiny", 256):
            print(f"step_ratio_tiny256={result['ratio']['trl']['step']:.2f}")
            print(f"memory_ratio_tiny256={result['ratio']['trl']['peak_mib']:.2f}")


if __name__ == "__main__":
    main()
