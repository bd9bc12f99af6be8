"""Both sides on two processes, for test_distributed.py: ``torchrun -m tests.trl.ddp_runs <folder> <case>``."""

import sys
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from tests.trl.compare import Pair, undisturbed
from tests.trl.ours import train_ours
from tests.trl.rows import ROWS
from tests.trl.runs import LEARNING_RATES, Case, Run
from tests.trl.theirs import train_theirs

# One optimizer step takes a whole rollout, so that it does not matter which of its rows TRL gives to which process.
CASES: dict[str, Case] = {
    "GRPO": ROWS["GRPO"].case(accumulate=2, evaluate=False),
    "DAPO": ROWS["DAPO"].case(accumulate=2, evaluate=False),
    "GSPO": ROWS["GSPO"].case(evaluate=False),
    "RLOO": ROWS["RLOO"].case(evaluate=False),
}


def train_on_all(case: Case, optimizer: str) -> Pair:
    ours = train_ours(case, optimizer, strategy="ddp", devices=2)
    asked: list = [None, None]
    distributed.all_gather_object(asked, ours.prompts)
    # TRL gives the first half of the prompts of a rollout to the first process.
    ours.prompts = [list(chain(*parts)) for parts in zip(*asked, strict=True)]
    return Pair(ours, train_theirs(case, optimizer, ours, list(chain(*ours.prompts)), processes=2))


def record(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in ("losses", "gradients", "weights")}


if __name__ == "__main__":
    with undisturbed():
        case = CASES[sys.argv[2]]
        results = {one: [record(run) for run in train_on_all(case, one)] for one in LEARNING_RATES}
    torch.save(results, Path(sys.argv[1]) / f"rank{distributed.get_rank()}.pt")
