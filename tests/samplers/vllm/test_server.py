"""VLLMSampler with a real server on the CPU (make test-vllm): the same distribution, and a run that outlives it."""

from __future__ import annotations

import os
import shutil
import threading
import time

import httpx
import pytest
import pytorch_lightning as pl
import torch

from rlframework import GRPO, PromptDataModule, RolloutCallback, SharedPrefixSampler
from rlframework.functional.sampling import truncated
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.samplers import LoRASync, ServerError
from rlframework.samplers.vllm import DisagreementError, StaleWeightsError
from rlframework.samplers.vllm.answer import ServerCompletion
from rlframework.samplers.vllm.canary import score
from rlframework.testing import letter_prompts, letter_rows
from tests.samplers.vllm import recording
from tests.samplers.vllm.echo import STOPS, TURNS, Echo, episodes
from tests.samplers.vllm.real_server import NEEDS_SERVER, samplers_of, serving
from tests.samplers.vllm.replay import read
from tests.samplers.vllm.tiny_qwen import disturb, policy

pytestmark = NEEDS_SERVER


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("vllm")) as server:
        yield server


@pytest.fixture
def sampler(server):
    return samplers_of(server)


def largest_gap(made, completions, temperature):
    """The largest difference of any token's log-probability, in nats."""
    worst = 0.0
    for group in completions.groups():
        rows = [ServerCompletion(row.ids, row.logprobs, row.stop_reason) for row in group]
        for row, known in zip(rows, score(made, group[0].prompt, rows, temperature), strict=True):
            worst = max(worst, *(abs(ours - theirs) for ours, theirs in zip(known, row.logprobs, strict=True)))
    return worst


def chi_square(counts, probabilities):
    """The p-value of counts under probabilities; bins that expect less than 5 are put together."""
    expected = probabilities * counts.sum()
    rare = expected < 5
    counts = torch.cat([counts[~rare], counts[rare].sum(0, keepdim=True)]).double()
    expected = torch.cat([expected[~rare], expected[rare].sum(0, keepdim=True)]).double()
    kept = expected > 0
    statistic = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
    return torch.special.gammaincc((kept.sum() - 1) / 2, statistic / 2).item()


def test_what_was_recorded_is_what_it_answers(server, tmp_path):
    exchanges = recording.record(server.url, tmp_path)
    if os.environ.get("RLFRAMEWORK_RECORD_VLLM"):
        recording.write(exchanges)
    now = {recording.key(one): one["answer"] for one in exchanges}
    recorded = read()
    assert {(one["method"], one["path"], one["status"]) for one in recorded} == {
        (one["method"], one["path"], one["status"]) for one in exchanges
    }
    for one in recorded:
        if one["path"] != "/v1/completions" or one["status"] != 200:
            continue
        for choice, known in zip(now[recording.key(one)]["choices"], one["answer"]["choices"], strict=True):
            assert choice["token_ids"] == known["token_ids"]
            assert choice["finish_reason"] == known["finish_reason"]
            scores = (part["logprobs"]["token_logprobs"] for part in (choice, known))
            assert all(abs(ours - theirs) < 1e-3 for ours, theirs in zip(*scores, strict=True))


@pytest.mark.parametrize("temperature", [0.7, 1.0])
@pytest.mark.parametrize("lora", [True, False])
def test_log_probabilities_are_the_policys(lora, temperature, sampler, record_property):
    made = policy(lora, noise=0.05)
    completions = sampler(temperature=temperature).sample(made, letter_prompts(32))
    gap = largest_gap(made, completions, temperature)
    record_property("gap", gap)
    print(f"lora={lora} T={temperature}: {sum(len(row.ids) for row in completions)} tokens, largest gap {gap:.2g}")
    assert gap < 1e-3
    assert {row.stop_reason for row in completions} == {"stop", "length"}
    assert largest_gap(made, completions, temperature * 1.1) > 1e-2


