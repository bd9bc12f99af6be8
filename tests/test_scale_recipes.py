"""The files of recipes/scale are read by what they are written for, as far as that is here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import pytorch_lightning as pl
import yaml

SCALE = Path(__file__).parents[1] / "recipes" / "scale"
SCRIPTS = sorted([*SCALE.glob("*.sh"), *SCALE.glob("*.sbatch")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_the_scripts(path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-n", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_flags_of_the_trainer_are_arguments_of_it(path: Path) -> None:
    names = set(re.findall(r"--trainer\.(\w+)", path.read_text()))
    assert names == {"num_nodes", "devices"}
    assert names <= set(pl.Trainer.__init__.__wrapped__.__annotations__)


def test_tasks_of_slurm_are_the_devices_of_the_trainer() -> None:
    text = (SCALE / "slurm.sbatch").read_text()
    nodes, tasks = (re.search(rf"#SBATCH --{name}=(\d+)", text)[1] for name in ("nodes", "ntasks-per-node"))
    assert f"--trainer.num_nodes {nodes} --trainer.devices {tasks}" in text


def test_yaml_files_start_the_script_on_two_machines() -> None:
    sky = yaml.safe_load((SCALE / "skypilot.yaml").read_text())
    [job] = yaml.safe_load((SCALE / "jobset.yaml").read_text())["spec"]["replicatedJobs"]
    pods = job["template"]["spec"]
    [container] = pods["template"]["spec"]["containers"]
    assert sky["num_nodes"] == pods["parallelism"] == pods["completions"] == 2
    for command in (sky["run"], container["args"][0]):
        assert "recipes/scale/torchrun.sh" in command
    given = {entry["name"] for entry in container["env"]} | {"NODE"}
    assert given == set(re.findall(r'"\$\{(\w+):\?', (SCALE / "torchrun.sh").read_text()))
