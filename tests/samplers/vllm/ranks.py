"""What every rank of test_ranks.py does: ``ranks.py <url> <folder> <kind>``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from rlframework import CausalLMPolicy, VLLMSampler
from rlframework.policies.fingerprint import fingerprint
from rlframework.samplers.vllm.altered import altered
from rlframework.samplers.vllm.answer import ServerCompletion
from rlframework.samplers.vllm.canary import score
from tests.samplers.vllm.recording import PROMPTS, SETTINGS
from tests.samplers.vllm.tiny_qwen import disturb, policy


def follows_altered_weights(policy: CausalLMPolicy) -> dict[str, object]:
    """Return by how much log-probabilities move with altered weights, before and after a save, and what stays of it."""
    rows = [ServerCompletion([5, 6, 7], [0.0, 0.0, 0.0], "length")]

    def known() -> torch.Tensor:
        return torch.tensor(score(policy, PROMPTS[0], rows, 1.0))

    before, name = known(), fingerprint(policy)
    with altered(policy, lambda: float((known() - before).abs().mean())) as moved:
        policy.model.state_dict()  # as weights are saved: of the shards
        again = float((known() - before).abs().mean())
    return {"moved": moved, "again": again, "back": torch.equal(known(), before), "same": fingerprint(policy) == name}


def main(url: str, folder: Path, kind: str) -> None:
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    made = policy(lora=kind != "sharded")
    if kind == "sharded":
        mesh = init_device_mesh("cpu", (2,))
        for layer in made.model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(made.model, mesh=mesh)
    if kind == "apart" and rank == 1:
        disturb(made, 0.1)
    sampler = VLLMSampler(url, **SETTINGS, patience=1.0, sync_folder=folder / "weights")
    left: dict[str, object] = {}
    try:
        mine = PROMPTS[rank::2]
        # Once more on one rank: no other has to be there.
        for _ in range(1 if kind == "sharded" else 1 + rank):
            left["ids"] = [row.ids for row in sampler.sample(made, mine)]
        left["version"] = sampler.version
        if kind == "sharded":
            left |= follows_altered_weights(made)
        if rank == 0:
            shutil.copytree(folder / "weights", folder / "kept")  # It goes with the sampler.
    except Exception as error:
        left["error"] = f"{type(error).__name__}: {error}"
    torch.save(left, folder / f"rank{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