def exact_pairs(made, prompt, temperature):
    """Probability of every completion of two tokens, (V * V,); one that ends at once is its end twice."""
    vocabulary, end = len(made.tokenizer), made.tokenizer.eos_token_id
    with torch.no_grad():
        ids = torch.tensor([prompt.ids])
        first = (made.model(ids).logits[0, -1].double() / temperature).softmax(-1)
        follow = torch.cat([ids.expand(vocabulary, -1), torch.arange(vocabulary).unsqueeze(1)], dim=1)
        second = (made.model(follow).logits[:, -1].double() / temperature).softmax(-1)
    second[end] = torch.nn.functional.one_hot(torch.tensor(end), vocabulary).double()
    return (first.unsqueeze(1) * second).flatten()


def count_pairs(made, completions):
    vocabulary = len(made.tokenizer)
    pairs = torch.tensor([row.ids[0] * vocabulary + row.ids[-1] for row in completions])
    return torch.bincount(pairs, minlength=vocabulary**2)


@pytest.mark.parametrize("lora", [True, False])
def test_short_completions_are_distributed_as_in_process(lora, sampler):
    made, temperature = policy(lora, noise=0.05), 0.7
    prompt = letter_prompts(4)[3]
    prompts = [Prompt(prompt.ids, prompt.text, index=index) for index in range(16)]
    options = {"group_size": 250, "max_tokens": 2, "temperature": temperature}
    theirs = count_pairs(made, sampler(**options).sample(made, prompts))
    ours = count_pairs(made, SharedPrefixSampler(**options).sample(made, prompts))
    exact = exact_pairs(made, prompt, temperature)
    figures = [chi_square(theirs, exact), chi_square(ours, exact), chi_square(theirs, exact_pairs(made, prompt, 0.8))]
    print(
        f"lora={lora}: p = {figures[0]:.3g} over {theirs.sum()}, in process {figures[1]:.3g}; at T=0.8 {figures[2]:.2g}"
    )
    assert min(figures[:2]) > 1e-3
    assert figures[2] < 1e-6


@pytest.mark.parametrize("options", [{"top_k": 20, "top_p": 0.9}, {"top_k": 20, "min_p": 0.03}])
def test_truncated_samples_are_those_of_the_truncated_distribution(options, sampler):
    made, prompt = policy(noise=0.05), letter_prompts(4)[3]
    prompts = [Prompt(prompt.ids, prompt.text, index=index) for index in range(8)]
    completions = sampler(group_size=250, max_tokens=1, temperature=0.7, **options).sample(made, prompts)
    with torch.no_grad():
        logits = truncated(made.model(torch.tensor([prompt.ids])).logits[:, -1].float() / 0.7, **options)
    exact = logits.double().softmax(-1)[0]
    counts = torch.bincount(torch.tensor([row.ids[0] for row in completions]), minlength=len(exact))
    p_value = chi_square(counts, exact)
    print(f"{options}: p = {p_value:.3g} over {counts.sum()}, {(exact > 0).sum()} tokens left")
    assert 2 <= (exact > 0).sum() < 20
    assert counts[exact == 0].sum() == 0
    assert p_value > 1e-3
    assert all(abs(row.logprobs[0] - exact[row.ids[0]].log().item()) < 1e-3 for row in completions)


def test_the_same_seed_draws_the_same_and_another_step_something_else(sampler):
    made, prompts = policy(lora=True, noise=0.05), letter_prompts(8)
    ids = {
        (seed, step, attempt): [row.ids for row in sampler(seed=seed).sample(made, prompts, step=step)]
        for seed, step, attempt in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    }
    assert ids[0, 0, 0] == ids[0, 0, 1]
    for other in (ids[0, 1, 0], ids[1, 0, 0]):
        assert sum(ours != theirs for ours, theirs in zip(ids[0, 0, 0], other, strict=True)) > 60
    assert len({tuple(row) for row in ids[0, 0, 0]}) > 60
    backwards = sampler().sample(made, prompts[::-1])
    assert [row.ids for group in list(backwards.groups())[::-1] for row in group] == ids[0, 0, 0]


