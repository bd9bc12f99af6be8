"""Mistakes that a type checker has to see: each line is silenced, and a line that needs no silencing is an error.

Read by mypy and by basedpyright in ``make lint``; never run.
"""

from rlframework import DAPO, GRPO, CausalLMPolicy, SharedPrefixSampler, rewards
from rlframework.data import GSM8K

policy = CausalLMPolicy("folder")
reward = rewards.CorrectAnswer()
sampler = SharedPrefixSampler(group_size=8, max_tokens=256)


class Wider(GRPO):
    """An algorithm of one's own: another default, and an argument more."""

    clip_high: float = 0.3
    width: int = 3


# Right ones.
GRPO(policy, reward, sampler, clip_low=0.1, learning_rate=1e-5, prompts_per_rollout=16)
DAPO(policy, reward, sampler, clip_high=0.3)
GSM8K(heldout_share=0.1, validation_rows=256)
number: float = Wider(policy, reward, sampler, width=4, kl_coefficient=0.1).clip_high
total = rewards.WeightedSum(rewards={"right": reward, "layout": rewards.ExactFormat()}, weights={"layout": 0.5})
evaluated = GRPO(policy, reward, sampler).validation_sampler.max_tokens

# Wrong ones.
GRPO(policy, reward, sampler, clip_lo=0.1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
GRPO(policy, reward, sampler, learning_rate="fast")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
GRPO(reward, policy, sampler)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
GRPO(policy, reward, sampler, prompt_per_rollout=16)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
GSM8K(heldout_shar=0.1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
rewards.WeightedSum(rewards={"a": reward}, weights={"a": "1"})  # type: ignore[dict-item] # pyright: ignore[reportArgumentType]
GRPO()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
Wider(policy, reward, sampler, widht=4)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
