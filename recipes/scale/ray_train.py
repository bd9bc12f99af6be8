"""Train a recipe with Ray Train: ``python recipes/scale/ray_train.py --workers 16 --gpu --config recipe.yaml``.

Ray starts the ranks and tells each its number; what they do is ``rlframework fit``. All machines need this repository,
the recipe and a storage folder that they share. Ray's own adapters for Lightning are left alone: they know neither
FSDP2 nor a machine that has both of Lightning's packages.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.environments import LightningEnvironment


class RayEnvironment(LightningEnvironment):
    """The number of a rank and of its machine, as Ray Train says them."""

    def __init__(self) -> None:
        from ray.train import get_context

        super().__init__()
        self.context = get_context()

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def world_size(self) -> int:
        return int(self.context.get_world_size())

    def global_rank(self) -> int:
        return int(self.context.get_world_rank())

    def local_rank(self) -> int:
        return int(self.context.get_local_rank())

    def node_rank(self) -> int:
        return int(self.context.get_node_rank())

    def set_world_size(self, size: int) -> None:
        if size != self.world_size():
            raise ValueError(
                f"num_nodes x devices = {size} and Ray has {self.world_size()} workers; each machine needs as many"
            )


def rank(config: dict[str, Any]) -> None:
    """What every worker runs."""
    sys.path.insert(0, config["folder"])  # to find this file there
    os.chdir(config["started_in"])  # where the recipe's relative paths begin
    from ray.train import get_context

    from rlframework.cli.lightning import main

    here = get_context().get_local_world_size()
    machines = get_context().get_world_size() // here
    sizes = [f"--trainer.devices={here}", f"--trainer.num_nodes={machines}"]
    main(["fit", *config["words"], *sizes, "--trainer.plugins=[ray_train.RayEnvironment]"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="ranks over all machines")
    parser.add_argument("--gpu", action="store_true", help="a GPU for each")
    parser.add_argument("--storage", default=str(Path("runs/ray").absolute()), help="folder for what Ray Train notes")
    given, words = parser.parse_known_args()
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    config = {"words": words, "folder": str(Path(__file__).resolve().parent), "started_in": os.getcwd()}
    scaling = ScalingConfig(num_workers=given.workers, use_gpu=given.gpu)
    TorchTrainer(
        rank, train_loop_config=config, scaling_config=scaling, run_config=RunConfig(storage_path=given.storage)
    ).fit()
