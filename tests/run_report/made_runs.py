"""Run folders made by hand, as callbacks and recipes leave them: of any size, with what a policy should not say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

# What a careless page runs, ends, turns round or trips over.
HOSTILE = [
    "</script><script>window.planted = 1</script>",
    "<img src=x onerror='window.planted = 2'>",
    "<!--<script>",
    "]]></style><svg onload=window.planted=3>",
    "right to left \u202egnorw\u202c and \u2066isolated\u2069",
    "control \x00\x07\x1b[31m and \u200bno width, \u2028 line",
    "half a character \ud83d",
    "\"quotes\" 'and' `ticks` ${window.planted = 4} {{ 7 * 7 }} {% raw %}",
    "",
]
WORDS = ["so", "the", "sum", "is", "therefore", "seven", "plus", "eight", "minus", "two", "which", "gives", "hence"]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def completion(number: int, random: Random, words: int) -> dict[str, Any]:
    reward, hostile = round(random.gauss(number / 5000, 1), 3), number < len(HOSTILE)
    text = HOSTILE[number] if hostile else f"number {number}: " + " ".join(random.choices(WORDS, k=words))
    return {
        "rollout": number // 128,
        "attempt": 1,
        "step": number // 128,
        "prompt_index": number // 8,
        "row": {"answer": str(number % 19)},
        "prompt": f"user: what is {number // 8} + 1?\nassistant:",
        "completion": text,
        "completion_ids": list(range(words)),
        "stop_reason": "length" if number % 50 == 7 else "stop",
        "reward": None if number % 200 == 9 else reward,
        "rewards": {"right": float(reward > 0), "layout": round(reward / 2, 3)},
        "details": {},
        "advantage": round(reward / 3, 4),
    }


def episode(number: int, random: Random) -> dict[str, Any]:
    call = {"name": "look", "arguments": {"key": "f"}, "fault": "unknown", "result": "no such tool <b>look</b>"}
    turns = [
        {"by": "policy", "text": f"look(f) {number}", "calls": [call], "reward": 0.5, "start": 0, "end": 4},
        {"by": "environment", "text": "It \u202eleads to 7", "calls": [], "reward": 0.0, "start": 4, "end": 9},
        {"by": "policy", "text": "It is 7", "calls": [], "reward": 1.0, "start": 9, "end": 12},
    ]
    return completion(number, random, 12) | {"completion": "It is 7", "turns": turns, "stop_reason": "environment"}


def answer(name: str, place: int, right: bool, try_: int = 0, text: str | None = None) -> dict[str, Any]:
    said = f"{name} says {place if right else place + 1}" if text is None else text
    return {
        "name": name,
        "prompt_index": place,
        "prompt": f"user: what is {place}?\nassistant:",
        "expected": str(place),
        "completion": f"{said} #{try_}" if try_ else said,
        "tokens": 5 + try_,
        "stop_reason": "stop",
        "scores": {"accuracy": float(right), "format": 1.0},
    }


def made_run(
    folder: Path,
    completions: int = 256,
    words: int = 12,
    tries: int = 1,
    problems: int = 40,
    episodes: bool = False,
    learning_rate: float = 1e-3,
) -> Path:
    """A finished run: before training 10 of 40 problems are right, afterwards 32, of which 2 were right and are not."""
    folder.mkdir(parents=True)
    random = Random(0)
    steps = max(20, completions // 128)
    names = ["train/reward/total", "train/reward/right", "train/entropy", "train/kl", "train/clip_fraction_low"]
    names += ["train/zero_std_groups", "train/truncated", "train/completion_length", "train/rollout_seconds"]
    names += ["train/update_seconds", "train/judgement/right/abstained", "train/judgement/right/errors", "val/accuracy"]
    rows = [",".join(["step", *names])]
    for step in range(steps):
        values = [f"{random.random() + step / steps:.4f}" for _ in names[:-2]]
        rows.append(",".join([str(step), *values, "0.0", f"{step / steps:.3f}" if step % 5 == 4 else ""]))
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    make = episode if episodes else lambda number, random: completion(number, random, words)
    write_lines(folder / "rollouts.jsonl", (make(number, random) for number in range(completions)))
    right = {"base": range(10), "+ GRPO": range(2, 34)}
    write_lines(
        folder / "evaluations.jsonl",
        (
            answer(name, place, (place in right[name]) != (try_ % 3 == 2), try_, HOSTILE[place] if place < 4 else None)
            for name in right
            for place in range(problems)
            for try_ in range(tries)
        ),
    )
    said = [
        ("start", "Trainer", "GRPO begins"),
        ("warning", "UserWarning", HOSTILE[0]),
        ("sentinel", "NoSpread", "no spread"),
    ]
    said += [("end", "Trainer", f"finished after {steps} optimizer steps")]
    events = [
        {"time": 1.7e9 + 60 * place, "step": place, "kind": kind, "source": source, "message": message}
        for place, (kind, source, message) in enumerate(said)
    ]
    write_lines(folder / "events.jsonl", events)
    arguments = {"learning_rate": learning_rate, "prompts_per_rollout": 16, "seed": 3}
    arguments["sampler"] = {
        "class_path": "rlframework.SharedPrefixSampler",
        "init_args": {"group_size": 8, "max_tokens": 64},
    }
    settings = {
        "started": "2026-01-02T03:04:05+00:00",
        "command": ["train.py", "--seed", "3"],
        "algorithm": {"class_path": "rlframework.GRPO", "init_args": arguments},
        "versions": {"torch": "2.13.0"},
        "commit": "0123456789ab-dirty",
        "hardware": {"processor": "x86_64", "cores": 2, "gpus": []},
        "heldout_problems": problems,
    }
    (folder / "run.json").write_text(json.dumps(settings))
    (folder / "summary.json").write_text(json.dumps({"seconds_training": 130.0, "peak_mib": 812.5}))
    return folder
