"""The files of recipes/scale are run as far as that is here, and what they start is read by its own parser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlframework.cli.lightning import main
from rlframework.cli.serve import parser
from tests.distributed.host_runs import small_recipe

SCALE = Path(__file__).parents[1] / "recipes" / "scale"
SCRIPTS = sorted([*SCALE.glob("*.sh"), *SCALE.glob("*.sbatch")])
# In place of torchrun, srun and rlframework: leaves the words that it was called with; a server goes on until its end.
CALLED = """#!/usr/bin/env bash
if [ "${0##*/}" = srun ]; then exec "${@:2}"; fi
printf '%s\\n' "${0##*/}" "$@" > "$CALLED/.$$" && mv "$CALLED/.$$" "$CALLED/$$"
if [ "$1" = serve ]; then exec sleep 100; fi
"""
SECRET = {"RLFRAMEWORK_SERVE_TOKEN": "0123456789abcdef"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder as the files expect it, with a recipe of one that samples elsewhere."""
    (tmp_path / "recipes").symlink_to(SCALE.parent)
    for name in ("torchrun", "srun", "rlframework"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(CALLED)
        program.chmod(0o755)
    [block] = re.findall(r"```yaml\n(.*?)```", (SCALE / "README.md").read_text(), re.DOTALL)
    small_recipe(tmp_path, **yaml.safe_load(block))
    yield tmp_path
    # A job of Slurm ends with all that it started.
    for called in tmp_path.glob("called*/[0-9]*"):
        with suppress(ProcessLookupError):
            os.kill(int(called.name), signal.SIGKILL)


def start(place: Path, words: Sequence[str], given: dict[str, str]) -> tuple[subprocess.Popen[bytes], Path]:
    called = place / f"called{len(list(place.glob('called*')))}"
    called.mkdir()
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "CALLED": str(called), **given}
    with (called / ".said").open("w") as said:
        return subprocess.Popen(words, cwd=place, env=environment, stderr=said), called


def calls(called: Path, count: int) -> list[list[str]]:
    """The words of each program that was called, once there are so many."""
    until = time.monotonic() + 60
    while len(found := [path for path in called.iterdir() if path.name[0] != "."]) < count:
        assert time.monotonic() < until, found
        time.sleep(0.02)
    return sorted(path.read_text().splitlines() for path in found)


def run(place: Path, words: Sequence[str], given: dict[str, str], count: int = 1) -> list[list[str]]:
    process, called = start(place, words, given)
    assert process.wait(60) == 0, (called / ".said").read_text()
    return calls(called, count)


def sampling(place: Path, words: Sequence[str], given: dict[str, str], count: int) -> list[str]:
    """Start samplers, end them, and return the addresses that they listen at, as their parser reads them."""
    process, called = start(place, words, given)
    found = [serving(words) for words in calls(called, count)]
    process.terminate()
    assert process.wait(60) == 143
    return found


def serving(words: Sequence[str]) -> str:
    assert words[:2] == ["rlframework", "serve"]
    options = parser().parse_args(words[2:])
    assert (options.model, options.host) == ("some/model", "0.0.0.0")
    return f"http://{options.address}:{options.port}"


