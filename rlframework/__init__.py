"""Reinforcement learning on verifiable rewards for language models, as ordinary PyTorch Lightning."""

from rlframework import rewards
from rlframework.algorithms import GRPO, PolicyGradient
from rlframework.callbacks import ProgressBar, RolloutCallback, RolloutWriter
from rlframework.completions import Completion, Completions
from rlframework.data import PromptDataModule
from rlframework.evaluation import Evaluation, evaluate
from rlframework.loader import RolloutLoader
from rlframework.policies import CausalLMPolicy, Policy
from rlframework.prompt import Prompt
from rlframework.rewards import RewardModel
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler, GroupSampler

__all__ = [
    "GRPO",
    "BatchedSampler",
    "CausalLMPolicy",
    "Completion",
    "Completions",
    "Evaluation",
    "GroupSampler",
    "Policy",
    "PolicyGradient",
    "ProgressBar",
    "Prompt",
    "PromptDataModule",
    "RewardModel",
    "Rollout",
    "RolloutCallback",
    "RolloutLoader",
    "RolloutWriter",
    "evaluate",
    "rewards",
]
