"""The on-policy guard: samplers that say other log-probabilities than the policy scores, each a fault of its kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.policies import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler, SharedPrefixSampler
from rlframework.samplers.check import SamplerCheck
from rlframework.testing import letter_prompts, letter_tokenizer
from rlframework.testing.tiny import tiny_qwen3
from rlframework.turns import Turn
from tests.drawn import drawn


def make_policy(dtype: torch.dtype = torch.float32) -> CausalLMPolicy:
    return CausalLMPolicy(tiny_qwen3().to(dtype), letter_tokenizer()).eval()


def observe(
    check: SamplerCheck, policy: CausalLMPolicy, sampler: BatchedSampler, prompts: Sequence[Prompt], step: int = 0
) -> Rollout:
    with torch.no_grad():
        completions = sampler.sample(policy, prompts, step=step)
        rollout = Rollout.of(completions, pad_id=0, temperature=sampler.temperature)
        check.observe(policy, sampler, completions, rollout, step)
    return rollout


class Shifted(BatchedSampler):
    """Positions that are off by one, as of a cache that counts otherwise."""

    samples_policy_itself = True

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        longer = [Prompt([2, *prompt.ids], prompt.text, prompt.row, prompt.index) for prompt in prompts]
        found = super().sample(policy, longer, step=step)
        for row, prompt in zip(found.rows, (p for p in prompts for _ in range(self.group_size)), strict=True):
            row.prompt = prompt
        return found


class Tempered(BatchedSampler):
    """Log-probabilities of another temperature."""

    samples_policy_itself = True

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        return super().draw(logits * 1.3, uniforms, rows, position)


class Nothing(BatchedSampler):
    """Log-probabilities that are no numbers."""

    samples_policy_itself = True

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        tokens, scores = super().draw(logits, uniforms, rows, position)
        return tokens, scores * float("nan")


class PaddedWrong(BatchedSampler):
    """Right for the longest prompt, wrong for each that is padded."""

    samples_policy_itself = True

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        tokens, scores = super().draw(logits, uniforms, rows, position)
        return tokens, torch.where(rows < self.group_size, scores - 0.5, scores)


class LateWrong(BatchedSampler):
    """Right at first; wrong from the tenth token on, as of rows that cross a length."""

    samples_policy_itself = True

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        tokens, scores = super().draw(logits, uniforms, rows, position)
        return tokens, scores - 0.5 * int(position >= 10)


class Biased(BatchedSampler):
    """Another weight matrix, as of a copy that was not given the newest."""

    samples_policy_itself = True

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        return super().draw(logits + torch.linspace(0, 1, logits.shape[1]), uniforms, rows, position)


FAULTS = [Shifted, Tempered, Nothing, PaddedWrong, LateWrong, Biased]


# The faults are those of the sampler, and the bound that of the precision.
@pytest.mark.parametrize(
    ("kind", "dtype"),
    drawn(
        {f"{kind.__name__}-{dtype}": (kind, dtype) for kind in FAULTS for dtype in (torch.float32, torch.bfloat16)},
        {*(f"{kind.__name__}-{torch.float32}" for kind in FAULTS), f"{Tempered.__name__}-{torch.bfloat16}"},
    ),
)
def test_another_distribution_stops_the_run_with_the_first_rollout(kind: type[BatchedSampler], dtype: Any) -> None:
    policy = make_policy(dtype)
    with torch.no_grad():  # A model that ends no row, so that late tokens are reached.
        policy.model.lm_head.weight[1] = -policy.model.lm_head.weight[2:].mean(0)
    with pytest.raises(RuntimeError, match=r"log-probabilities that are .* nats .*allowed 0\.") as error:
        observe(SamplerCheck(), policy, kind(group_size=4, max_tokens=24), letter_prompts(4))
    assert "BatchedSampler agrees" in str(error.value)


def test_sampled_tokens_are_compared_however_much_is_given_behind_them() -> None:
    class Told(Biased):
        samples_policy_itself = True

        def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
            found, given = super().sample(policy, prompts, step=step), 150
            for row in found:
                said = len(row.ids)
                row.turns = [Turn(0, said, "policy", row.text), Turn(said, said + given, "environment", "told")]
                row.ids += [3] * given
                row.logprobs += [0.0] * given
            return found

    with pytest.raises(RuntimeError, match="Told gives its tokens log-probabilities that are"):
        observe(SamplerCheck(), make_policy(), Told(group_size=4, max_tokens=24), letter_prompts(4))


@pytest.mark.parametrize(
    ("temperature", "dtype"),
    drawn(
        {f"{t}-{dtype}": (t, dtype) for t in (1.0, 0.6) for dtype in (torch.float32, torch.bfloat16)},
        {f"1.0-{torch.float32}", f"0.6-{torch.bfloat16}"},
    ),
)
def test_honest_samplers_raise_no_alarm(temperature: float, dtype: Any) -> None:
    for kind in (BatchedSampler, SharedPrefixSampler):
        check, policy = SamplerCheck(), make_policy(dtype)
        for step in range(10):
            observe(check, policy, kind(4, 12, temperature=temperature), letter_prompts(4), step)


class LaterWrong(BatchedSampler):
    """Right in the first rollout only."""

    samples_policy_itself = True

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        found = super().sample(policy, prompts, step=step)
        for row in found.rows if step else []:
            row.logprobs = [value - 0.5 for value in row.logprobs]
        return found


def test_a_later_rollout_is_looked_at_too() -> None:
    check, policy, sampler = SamplerCheck(), make_policy(), LaterWrong(4, 8)
    observe(check, policy, sampler, letter_prompts(4))
    with pytest.raises(RuntimeError, match=r"LaterWrong gives its tokens log-probabilities that are 0\.5 nats"):
        observe(check, policy, sampler, letter_prompts(4), step=1)


class Counting(CausalLMPolicy):
    """Counts the tokens of the rows that are scored by themselves."""

    alone = 0

    def single_logprobs(self, batch: Any, **options: Any) -> Any:
        self.alone += int(batch.prompt_mask.sum() + batch.completion_mask.sum())
        return super().single_logprobs(batch, **options)


@pytest.mark.parametrize(
    ("group_size", "rollouts"), drawn({"small groups": (4, 150), "large groups": (64, 40)}, {"large groups"})
)
def test_later_looks_are_less_than_a_hundredth_of_the_tokens_that_steps_read(group_size: int, rollouts: int) -> None:
    policy, check = Counting(make_policy().model, letter_tokenizer()).eval(), SamplerCheck()
    sampler = BatchedSampler(group_size, 8)
    observe(check, policy, sampler, letter_prompts(4))
    policy.alone = read = looks = 0
    for step in range(1, rollouts):
        before = policy.alone
        rollout = observe(check, policy, sampler, letter_prompts(4), step)
        # Sampled once, and an update is three times a forward pass.
        read += 4 * int(rollout.completion_mask.sum())
        looks += policy.alone > before
    assert looks >= 5
    assert policy.alone < 0.0125 * read


def test_a_policy_that_scores_its_minibatches_otherwise_is_named() -> None:
    policy = make_policy()
    honest = policy.logprobs
    policy.logprobs = lambda batch, **options: honest(batch, **options)._replace(
        logprobs=honest(batch, **options).logprobs - 0.3
    )
    with pytest.raises(RuntimeError, match=re.escape("shared_prefix=False, packed_rows=False, padded=False")):
        observe(SamplerCheck(), policy, BatchedSampler(4, 8), letter_prompts(4))


def test_what_is_not_the_policys_own_is_left_to_its_own_checks() -> None:
    check, policy = SamplerCheck(), make_policy()

    class Elsewhere(Tempered):
        samples_policy_itself = False

    observe(check, policy, Elsewhere(4, 8), letter_prompts(4))
    observe(check, policy, BatchedSampler(4, 8, top_k=3), letter_prompts(4))