@pytest.mark.parametrize("lora", [True, False])
def test_after_an_optimizer_step_samples_are_of_the_new_weights(lora, sampler):
    made, prompts, sampling = policy(lora, noise=0.05), letter_prompts(8), sampler(temperature=0.7)
    optimizer = torch.optim.AdamW([part for part in made.parameters() if part.requires_grad], lr=1e-2)
    versions = []
    for step in range(3):
        completions = sampling.sample(made, prompts, step=step)
        versions.append(sampling.version)
        assert largest_gap(made, completions, 0.7) < 1e-3
        made.model(torch.tensor([prompts[2].ids])).logits.logsumexp(-1).sum().backward()
        optimizer.step()
        # What was sampled before is not what the policy would say now.
        assert largest_gap(made, completions, 0.7) > 1e-2
    assert len(set(versions)) == 3


def test_greedy_completions_are_those_of_the_process(sampler):
    made = policy(lora=True, noise=0.05)
    prompts = letter_prompts(8)
    ours = SharedPrefixSampler(group_size=1, max_tokens=32, temperature=0.0).sample(made, prompts)
    theirs = sampler(temperature=0.7).for_evaluation().sample(made, prompts)
    assert [row.ids for row in theirs] == [row.ids for row in ours]
    assert [row.text for row in theirs] == [row.text for row in ours]


def test_weights_that_another_run_loaded_are_refused(sampler):
    first, second = sampler(), sampler()
    ours, others = policy(noise=0.05), policy(noise=0.1)
    first.sample(ours, letter_prompts(2))
    second.sample(others, letter_prompts(2))
    with pytest.raises(StaleWeightsError, match=f"has weights {second.version} where {first.version} were loaded"):
        first.sample(ours, letter_prompts(2), step=1)


class OneBehind(LoRASync):
    """Loads the weights of the call before under the name of the new ones; altered ones arrive."""

    def load(self, server, folder, version):
        stale = hasattr(self, "before") and not version.endswith("-altered")
        super().load(server, self.before if stale else folder, version)
        if not version.endswith("-altered"):
            self.before = shutil.copytree(folder, folder.with_name(f"kept-{folder.name}"))


def test_a_stale_adapter_under_a_new_name_is_refused(sampler, tmp_path):
    made, sampling = policy(lora=True, noise=0.05), sampler(sync=OneBehind(), sync_folder=tmp_path)
    sampling.sample(made, letter_prompts(2))
    disturb(made, 0.02)
    with pytest.raises(DisagreementError, match="nats per token"):
        sampling.sample(made, letter_prompts(2))


def test_an_adapter_that_somebody_unloads_is_loaded_again(server, sampler):
    made, sampling = policy(lora=True, noise=0.05), sampler()
    before = sampling.sample(made, letter_prompts(4))
    httpx.post(f"{server.url}/v1/unload_lora_adapter", json={"lora_name": sampling.version}).raise_for_status()
    assert [row.ids for row in sampling.sample(made, letter_prompts(4))] == [row.ids for row in before]


def test_prefixes_are_read_once_for_a_group(server, sampler):
    prompt = Prompt(list(range(3, 36)) * 4, "long")
    before = hits(server)
    sampler(group_size=8, max_tokens=4).sample(policy(lora=True, noise=0.03), [prompt])
    # The server keeps whole blocks of 32 tokens; seven rows of the group find the four of the prompt.
    assert hits(server) - before >= 7 * 4 * 32


