"""Settings in words: those of a real algorithm, and those that nobody foresaw."""

from __future__ import annotations

import pytest
from peft import LoraConfig

from rlframework import GRPO, CausalLMPolicy, DynamicSampling, SharedPrefixSampler, rewards
from rlframework.run_report.settings import flat, reward_terms, sentences
from rlframework.testing import letter_tokenizer, tiny_qwen3
from rlframework.utilities.words import in_words


def test_a_real_algorithm_in_words() -> None:
    adapter = LoraConfig(r=4, target_modules="all-linear")
    policy = CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=adapter)
    reward = rewards.CorrectAnswer() + 0.5 * rewards.ExactFormat()
    sampler = DynamicSampling(SharedPrefixSampler(group_size=4, max_tokens=8), reward, keep=2)
    algorithm = GRPO(policy, reward, sampler, prompts_per_rollout=6, minibatches_per_rollout=2, seed=5, warmup_steps=3)
    settings = {"algorithm": in_words(algorithm), "trainer": {"max_steps": 1200, "precision": "32-true", "ranks": 2}}
    assert sentences(settings) == [
        "GRPO trains CausalLMPolicy (Qwen3ForCausalLM, LoRA of rank 4), seed 5.",
        "A rollout is 6 prompts × 4 completions = 24, by DynamicSampling around SharedPrefixSampler, of at most 8 "
        "tokens at temperature 1.",
        "It is learned from in 2 minibatches.",
        "Learning rate 1e-06 after 3 steps of warm-up, linear schedule.",
        "1,200 optimizer steps at most, 32-true precision, on 2 ranks.",
    ]
    assert reward_terms(settings) == [
        ("correct_answer", "CorrectAnswer", 1.0),
        ("exact_format", "ExactFormat", 0.5),
    ]
    every = dict(flat(settings))
    assert every["algorithm.sampler.sampler.max_tokens"] == "8"
    assert every["algorithm.policy.lora.r"] == "4"


def test_what_was_not_written_down_is_not_said() -> None:
    assert sentences({}) == []
    assert sentences({"algorithm": {"class_path": "mine.Own", "init_args": {}}}) == ["Own."]
    assert reward_terms({"algorithm": {"class_path": "mine.Own", "init_args": {"reward": {"live": "function f"}}}}) == [
        ("function f", "function f", 1.0)
    ]


def test_what_stands_where_a_number_belongs_is_said_by_its_name() -> None:
    schedule = {"class_path": "mine.Falling", "init_args": {}}
    given = dict.fromkeys(("learning_rate", "kl_coefficient", "warmup_steps", "prompts_per_rollout"), schedule)
    sampler = {"class_path": "S", "init_args": {"group_size": {"live": "Sizes"}, "temperature": schedule}}
    given |= {"sampler": sampler, "minibatches_per_rollout": None}
    trainer = {"max_steps": float("inf"), "gradient_clip_val": "0.5", "precision": None, "ranks": 1}
    said = sentences({"algorithm": {"class_path": "mine.Own", "init_args": given}, "trainer": trainer})
    assert said[1:] == [
        "A rollout is Falling prompts × Sizes completions, by S at temperature Falling.",
        "Learning rate Falling after Falling steps of warm-up; KL penalty of Falling.",
        "No limit of steps, none precision, on 1 rank, gradients clipped at 0.5.",
    ]


@pytest.mark.parametrize("weights", [{"a": {"live": "Falling"}}, [0.5]])
def test_a_weight_that_is_no_number_is_not_known(weights: object) -> None:
    reward = {"class_path": "W", "init_args": {"rewards": {"a": {"class_path": "x.A"}}, "weights": weights}}
    [(name, kind, weight)] = reward_terms({"algorithm": {"class_path": "G", "init_args": {"reward": reward}}})
    assert (name, kind, str(weight)) == ("a", "A", "nan")