def fitted(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the parser of `rlframework fit` makes of the words."""
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def check_fit(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    config = fitted(words, capsys)
    assert (config["trainer"]["num_nodes"], int(config["trainer"]["devices"])) == (2, 8)
    assert config["model"]["init_args"]["sampler"]["init_args"]["servers"] == "fleet.txt"
    # What a run leaves beside its logs starts it again.
    Path("saved.yaml").write_text(yaml.safe_dump(config))
    assert fitted(["fit", "--config", "saved.yaml"], capsys) == config
    return config


def launched(words: Sequence[str], node: int, head: str) -> list[str]:
    """Check what torchrun was told, and return the command of its ranks."""
    options, command = words[1 : words.index("-m")], list(words[words.index("-m") + 1 :])
    told = dict(option.removeprefix("--").split("=", 1) for option in options)
    assert told == {
        "nnodes": "2",
        "node-rank": str(node),
        "nproc-per-node": "8",
        "master-addr": head,
        "master-port": "29500",
    }
    assert command[0] == "rlframework.cli"
    return command[1:]


@pytest.fixture
def in_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_the_scripts(path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-n", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_without_a_variable_they_say_which(path: Path, place: Path) -> None:
    needed = re.findall(r'"\$\{(\w+):\?', path.read_text())
    given = dict.fromkeys(needed, "1")
    for name in needed:
        process, called = start(place, ["bash", str(path)], {**given, name: ""})
        assert process.wait(60) == 1
        assert f"{name}: " in (called / ".said").read_text()
        assert not list(called.glob("[0-9]*"))


def test_slurm_starts_ranks_and_a_sampler(in_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (SCALE / "slurm.sbatch").read_text()
    nodes, tasks = (re.search(rf"#SBATCH --{name}=(\d+)", text)[1] for name in ("nodes", "ntasks-per-node"))
    assert (nodes, tasks) == ("2", "8")
    given = {"MODEL": "some/model", "FLEET": "fleet.txt", "SERVE": "--lora-rank 16 --rollouts-ahead 1", **SECRET}
    words = ["bash", str(SCALE / "slurm.sbatch"), "--config", "recipe.yaml"]
    fit, serve = run(in_place, words, given, count=2)
    assert parser().parse_args(serve[2:]).register == "fleet.txt"
    assert parser().parse_args(serve[2:]).rollouts_ahead == 1
    trainer = check_fit(fit[1:], capsys)["trainer"]
    [plugin] = trainer["plugins"]
    assert plugin["init_args"]["auto_requeue"] is False
    # The recipe's own callbacks stay.
    assert [one["class_path"].rpartition(".")[2] for one in trainer["callbacks"]] == ["LeaveWeights", "RequeueOnSignal"]


def test_skypilot_starts_ranks_and_samplers(in_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sky = yaml.safe_load((SCALE / "skypilot.yaml").read_text())
    assert sky["num_nodes"] == 3
    words = ["bash", "-c", sky["run"]]
    machines = {"SKYPILOT_NODE_IPS": "127.0.0.1\n10.0.0.2\n10.0.0.3", "SKYPILOT_NUM_GPUS_PER_NODE": "8"}
    common = {**sky["envs"], **machines, **SECRET, "MODEL": "some/model", "POLL": "0.05"}
    common = {name: str(value) for name, value in common.items()}
    for node in range(2):
        [torchrun] = run(in_place, words, {**common, "SKYPILOT_NODE_RANK": str(node)})
        command = launched(torchrun, node, "127.0.0.1")
    check_fit(command, capsys)
    listed = (in_place / "fleet.txt").read_text().splitlines()
    with socket.create_server(("127.0.0.1", 0)) as trainer:
        given = {**common, "SKYPILOT_NODE_RANK": "2", "PORT": str(trainer.getsockname()[1])}
        process, called = start(in_place, words, given)
        assert sorted(serving(words) for words in calls(called, 8)) == listed
        time.sleep(0.3)
        assert process.poll() is None
    # Samplers end with the run.
    assert process.wait(60) == 0


def test_a_jobset_starts_ranks_and_samplers(in_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = {one["name"]: one for one in yaml.safe_load((SCALE / "jobset.yaml").read_text())["spec"]["replicatedJobs"]}
    assert {name: one["replicas"] for name, one in jobs.items()} == {"trainer": 1, "sampler": 1}

    def pods(name: str) -> Iterator[tuple[list[str], dict[str, str]]]:
        spec = jobs[name]["template"]["spec"]
        [container] = spec["template"]["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        assert int(container["resources"]["limits"]["nvidia.com/gpu"]) == int(given["DEVICES"])
        assert spec["parallelism"] == spec["completions"] == 2
        for index in range(spec["completions"]):
            yield [*container["command"], *container["args"]], {**given, **SECRET, "JOB_COMPLETION_INDEX": str(index)}

    for node, (words, given) in enumerate(pods("trainer")):
        [torchrun] = run(in_place, words, given)
        command = launched(torchrun, node, "rlframework-trainer-0-0.rlframework")
    check_fit(command, capsys)
    found = [
        sampling(in_place, words, {**given, "MODEL": "some/model"}, count=1)[0] for words, given in pods("sampler")
    ]
    assert found == (in_place / "fleet.txt").read_text().splitlines()


def test_samplers_of_a_machine_end_together(place: Path) -> None:
    given = {"MODEL": "some/model", "ADDRESS": "10.0.0.1", "DEVICES": "3", **SECRET}
    words = [str(SCALE / "samplers.sh"), "--lora-rank", "16"]
    found = sampling(place, words, given, count=3)
    assert found == [f"http://10.0.0.1:{port}" for port in (8000, 8001, 8002)]
    process, called = start(place, words, given)
    calls(called, 3)
    servers = [int(path.name) for path in called.glob("[0-9]*")]
    os.kill(servers[1], 9)
    assert process.wait(60) == 128 + 9
    assert not [pid for pid in servers if Path(f"/proc/{pid}").exists()]
