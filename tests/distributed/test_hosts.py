"""The starters of recipes/scale on two machines (network namespaces) and on Ray: two ranks learn what one does."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import forked
from tests.distributed.host_runs import small_recipe
from tests.distributed.hosts import CABLE, ROOT, addresses, make_hosts, run_on

# Half a minute each, for every rank imports torch; Ray takes minutes to start.
pytestmark = [pytest.mark.slow, pytest.mark.distributed]

SCALE = ROOT / "recipes" / "scale"
BIN = str(Path(sys.executable).parent)
PORT = "29500"  # a namespace has all of its ports


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[str]]:
    with make_hosts(2) as names:
        yield names


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("one")
    done = forked.run("-m", "rlframework.cli", "fit", "--config", small_recipe(folder), "--trainer.devices", "1")
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "rank0.pt")


def torchrun(recipe: Path) -> tuple[list[list[str]], list[dict[str, str]]]:
    common = {"NODES": "2", "HEAD": addresses()[0], "DEVICES": "1", "PORT": PORT}
    common["PATH"] = f"{BIN}:{os.environ['PATH']}"
    command = [str(SCALE / "torchrun.sh"), "--config", str(recipe)]
    return [command] * 2, [{**common, "NODE": node} for node in "01"]


def slurm(recipe: Path) -> tuple[list[list[str]], list[dict[str, str]]]:
    """What srun starts, with the variables that it sets."""
    job = {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "run", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}
    nodes = {"SLURM_NNODES": "2", "SLURM_NODELIST": "a,b", "MASTER_ADDR": addresses()[0], "MASTER_PORT": PORT}
    environment = "pytorch_lightning.plugins.environments.SLURMEnvironment"
    plugins = json.dumps([{"class_path": environment, "init_args": {"auto_requeue": False}}])
    sizes = ["--trainer.num_nodes", "2", "--trainer.devices", "1", "--trainer.plugins", plugins]
    command = [sys.executable, "-m", "rlframework.cli", "fit", "--config", str(recipe), *sizes]
    return [command] * 2, [
        {**job, **nodes, "SLURM_PROCID": node, "SLURM_NODEID": node, "SLURM_LOCALID": "0"} for node in "01"
    ]


def check(folder: Path, one: dict[str, Any], environment: str) -> list[dict[str, Any]]:
    first, second = ranks = [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]
    assert first["environment"] == second["environment"] == environment
    assert (first["world"], second["world"], one["world"]) == (2, 2, 1)
    assert first["steps"] == second["steps"] == one["steps"] == 3
    assert torch.equal(first["weights"], second["weights"])
    torch.testing.assert_close(first["weights"], one["weights"], rtol=1e-6, atol=1e-6)
    return ranks


@pytest.mark.parametrize(("start", "environment"), [(torchrun, "TorchElasticEnvironment"), (slurm, "SLURMEnvironment")])
def test_two_machines_learn_what_one_process_does(
    tmp_path: Path, hosts: list[str], one: dict[str, Any], start: Any, environment: str
) -> None:
    run_on(hosts, *start(small_recipe(tmp_path)), seconds=240)
    for rank in check(tmp_path, one, environment):
        assert rank["links"] == {"lo", CABLE}


needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'ray[train]'"
)


@pytest.fixture
def quiet() -> Iterator[dict[str, str]]:
    """Of Ray: no message home, no token, and a folder in which no cluster of before is noted; sockets want it short."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        apart = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": folder}
        yield {**apart, "OMP_NUM_THREADS": "1"}


def ray_train(folder: Path) -> list[str]:
    """The command of recipes/scale; the recipe's path begins where it is given, whoever runs the ranks."""
    small_recipe(folder)
    words = ["--workers", "2", "--storage", str(folder / "ray"), "--config", "recipe.yaml"]
    return [sys.executable, str(SCALE / "ray_train.py"), *words]


@needs_ray
def test_two_workers_of_ray_learn_what_one_process_does(
    tmp_path: Path, one: dict[str, Any], quiet: dict[str, str]
) -> None:
    given = {**os.environ, **quiet, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ray_train(tmp_path), env=given, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    check(tmp_path, one, "RayEnvironment")
