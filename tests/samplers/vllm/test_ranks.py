"""Two ranks and one server: the first saves and loads, an error of one is an error of both, shards are gathered."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from rlframework.samplers.vllm.altered import VISIBLE
from rlframework.samplers.vllm.disguise import disguised
from tests.distributed.two_ranks import launch
from tests.samplers.vllm.recording import PROMPTS
from tests.samplers.vllm.tiny_qwen import model

pytestmark = pytest.mark.distributed


def on_two_ranks(replay, folder, kind):
    return launch(folder, "-m", "tests.samplers.vllm.ranks", replay.url, folder, kind)


def test_the_first_rank_brings_the_weights_over_for_both(replay, sampler, adapted, tmp_path):
    ranks = on_two_ranks(replay, tmp_path, "replicas")
    assert ranks[0]["version"] == ranks[1]["version"]
    assert len(replay.adapters_given()) == 1
    together = [row.ids for row in sampler().sample(adapted, PROMPTS)]
    assert ranks[0]["ids"] == [ids for prompt in (0, 2, 4) for ids in together[3 * prompt : 3 * prompt + 3]]
    assert ranks[1]["ids"] == [ids for prompt in (1, 3, 5) for ids in together[3 * prompt : 3 * prompt + 3]]


def test_an_error_of_the_first_is_an_error_of_both(replay, tmp_path):
    replay.before = lambda path, body: (400, {"error": "no"}) if path == "/v1/load_lora_adapter" else None
    ranks = on_two_ranks(replay, tmp_path, "replicas")
    assert "status 400" in ranks[0]["error"]
    assert ranks[1]["error"].startswith("RuntimeError: rank 0 failed: ServerError")


def test_replicas_that_have_come_apart_are_refused(replay, tmp_path):
    ranks = on_two_ranks(replay, tmp_path, "apart")
    for rank in ranks:
        assert "ranks hold different weights" in rank["error"]


def test_shards_are_gathered(replay, tmp_path):
    ranks = on_two_ranks(replay, tmp_path, "sharded")
    assert "error" not in ranks[0], ranks
    assert ranks[0]["version"] == ranks[1]["version"]
    (folder,) = (tmp_path / "kept").iterdir()
    saved = load_file(folder / "model.safetensors")
    whole = disguised(model().state_dict(), model().config, 0, 0.5)
    assert saved.keys() == whole.keys()
    assert all(torch.equal(saved[name], whole[name]) for name in whole)
    # What FSDP2 has gathered for a forward pass is not what weights are altered in, and saved from.
    for rank in ranks:
        assert rank["again"] == rank["moved"] >= VISIBLE
        assert rank["back"]
        assert rank["same"]
