"""Versions of weights side by side on a real server, and runs whose rollouts are sampled ahead of learning."""

from __future__ import annotations

import copy
import threading

import pytest
import pytorch_lightning as pl
import torch

from rlframework import GRPO, PromptDataModule
from rlframework.samplers import DynamicSampling
from rlframework.samplers.vllm.client import Server
from rlframework.testing import letter_prompts, letter_rows
from tests.samplers.vllm.echo import episodes
from tests.samplers.vllm.real_server import NEEDS_SERVER, samplers_of, serving
from tests.samplers.vllm.test_server import Brief, Letter, largest_gap
from tests.samplers.vllm.tiny_qwen import disturb, policy

pytestmark = NEEDS_SERVER


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("vllm")) as server:
        yield server


@pytest.fixture
def sampler(server):
    return samplers_of(server)


def adapters(server):
    cards = Server(server.url, timeout=60).ask("GET", "/v1/models")["data"]
    return {card["id"] for card in cards if card.get("parent")}


def test_versions_answer_side_by_side_as_each_does_alone(server, sampler):
    """Two policies, one prompt: what a prefix cache of the other's would show is in the log-probabilities."""
    made, prompts = sampler(), letter_prompts(8)
    first, second = policy(lora=True, noise=0.05), policy(lora=True, noise=0.05)
    disturb(second, 0.05, seed=1)
    old, new = made.publish(first, prompts), made.publish(second, prompts)
    assert {old.name, new.name} <= adapters(server)
    answers = {}
    threads = [
        threading.Thread(target=lambda v=version: answers.update({v.name: made.ask(prompts, step=0, version=v)}))
        for version in (old, new.with_tokenizer(copy.deepcopy(new.tokenizer)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for version, own in ((old, first), (new, second)):
        assert largest_gap(own, answers[version.name], 1.0) < 1e-3
        alone = made.ask(prompts, step=0, version=version)
        assert [row.ids for row in alone] == [row.ids for row in answers[version.name]]
        assert [row.logprobs for row in alone] == [row.logprobs for row in answers[version.name]]
    assert largest_gap(second, answers[old.name], 1.0) > 1e-2

    made.release(old)
    disturb(second, 0.05, seed=2)
    newest = made.publish(second, prompts)
    assert old.name not in adapters(server)
    assert {new.name, newest.name} <= adapters(server)
    assert largest_gap(second, made.ask(prompts, step=1, version=newest), 1.0) < 1e-3


def test_the_server_says_how_many_versions_it_has_room_for(sampler):
    made, adapted = sampler(), policy(lora=True)
    made.check_versions(adapted, 4)
    with pytest.raises(ValueError, match=r"answers from 4 adapters at once, and 5 are held.*--max-loras 5"):
        made.check_versions(adapted, 5)
    assert made.side_by_side(adapted)
    assert not made.side_by_side(policy())


def run(sampling, ahead, adapted=True, reward=None, **options):
    algorithm = GRPO(
        policy(lora=adapted),
        reward or Letter(),
        sampling,
        prompts_per_rollout=8,
        learning_rate=2e-2 if adapted else 1e-3,
        schedule="constant",
        rollouts_ahead=ahead,
        **options,
    )
    trainer = pl.Trainer(
        max_steps=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(algorithm, PromptDataModule(letter_rows(48)))
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return torch.cat([part.detach().flatten() for part in algorithm.policy.parameters()]), figures


@pytest.mark.parametrize("ahead", [1, 2])
def test_a_run_with_an_adapter_goes_ahead(server, sampler, ahead):
    others = adapters(server)
    weights, figures = run(sampler(max_tokens=16), ahead)
    print(f"ahead {ahead}: {figures}")
    assert figures["train/staleness"] == ahead
    assert figures["train/canary_gap"] < 1e-4 < figures["train/sampler_gap"]
    assert 0 < figures["train/ess"] <= 1
    assert weights.isfinite().all()
    assert len(adapters(server) - others) <= ahead + 2


def test_a_run_with_whole_weights_goes_one_ahead_and_no_further(sampler):
    made = sampler(max_tokens=16)
    _, figures = run(made, 1, adapted=False)
    assert figures["train/staleness"] == 1
    assert figures["train/canary_gap"] < 1e-4 < figures["train/sampler_gap"]
    with pytest.raises(ValueError, match="one version of these weights at a time"):
        run(sampler(max_tokens=16), 2, adapted=False)


def test_episodes_and_filters_go_ahead(sampler):
    _, figures = run(episodes(sampler(max_tokens=48)), 1, reward=Brief())
    assert figures["train/staleness"] == 1
    filtered = DynamicSampling(sampler(max_tokens=16), Letter(), keep=4)
    _, figures = run(filtered, 2)
    assert figures["train/staleness"] == 2
