"""A fleet that changes while a run goes on: no step is lost, and the weights are those of a run with one server."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from rlframework import GRPO, PromptDataModule, RolloutCallback, VLLMSampler
from rlframework.samplers.vllm import DisagreementError, patience
from rlframework.testing import letter_rows
from tests.drawn import drawn
from tests.samplers.vllm import tiny_qwen
from tests.samplers.vllm.stand_in import StandIn
from tests.samplers.vllm.test_server import Letter

# The canary has more rows.
STEPS, GROUP = 5, 3


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.01)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_qwen.checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def servers(model):
    with StandIn(model) as first, StandIn(model) as second, StandIn(model) as third:
        yield first, second, third


class Steps(RolloutCallback):
    """Does something when a rollout begins, and notes what every rollout was worth."""

    def __init__(self, **events: Any) -> None:
        self.events = {int(name.removeprefix("at_")): event for name, event in events.items()}
        self.begun, self.rewards = 0, []

    def on_rollout_start(self, trainer, pl_module, prompts):
        self.events.get(self.begun, lambda: None)()
        self.begun += 1

    def on_rollout_end(self, trainer, pl_module, collected):
        self.rewards.append(collected.scores.total.mean().item())


def run(servers: Any, steps: Steps, kind: str = "adapter", ahead: int = 0) -> torch.Tensor:
    """Train, and return the weights that it ends with."""
    sampler = VLLMSampler(servers, group_size=GROUP, max_tokens=8, patience=20.0, concurrency=4)
    algorithm = GRPO(
        tiny_qwen.policy(lora=kind == "adapter"),
        Letter(),
        sampler,
        prompts_per_rollout=4,
        learning_rate=1e-2 if kind == "adapter" else 1e-3,
        schedule="constant",
        rollouts_ahead=ahead,
    )
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = pl.Trainer(max_steps=STEPS, accelerator="cpu", callbacks=[steps], **quiet)
    trainer.fit(algorithm, PromptDataModule(letter_rows(48)))
    assert trainer.global_step == len(steps.rewards) == STEPS
    assert sampler.gap.mean < 1e-5
    return torch.cat([part.detach().flatten() for part in algorithm.policy.parameters() if part.requires_grad])


def groups(server: StandIn) -> int:
    """How many groups of a rollout it was asked for."""
    return len([body for body in server.asked("/v1/completions") if body["n"] == GROUP])


@pytest.fixture(scope="module")
def constant(model):
    """What a run comes to with one server all the time."""

    @functools.cache
    def come_to(**options: Any) -> tuple[torch.Tensor, list[float]]:
        with StandIn(model) as server:
            steps = Steps()
            return run(server.url, steps, **options), steps.rewards

    return come_to


def write(file: Path, *servers: StandIn) -> None:
    file.write_text("".join(f"{server.url}\n" for server in servers))


def dies_at(server: StandIn, wanted: Any, also: Any = lambda: None) -> Any:
    """Have a server break off its first answer to such a request from now on, and be gone."""

    def before(path: str, body: dict[str, Any]) -> Any:
        if not wanted(path, body):
            return None
        server.before = lambda path, body: None
        also()
        server.stop()
        return 0, None

    def now() -> None:
        server.before = before

    return now


def of_a_rollout(path: str, body: dict[str, Any]) -> bool:
    return path == "/v1/completions" and body["n"] == GROUP


CHANGES = drawn(
    {f"{kind}-{ahead}": (kind, ahead) for kind, ahead in [("adapter", 0), ("adapter", 2), ("whole", 0), ("whole", 1)]},
    ["adapter-2"],
)


@pytest.mark.parametrize(("kind", "ahead"), CHANGES)
def test_one_joins_and_one_leaves_and_nothing_is_lost(kind, ahead, servers, tmp_path, constant):
    """One comes between two rollouts; one is gone in the middle of another, and out of the list."""
    first, second, third = servers
    file = tmp_path / "servers.txt"
    write(file, first, second)
    came: list[int] = []

    def join():
        came.append(groups(third))
        write(file, first, second, third)

    leave = dies_at(first, of_a_rollout, lambda: write(file, second, third))
    steps = Steps(at_1=join, at_3=leave)
    weights = run(str(file), steps, kind=kind, ahead=ahead)
    expected, rewards = constant(kind=kind, ahead=ahead)
    assert torch.equal(weights, expected)
    assert steps.rewards == rewards
    assert len(set(rewards)) == STEPS
    assert came == [0]
    assert groups(third) > 0
    assert first._http is None


@pytest.mark.parametrize("kind", drawn(["adapter", "whole"], ["whole"]))
def test_one_that_is_gone_between_loading_and_canary_costs_nothing(kind, servers, tmp_path, constant):
    """It has taken the weights, and cannot show any more that it did."""
    first, second, _ = servers
    file = tmp_path / "servers.txt"
    write(file, first, second)

    def of_the_canary(path: str, body: dict[str, Any]) -> bool:
        return path == "/v1/completions" and body["n"] != GROUP

    steps = Steps(at_2=dies_at(first, of_the_canary, lambda: write(file, second)))
    weights = run(str(file), steps, kind=kind)
    expected, rewards = constant(kind=kind)
    assert torch.equal(weights, expected)
    assert steps.rewards == rewards


def test_one_that_joins_with_another_model_is_refused(servers, tmp_path):
    """So what was equal above was compared: the model of the newcomer is another one, and so are its answers."""
    first, _, _ = servers
    file = tmp_path / "servers.txt"
    write(file, first)
    other = tiny_qwen.model()
    with torch.no_grad():
        other.model.layers[0].mlp.up_proj.weight.mul_(1.01)
    other.save_pretrained(tmp_path / "other")
    with StandIn(tmp_path / "other") as stranger, pytest.raises(DisagreementError, match=f"{stranger.url} was given"):
        run(str(file), Steps(at_1=lambda: write(file, first, stranger)))
