"""Samplers on a machine of their own: no folder in common with the ranks, and a cable that is pulled now and then."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rlframework.serving.token import VARIABLE
from tests import forked
from tests.distributed.host_runs import small_recipe
from tests.distributed.hosts import addresses, make_hosts, plug, running_on, unplug
from tests.distributed.test_hosts import check, torchrun
from tests.samplers.vllm.stand_in import StandIn, as_python
from tests.samplers.vllm.tiny_qwen import checkpoint

# Each process imports torch, and the cable is out for seconds.
pytestmark = [pytest.mark.slow, pytest.mark.distributed]

GROUP, PROMPTS = 3, 8
OUT = 6.0
POLICY = {"class_path": "tests.samplers.vllm.tiny_qwen.policy", "init_args": {"lora": True}}


def recipe(folder: Path, servers: str, **options: Any) -> Path:
    given = {"servers": servers, "group_size": GROUP, "max_tokens": 6, "concurrency": 2, "patience": 200.0, **options}
    sampler = {"class_path": "rlframework.VLLMSampler", "init_args": given}
    return small_recipe(folder, "SlowSteps", policy=POLICY, sampler=sampler)


def pulled(name: str, seconds: float, begun: Callable[[], bool], alive: Callable[[], bool]) -> None:
    """Pull the cable of a machine once something has begun, for some seconds."""
    until = time.monotonic() + 300.0
    while not begun():
        assert alive()
        assert time.monotonic() < until
        time.sleep(0.01)
    unplug(name)
    time.sleep(seconds)
    plug(name)


def test_the_cable_of_the_samplers_is_pulled_and_only_asked_again(tmp_path: Path) -> None:
    """In a rollout, in the loading of weights, and before the next weights are sent."""
    (tmp_path / "one").mkdir()
    model = checkpoint(tmp_path / "one" / "model")
    with StandIn(model) as near:
        done = forked.run(
            "-m", "rlframework.cli", "fit", "--config", recipe(tmp_path / "one", near.url), "--trainer.devices", "1"
        )
    assert done.returncode == 0, done.stderr[-3000:]
    one = torch.load(tmp_path / "one" / "rank0.pt")

    folders = [tmp_path / name for name in ("first", "second", "samplers")]
    for folder in folders:
        folder.mkdir()
    first, second, apart = folders
    model = checkpoint(apart / "model")
    serve = [sys.executable, "-m", "rlframework.cli", "serve", str(model), "--lora-rank", "8", "--host", "0.0.0.0"]
    serve += ["--address", addresses()[2], "--python", str(as_python(apart / "python")), "--folder", str(apart)]
    serve = ["sh", "-c", 'exec "$@" > "$0" 2>&1', str(apart / "said"), *serve, "--register", str(apart / "servers.txt")]
    listed = f"http://{addresses()[2]}:9000/servers.txt"
    sync = {
        "class_path": "rlframework.samplers.vllm.HTTPSync",
        "init_args": {"sync": "rlframework.samplers.vllm.LoRASync"},
    }
    commands, environments = [], []
    for rank, folder in enumerate((first, second)):
        words, given = torchrun(recipe(folder, listed, sync=sync))
        commands.append(words[rank])
        environments.append(given[rank])
    # Memory, and what the others write, is another on each machine; what is in common is the code.
    hidden = [[Path("/dev/shm"), tmp_path / "one", *(other for other in folders if other != own)] for own in folders]
    environments = [
        {**given, VARIABLE: "0123456789abcdef", "TMPDIR": str(folder)}
        for given, folder in zip([*environments, {}], folders, strict=True)
    ]
    (apart / "said").touch()
    asked = f"asked /v1/completions n={GROUP}\n"
    with make_hosts(3) as names, running_on(names, [*commands, serve], environments, hidden) as running:

        def alive() -> bool:
            return all(process.poll() is None for process in running)

        def said_so(mark: str, count: int) -> bool:
            return (apart / "said").read_text().count(mark) >= count

        pulled(names[2], OUT, lambda: said_so(asked, 3), alive)
        # The first loading is of altered weights, then comes one for each rollout.
        pulled(names[2], OUT, lambda: said_so("asked /v1/load_lora_adapter", 3), alive)
        # Longer than connecting may take, between the second rollout and the weights of the third.
        pulled(names[2], 2 * OUT, (first / "step1").exists, alive)
        said = [process.communicate(timeout=300)[0] for process in running[:2]]
    assert [process.returncode for process in running[:2]] == [0, 0], said[0][-3000:] + said[1][-3000:]
    print(*(line for line in said[0].splitlines() if addresses()[2] in line), sep="\n")
    # The weights of the third rollout began with a list that could not be read.
    waited = re.findall(rf"{re.escape(listed)} names servers, after (\d+) s", said[0])
    assert int(waited[-1]) > OUT
    for folder, name in ((first, "rank0.pt"), (second, "rank1.pt")):
        (folder / name).rename(tmp_path / name)
    check(tmp_path, one, "TorchElasticEnvironment")
    assert apart.joinpath("said").read_text().count(asked) >= 3 * PROMPTS
