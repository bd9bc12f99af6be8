"""Every strategy and averaging callback with every kind of policy: saved, resumed elsewhere, equal to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import PeftModel
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn

from rlframework.loop.averaging import spare_frozen
from rlframework.testing.tiny import tiny_qwen3
from tests import forked
from tests.distributed.two_ranks import launch

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).parents[1] / "distributed" / "saving_runs.py"
PAGE = Path(__file__).parents[2] / "docs" / "many_ranks.md"
BEGIN, END = "<!-- resumed -->\n", "<!-- /resumed -->\n"

STRATEGIES = ["one process", "DDP, one rank", "DDP, two ranks", "FSDP2, one file", "FSDP2, a folder"]
AVERAGING = ["none", "EMAWeightAveraging", "WeightAveraging", "WeightAveraging(avg_fn)", "StochasticWeightAveraging"]
POLICIES = ["whole", "LoRA", "LoRA, tied head", "LoRA, modules_to_save", "PiSSA"]
ROWS = [f"{averaging}:{policy}" for averaging in AVERAGING for policy in POLICIES]
needs_averaging = pytest.mark.skipif(
    not hasattr(pl.callbacks, "EMAWeightAveraging"), reason="EMAWeightAveraging came with Lightning 2.6"
)
# Inside a rollout, and at an epoch's last step, before which StochasticWeightAveraging has begun.
INSIDE, AT_END = "3", "8"


def go(folder: Path, strategy: str, phase: str, rows: Iterable[str]) -> dict[str, Any]:
    """Return what rank 0 ended with; both end with the same."""
    if strategy in ("one process", "DDP, one rank"):
        done = forked.run(SCRIPT, folder, strategy, phase, *rows)
        assert done.returncode == 0, done.stderr
    else:
        first, second = launch(folder / phase, SCRIPT, folder, strategy, phase, *rows, seconds=600)
        for row, ended in first.items():
            assert "error" in ended or equal(ended["ended"], second[row]["ended"]), row
    return torch.load(folder / phase / "rank0.pt")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def outcomes(folder: Path, strategy: str, rows: list[str], steps: list[str]) -> dict[str, str]:
    """Train every row, go on from its checkpoints in other processes, and say in words what came of it."""
    folder.mkdir(exist_ok=True)
    whole = go(folder, strategy, "whole", rows)
    said = {row: refusal(ended["error"]) for row, ended in whole.items() if "error" in ended}
    trained = [row for row in rows if row not in said]
    resumed = {step: go(folder, strategy, step, trained) for step in steps}
    for row in trained:
        for step, ended in resumed.items():
            assert "error" not in ended[row], (row, step, ended[row])
            assert alike(ended[row], whole[row]), (row, step)
        assert whole[row]["base kept"], row
        # The average is what the run ends with.
        learned = {name: whole[row]["ended"][name] for name in whole[row]["trained"]}
        assert equal(learned, whole[row]["trained"]) is row.startswith("none:"), row
        said[row] = "equal"
    return said


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(equal(one[name], other[name]) for name in ("trained", "ended")) and one["steps"] == other["steps"]


def refusal(error: str) -> str:
    assert "averages whole weights" in error, error
    return "refused"


@needs_averaging
def test_an_average_of_an_adapter_is_resumed(tmp_path: Path) -> None:
    rows = ["EMAWeightAveraging:LoRA", "EMAWeightAveraging:PiSSA"]
    assert outcomes(tmp_path, "one process", rows, [INSIDE]) == dict.fromkeys(rows, "equal")
    saved = torch.load(tmp_path / rows[0] / "step=3.ckpt", weights_only=False)
    assert {len(saved[name]) for name in ("state_dict", "current_model_state")} == {4}
    assert all("lora_" in name for name in saved["current_model_state"])
    # What is exported after the run is the average.
    ended = torch.load(tmp_path / "whole" / "rank0.pt")[rows[0]]["ended"]
    exported = PeftModel.from_pretrained(tiny_qwen3(), tmp_path / rows[0] / "exported").state_dict()
    learned = [name for name in exported if "lora_" in name]
    assert len(learned) == 4
    assert all(torch.equal(exported[name], ended[f"model.{name}"]) for name in learned)


@needs_averaging
@pytest.mark.slow
def test_a_sharded_adapter_is_resumed_and_not_averaged(tmp_path: Path) -> None:
    rows = ["none:LoRA", "EMAWeightAveraging:LoRA"]
    assert outcomes(tmp_path, "FSDP2, a folder", rows, [INSIDE]) == dict(zip(rows, ["equal", "refused"], strict=True))


@needs_averaging
@pytest.mark.slow
def test_every_row_and_the_table_of_the_docs(tmp_path: Path) -> None:
    lines = [f"| averaging | policy | {' | '.join(STRATEGIES)} |", "| --- " * (2 + len(STRATEGIES)) + "|"]
    said = {name: outcomes(tmp_path / name, name, ROWS, [INSIDE, AT_END]) for name in STRATEGIES}
    for row in ROWS:
        averaging, policy = row.split(":")
        name = averaging if averaging == "none" else f"`{averaging}`"
        lines.append(f"| {name} | {policy} | {' | '.join(said[strategy][row] for strategy in STRATEGIES)} |")
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    measured = "\n".join(lines) + "\n"
    if os.environ.get("RLFRAMEWORK_WRITE_TABLE"):
        table = measured
        PAGE.write_text(before + begin + table + end + after)
    assert table == measured, "write it with `make tables`"


class Parts(torch.nn.Module):
    """A frozen weight, one that learns and a buffer that is no part of the state."""

    def __init__(self) -> None:
        super().__init__()
        self.base = torch.nn.Parameter(torch.rand(1000), requires_grad=False)
        self.learned = torch.nn.Parameter(torch.rand(1000))
        self.register_buffer("frequencies", torch.rand(1000), persistent=False)


@pytest.mark.parametrize("averages", [{"avg_fn": get_ema_avg_fn(0.9)}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}, {}])
@pytest.mark.parametrize("use_buffers", [True, False])
def test_frozen_weights_are_not_averaged(averages: dict[str, Any], use_buffers: bool) -> None:
    torch.manual_seed(0)
    module = Parts()
    before = {name: value.clone() for name, value in (*module.named_parameters(), *module.named_buffers())}
    average, untouched = (AveragedModel(module, use_buffers=use_buffers, **averages) for _ in range(2))
    spare_frozen(average, module, "")
    for _ in range(20):
        module.learned.data += 0.1
        average.update_parameters(module)
        untouched.update_parameters(module)
    assert average.module.base is module.base
    for name in ("base", "frequencies"):
        assert torch.equal(
            average.module.get_parameter(name) if name == "base" else average.module.frequencies, before[name]
        )
    assert torch.equal(average.module.learned, untouched.module.learned)
    # What is averaged without it is no longer what it was.
    if "avg_fn" in averages:
        assert not torch.equal(untouched.module.base, before["base"])


def test_weights_that_may_learn_later_are_averaged() -> None:
    module = Parts()
    average = AveragedModel(module)
    spare_frozen(average, module, "reference.")
    assert average.module.base is not module.base
