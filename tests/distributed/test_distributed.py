"""Two processes learn what one does."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor

from rlframework.utilities.distributed import average_shards
from tests.distributed import two_ranks

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).with_name("distributed_runs.py")
Results = dict[str, Any]


def launch(folder: Path, *kinds: str, seconds: int = 300) -> list[Results]:
    """Run some kinds on two processes; return what either rank ended with."""
    return two_ranks.launch(folder, SCRIPT, folder, *kinds, seconds=seconds)


def alone(folder: Path, kind: str) -> Results:
    """Return what one process ends with."""
    return runpy.run_path(str(SCRIPT))["run"](kind, folder, devices=1)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    return launch(tmp_path_factory.mktemp("two"), "learn", "resume", "prime", "adapter")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    kinds = [*EQUAL, *REFUSED, "sharded adapter", "adapter, kept whole"]
    return launch(tmp_path_factory.mktemp("sharded"), *kinds)


# As FSDP2 is applied; the second as with a backend that adds gradients up where it should average them.
EQUAL = ["sharded", "sharded by sums", "sharded as one", "sharded, kept whole"]
REFUSED = {
    "without the head": r"model.model.embed_tokens.weight is in none of them \(3 weights are not\): each rank would",
    "around the model": r"FSDP2 has reduced no gradient of model.model.embed_tokens.weight",
}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return alone(tmp_path_factory.mktemp("one"), "learn")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_reach_the_weights_of_one(one: Results, two: list[Results], accumulate: int) -> None:
    first, second = (rank["learn"][accumulate]["weights"] for rank in two)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, one[accumulate]["weights"], rtol=1e-6, atol=1e-6)
    start = torch.nn.utils.parameters_to_vector(runpy.run_path(str(SCRIPT))["tiny_policy"]().parameters())
    assert (first - start).abs().max() > 1e-2


def test_two_processes_are_primed_as_one(tmp_path: Path, two: list[Results]) -> None:
    expected = alone(tmp_path, "prime")
    first, second = (rank["prime"] for rank in two)
    assert torch.equal(first["weights"], second["weights"])
    torch.testing.assert_close(first["weights"], expected["weights"], rtol=1e-6, atol=1e-6)
    assert first["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert first["validation"] == pytest.approx(expected["validation"], rel=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_metrics_are_over_all_ranks(one: Results, two: list[Results], accumulate: int) -> None:
    expected, logged = one[accumulate]["logged"], two[0]["learn"][accumulate]["logged"]
    assert [row["step"] for row in logged] == [row["step"] for row in expected] == ["0", "1", "2"]
    timed = {"train/rollout_seconds", "train/update_seconds"}
    for row, same in zip(logged, expected, strict=True):
        assert row.keys() == same.keys()
        for name in {name for name in same if name.startswith("train/")} - timed:
            assert float(row[name]) == pytest.approx(float(same[name]), rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("accumulate", [1, 2])
def test_validation_is_over_all_ranks(one: Results, two: list[Results], accumulate: int) -> None:
    expected = one[accumulate]["validation"]
    assert 0 < expected["val/accuracy"] < 1
    assert 0 < expected["val/reward"] < 1
    for rank in two:
        assert rank["learn"][accumulate]["validation"] == pytest.approx(expected)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_is_on_record_in_the_folder_of_the_logger(two: list[Results], accumulate: int) -> None:
    """Ranks ask for the folder together, as the Trainer tells them what rank 0 has."""
    written = {"run.json", "events.jsonl", "rollouts-0.jsonl", "rollouts-1.jsonl", "metrics.csv"}
    assert written <= set(two[0]["learn"][accumulate]["files"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_rank_zero_alone_shows_samples_and_they_are_its_own(one: Results, two: list[Results], accumulate: int) -> None:
    def rows(result: Results, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in result["tables"][name].splitlines()]

    alone, first = one[accumulate], two[0]["learn"][accumulate]
    # Every other held-out prompt is rank 0's, and its answer is the one that a run alone gets.
    assert [row["prompt_index"] for row in rows(first, "heldout")[-4:]] == [0, 2, 4, 6]
    answers = {row["prompt_index"]: row["completion"] for row in rows(alone, "heldout")[-4:]}
    shared = [row for row in rows(first, "heldout")[-4:] if row["prompt_index"] in answers]
    assert [row["completion"] for row in shared] == [answers[row["prompt_index"]] for row in shared] != []
    assert [row["chosen"] for row in rows(first, "rollout")[:4]] == ["best", "best", "worst", "worst"]
    assert len(rows(first, "rollout")) == len(rows(alone, "rollout"))


@pytest.mark.parametrize("step", [1, 4])
def test_resuming_on_two_ranks_is_bit_exact(two: list[Results], step: int) -> None:
    """Inside a rollout and between two, of four steps each; the ranks drop out with random numbers of their own."""
    for rank in two:
        assert torch.equal(rank["resume"]["ends"][step], rank["resume"]["ends"][None])
        assert rank["resume"]["rollouts"] == {None: [0, 1, 2], 1: [1, 2], 4: [1, 2]}


def test_a_sharded_policy_reaches_the_weights_of_a_whole_one(tmp_path: Path, sharded: list[Results]) -> None:
    expected = alone(tmp_path, "sharded")["weights"]
    for rank in sharded:
        for kind in EQUAL:
            torch.testing.assert_close(rank[kind]["weights"], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_of_which_fsdp2_averages_no_gradient_are_refused(kind: str, sharded: list[Results]) -> None:
    for rank in sharded:
        assert re.search(REFUSED[kind], rank[kind]["error"]), rank[kind]["error"]


@pytest.mark.filterwarnings("error::FutureWarning")
def test_whether_shards_are_averaged_is_tried_where_their_mesh_is() -> None:
    """Offloaded parameters lie elsewhere, such as on the CPU, for which the ranks of GPUs have no backend."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        shard = distribute_tensor(torch.ones(2), init_device_mesh("cpu", (1,)))
        offloaded = torch.empty(2, device="meta")
        assert not average_shards(nn.ParameterList([offloaded, shard]))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("kind", ["adapter", "sharded adapter", "adapter, kept whole"])
def test_an_adapter_learns_on_two_ranks_what_it_learns_on_one(
    tmp_path: Path, two: list[Results], sharded: list[Results], kind: str
) -> None:
    expected = alone(tmp_path, "adapter")
    start = torch.nn.utils.parameters_to_vector(runpy.run_path(str(SCRIPT))["adapted_policy"]().parameters())
    moved = (expected["weights"] - start).abs()
    assert moved[expected["learned"]].max() > 1e-2
    assert moved[~expected["learned"]].max() == 0
    first, second = (rank[kind] for rank in (two if kind == "adapter" else sharded))
    assert torch.equal(first["weights"], second["weights"])
    torch.testing.assert_close(first["weights"], expected["weights"], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_ranks_of_a_sharded_policy_may_sample_for_different_times(tmp_path: Path) -> None:
    expected = alone(tmp_path, "ragged")["weights"]
    for rank in launch(tmp_path, "ragged", seconds=60):
        torch.testing.assert_close(rank["ragged"]["weights"], expected, rtol=1e-6, atol=1e-6)