def hits(server):
    """Prompt tokens that the server found in its prefix cache so far."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))


def test_an_episode_of_three_turns_is_what_single_requests_give(server, sampler):
    made = policy(lora=True, noise=0.05)
    talking = episodes(sampler(group_size=4, max_tokens=100, temperature=0.7))
    rows = list(talking.sample(made, letter_prompts(8), step=3))
    whole = [row for row in rows if row.stop_reason == "turns"]
    assert len(whole) > 16
    for place, row in ((place, row) for place, row in enumerate(rows) if row in whole[:8]):
        for count, turn in enumerate(turn for turn in row.turns if turn.by == "policy"):
            seed = talking.sampler._request(row.prompt, [], 3, count)["seed"] + place % 4
            body = {
                "model": talking.sampler.version,
                "prompt": [*row.prompt.ids, *row.ids[: turn.start]],
                "max_tokens": 100 - turn.start,
                "temperature": 0.7,
                "seed": seed,
                "ignore_eos": True,
                "stop_token_ids": sorted(STOPS | made.eos_ids),
                "return_token_ids": True,
            }
            answer = httpx.post(f"{server.url}/v1/completions", json=body, timeout=60).json()
            assert answer["choices"][0]["token_ids"] == row.ids[turn.start : turn.end]


def test_episodes_are_the_same_alone_in_another_order_and_by_a_policy_in_process(sampler):
    made, prompts = policy(lora=True, noise=0.05), letter_prompts(8)
    talking = episodes(sampler(group_size=4, max_tokens=100))
    together = [row.ids for row in talking.sample(made, prompts)]
    assert [row.ids for row in talking.sample(made, prompts[5:6])] == together[20:24]
    backwards = talking.sample(made, prompts[::-1])
    assert [row.ids for group in list(backwards.groups())[::-1] for row in group] == together
    ours = episodes(SharedPrefixSampler(group_size=1, max_tokens=100, temperature=0.0)).sample(made, prompts)
    theirs = talking.for_evaluation().sample(made, prompts)
    assert [row.ids for row in theirs] == [row.ids for row in ours]


def test_log_probabilities_of_episodes_are_the_policys(sampler):
    made = policy(lora=True, noise=0.05)
    rows = list(episodes(sampler(group_size=4, max_tokens=100, temperature=0.7)).sample(made, letter_prompts(4)))
    worst = 0.0
    for row in rows:
        answered = ServerCompletion(row.ids, row.logprobs, row.stop_reason)
        (known,) = score(made, row.prompt, [answered], 0.7)
        differences = zip(known, row.logprobs, row.sampled, strict=True)
        worst = max(worst, *(abs(ours - theirs) for ours, theirs, sampled in differences if sampled))
    print(f"{sum(row.sampled_tokens for row in rows)} tokens of episodes, largest gap {worst:.2g}")
    assert worst < 1e-3


def test_a_turn_finds_those_before_it_in_the_prefix_cache(server, sampler):
    prompt = Prompt(list(range(3, 36)) * 4, "long")
    talking = episodes(sampler(group_size=1, max_tokens=100))
    made = policy(lora=True, noise=0.04)
    talking.sample(made, letter_prompts(1))
    before = hits(server)
    (row,) = talking.sample(made, [prompt])
    assert len(row.turns) == 2 * TURNS
    # Whole blocks of 32 tokens: the second and the third turn each find the four of the prompt.
    assert hits(server) - before >= 2 * 4 * 32


def test_other_weights_in_the_middle_of_an_episode_are_refused(sampler):
    made, other = policy(lora=True, noise=0.05), policy(lora=True, noise=0.1)
    plain = sampler(group_size=1)

    class Meddling(Echo):
        def start(self, row, luck):
            plain.sample(other, letter_prompts(1))
            return super().start(row, luck)

    with pytest.raises(StaleWeightsError, match="and this rollout began with"):
        episodes(plain, Meddling()).sample(made, letter_prompts(1))


class Letter(RowReward):
    """Share of the letter a."""

    def score_row(self, completion):
        return completion.text.count("a") / max(len(completion.text), 1)


class Brief(RowReward):
    """More for a first turn that is shorter."""

    def score_row(self, completion):
        return 1 / (1 + len(completion.turns[0].text))


class Watch(RolloutCallback):
    def __init__(self):
        self.rewards, self.versions, self.logged = [], [], []

    def on_rollout_end(self, trainer, pl_module, collected):
        self.rewards.append(collected.scores.total.mean().item())
        self.versions.append(getattr(pl_module.sampler, "sampler", pl_module.sampler).version)

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        self.logged.append(dict(trainer.callback_metrics))

    def on_train_end(self, trainer, pl_module):
        self.logged.append(dict(trainer.callback_metrics))

    def gaps(self, name):
        """The figure of each step: it is logged when the step is over, and here when the next one begins."""
        return [figures[name].item() for figures in self.logged[1:]]


def fit(sampling, *callbacks, reward=None, **options):
    """Three steps of GRPO on an adapter."""
    watch = Watch()
    algorithm = GRPO(
        policy(lora=True),
        reward or Letter(),
        sampling,
        prompts_per_rollout=16,
        learning_rate=2e-2,
        schedule="constant",
        **options,
    )
    trainer = pl.Trainer(
        max_steps=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[watch, *callbacks],
    )
    trainer.fit(algorithm, PromptDataModule(letter_rows(48)))
    return watch


def test_a_run_learns_from_it_and_logs_the_gap(sampler):
    watch = fit(sampler(max_tokens=16, temperature=0.7))
    mean, largest = watch.gaps("train/sampler_gap"), watch.gaps("train/sampler_gap_max")
    print(f"rewards {watch.rewards}, mean gaps {mean}, largest {largest}")
    assert watch.rewards[2] > watch.rewards[0] + 0.1
    assert len(set(watch.versions)) == 3
    assert len(set(mean)) == 3
    assert all(0 < low < high < 1e-3 for low, high in zip(mean, largest, strict=True))


def test_a_run_learns_from_episodes_and_logs_the_gap_of_what_was_sampled(sampler):
    watch = fit(episodes(sampler(max_tokens=48, temperature=0.7)), reward=Brief())
    mean, largest = watch.gaps("train/sampler_gap"), watch.gaps("train/sampler_gap_max")
    print(f"episodes: rewards {watch.rewards}, mean gaps {mean}, largest {largest}")
    assert len(set(watch.versions)) == 3
    assert len(set(watch.rewards)) == 3
    assert all(0 < low < high < 1e-3 for low, high in zip(mean, largest, strict=True))


class Crash(RolloutCallback):
    """Kills the server while it is at the second rollout, and starts it again."""

    def __init__(self, server):
        self.server, self.rollouts, self.thread = server, 0, None
        self.seconds = []

    def on_rollout_start(self, trainer, pl_module, prompts):
        self.rollouts += 1
        self.started = time.monotonic()
        if self.rollouts == 2:
            self.thread = threading.Timer(0.3, self.restart)
            self.thread.start()

    def on_rollout_end(self, trainer, pl_module, collected):
        self.seconds.append(time.monotonic() - self.started)

    def restart(self):
        assert len(self.seconds) == 1
        self.server.kill()
        self.server.start()


def test_a_server_that_is_killed_and_started_again_does_not_end_the_run(server, sampler):
    """The last test but one: it starts the server anew."""
    crash = Crash(server)
    watch = fit(sampler(max_tokens=200, temperature=0.7, patience=500.0), crash)
    crash.thread.join()
    undisturbed = fit(sampler(max_tokens=200, temperature=0.7))
    assert len(watch.rewards) == 3
    # It was in the middle of the second rollout, which waited for it.
    assert crash.seconds[1] > 10 + crash.seconds[2]
    assert watch.versions == undisturbed.versions
    assert watch.rewards == pytest.approx(undisturbed.rewards)


def test_a_server_that_dies_in_the_middle_of_an_episode_is_an_error_as_elsewhere(server, sampler):
    """The last test here: the server is gone."""

    class Fatal(Echo):
        def start(self, row, luck):
            return Killing()

    class Killing(type(Echo().start({}, None))):
        def step(self, turn):
            server.kill()
            return super().step(turn)

    made = policy(lora=True, noise=0.05)
    with pytest.raises(ServerError, match=r"gave no answer to POST .*patience=1\. Start the server"):
        episodes(sampler(max_tokens=100, patience=1.0), Fatal()).sample(made, letter_prompts(2))
