"""RFT or SFT? What each makes of the same base and the same few labelled problems, on a CPU.

    .venv/bin/python recipes/rft_vs_sft.py       # docs/rft_or_sft.md has the figures, and what they cost

Learning rates are chosen on a seed of their own, and of a run the step counts that does best on 64 validation problems.
A run whose line is in the results is not run again: stop the script as you like.
"""

from __future__ import annotations

import argparse
import json
import logging
from argparse import Namespace
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import transformers

from rlframework import GRPO, SFT, CausalLMPolicy, SharedPrefixSampler, rewards
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.report import Comparison, CostCurve
from rlframework.tasks import chain_sums, create_base
from rlframework.utilities.paths import writable_folder
from rlframework.utilities.whole_lines import append_lines

WAYS = {  # what each learns from, phase by phase; "computed" are other problems, whose answers are worked out
    "SFT on answers": ["answers"],
    "SFT on workings": ["workings"],
    "GRPO": ["labelled"],
    "GRPO without labels": ["computed"],
    "SFT on workings, then GRPO": ["workings", "labelled"],
    "SFT on workings, then GRPO without labels": ["workings", "computed"],
}
SUPERVISED = ("answers", "workings")
FULL = Namespace(starts=("primed", "base"), labels=(8, 64), seeds=(0, 1, 2), grpo=16, n=256)
FULL.sft, FULL.tuning, FULL.rates = {"primed": 64, "base": 128}, 10, (3e-4, 1e-3, 3e-3)
SMOKE = Namespace(starts=("primed",), labels=(8,), seeds=(0,), sft={"primed": 2}, grpo=2, n=32, tuning=0, rates=(1e-3,))
BATCH, MOST_LABELS, VALIDATION = 8, max(FULL.labels), 64
TEMPLATE, MEASURES = rewards.AnswerTemplate(), {"accuracy": rewards.CorrectAnswer()}
RULES = rewards.ExactFormat() + rewards.ApproximateFormat() + rewards.AnswerCheck() + rewards.NumberCheck()
# A constant rate, so that a run is the beginning of a longer one.
OPTIMIZER = {"schedule": "constant_with_warmup", "warmup_steps": 5, "betas": (0.9, 0.95)}
QUIET: Any = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)


def learn(start: str, way: str, labels: int, seed: int, phases: list[list[Any]], n: int) -> dict[str, Any]:
    """Train in phases, each with its steps and its learning rate; return the curve and its best step."""
    rows, heldout = chain_sums.splits(seed, MOST_LABELS + VALIDATION + 256, n)
    labelled, validation, others = rows[: labels or BATCH], rows[MOST_LABELS:-256], rows[-256:]
    policy = CausalLMPolicy(getattr(create_base(seed, progress=False), start))
    sampler = SharedPrefixSampler(group_size=8, max_tokens=chain_sums.MAX_TOKENS, seed=seed)
    asked = PromptDataModule(labelled, validation, test=heldout, template=TEMPLATE)
    splits = {"labelled": "train", "validation": "validation", "heldout": "test"}
    sets = {name: asked.tokenize(split, policy.tokenizer) for name, split in splits.items()}
    measured = {name: Comparison(each, sampler.for_evaluation(), MEASURES) for name, each in sets.items()}
    curve = CostCurve([*measured.values()], policy)
    for source, (steps, rate) in zip(WAYS[way], phases, strict=True):
        shown = [dict(row) for row in islice(cycle(others if source == "computed" else labelled), BATCH * steps)]
        options: Any = {**OPTIMIZER, "learning_rate": rate, "seed": seed}
        if source in SUPERVISED:
            for row in shown:
                row["completion"] = TEMPLATE.written(chain_sums.worked(row) * (source == "workings"), row["answer"])
            learner: Any = SFT(policy, demonstrations_per_step=BATCH, **options)
        else:
            learner = GRPO(policy, RULES, sampler, prompts_per_rollout=BATCH, **options)
        kind = DemonstrationDataModule if "completion" in shown[0] else PromptDataModule
        trainer = pl.Trainer(accelerator="cpu", max_steps=steps, gradient_clip_val=1.0, callbacks=[curve], **QUIET)
        trainer.fit(learner, kind(shown, template=TEMPLATE))
    shares = {name: [row.share("accuracy") for row in each.rows] for name, each in measured.items()}
    best = max(range(len(curve.spent)), key=shares["validation"].__getitem__)
    right = measured["heldout"].rows[best].scores["accuracy"].flatten().int().tolist()
    return {"spent": curve.spent, **shares, "best": best, "right": right}


def main(results: Path, plan: Namespace) -> None:
    """Choose what is to be chosen on one seed, and run every way on the others."""
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []

    def run(**cell: Any) -> dict[str, Any]:
        if found := [line for line in lines if cell.items() <= line.items()]:
            return found[0]
        lines.append({**cell, **learn(**cell, n=plan.n)})
        append_lines(results, f"{json.dumps(lines[-1])}\n".encode())
        print(*cell.values(), *(lines[-1][name][lines[-1]["best"]] for name in ("labelled", "heldout")), flush=True)
        return lines[-1]

    def best_rate(start: str, way: str, steps: int) -> float:
        """Return the learning rate that validates best on the seed of the choices."""
        cells = [{"start": start, "way": way, "labels": plan.labels[-1], "phases": [[steps, r]]} for r in plan.rates]
        tried = [run(**cell, seed=plan.tuning) for cell in cells]
        return max(tried, key=lambda line: line["validation"][line["best"]])["phases"][0][1]

    tuned = {(start, way): best_rate(start, way, plan.sft[start]) for start in plan.starts for way in list(WAYS)[:2]}
    grpo_rate = best_rate(plan.starts[0], "GRPO", plan.grpo)
    for seed, start, (way, sources) in product(plan.seeds, plan.starts, WAYS.items()):
        # Primed for half the steps of SFT alone, then GRPO costs about as many tokens as the other half would.
        sft = [
            [plan.sft[start] // len(sources), tuned[start, f"SFT on {each}"]] for each in sources if each in SUPERVISED
        ]
        phases = sft + [[plan.grpo, grpo_rate]] * (sources[-1] not in SUPERVISED)
        for labels in (0,) if sources == ["computed"] else plan.labels:
            run(start=start, way=way, labels=labels, seed=seed, phases=phases)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of rft_vs_sft.jsonl, a line a run")
    parser.add_argument("--smoke", action="store_true", help="a few short runs: does it run at all?")
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    main(writable_folder(options.output) / "rft_vs_sft.jsonl", SMOKE if options.smoke else FULL)
