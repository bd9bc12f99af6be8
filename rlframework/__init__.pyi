from . import rewards
from .algorithms import (
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
    SFT,
    VESPO,
    DrGRPO,
    LitePPO,
    MaxRL,
    PolicyGradient,
    ReinforcePlusPlusBaseline,
)
from .callbacks import ProgressBar, RefreshReference, RolloutWriter, SampleLogger, SavePolicy, Sentinel, Sentinels
from .completions import Completion, Completions
from .data import DemonstrationDataModule, PromptDataModule
from .loop.callback import RolloutCallback
from .loop.loader import RolloutLoader
from .policies import CausalLMPolicy, Policy, UnslothPolicy
from .prompt import Demonstration, Prompt
from .report.evaluation import Evaluation, evaluate
from .report.probing.measure import probe
from .rewards import RewardModel
from .rollout import Rollout
from .samplers import (
    BatchedSampler,
    DynamicSampling,
    GenerateSampler,
    GroupSampler,
    SharedPrefixSampler,
    SpreadFilter,
    UncachedSampler,
    UnslothEngineSampler,
    UnslothSampler,
    VLLMSampler,
)

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
    "SFT",
    "VESPO",
    "BatchedSampler",
    "CausalLMPolicy",
    "Completion",
    "Completions",
    "Demonstration",
    "DemonstrationDataModule",
    "DrGRPO",
    "DynamicSampling",
    "Evaluation",
    "GenerateSampler",
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
    "SampleLogger",
    "SavePolicy",
    "Sentinel",
    "Sentinels",
    "SharedPrefixSampler",
    "SpreadFilter",
    "UncachedSampler",
    "UnslothEngineSampler",
    "UnslothPolicy",
    "UnslothSampler",
    "VLLMSampler",
    "evaluate",
    "probe",
    "rewards",
]
