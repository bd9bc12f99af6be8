"""Reinforcement learning on verifiable rewards for language models, as ordinary PyTorch Lightning."""

from rlframework import rewards
from rlframework.algorithms import (
    BNPO,
    CISPO,
    DAPO,
    GDPO,
    GMPO,
    GRPO,
    GSPO,
    LUSPO,
    REINFORCE,
    RLOO,
    SAPO,
    VESPO,
    DrGRPO,
    LitePPO,
    MaxRL,
    PolicyGradient,
    ReinforcePlusPlusBaseline,
)
from rlframework.callbacks import ProgressBar, RefreshReference, RolloutCallback, RolloutWriter
from rlframework.completions import Completion, Completions
from rlframework.data import PromptDataModule
from rlframework.evaluation import Evaluation, evaluate
from rlframework.loader import RolloutLoader
from rlframework.policies import CausalLMPolicy, Policy
from rlframework.prompt import Prompt
from rlframework.rewards import RewardModel
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler, GroupSampler, SharedPrefixSampler, SpreadFilter

__all__ = [
    "BNPO",
    "CISPO",
    "DAPO",
    "GDPO",
    "GMPO",
    "GRPO",
    "GSPO",
    "LUSPO",
    "REINFORCE",
    "RLOO",
    "SAPO",
    "VESPO",
    "BatchedSampler",
    "CausalLMPolicy",
    "Completion",
    "Completions",
    "DrGRPO",
    "Evaluation",
    "GroupSampler",
    "LitePPO",
    "MaxRL",
    "Policy",
    "PolicyGradient",
    "ProgressBar",
    "Prompt",
    "PromptDataModule",
    "RefreshReference",
    "ReinforcePlusPlusBaseline",
    "RewardModel",
    "Rollout",
    "RolloutCallback",
    "RolloutLoader",
    "RolloutWriter",
    "SharedPrefixSampler",
    "SpreadFilter",
    "evaluate",
    "rewards",
]
