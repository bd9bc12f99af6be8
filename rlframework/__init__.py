"""Reinforcement learning on verifiable rewards for language models, as ordinary PyTorch Lightning."""

from typing import TYPE_CHECKING

import lazy_loader

from rlframework.utilities import moved

if TYPE_CHECKING:
    # For the completion of notebooks, which does not read `__init__.pyi`.
    from rlframework import environments, rewards
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
        SFT,
        VESPO,
        DrGRPO,
        LitePPO,
        MaxRL,
        PolicyGradient,
        ReinforcePlusPlusBaseline,
    )
    from rlframework.callbacks import (
        ProgressBar,
        RefreshReference,
        RolloutWriter,
        RunWriter,
        SampleLogger,
        SavePolicy,
        Sentinel,
        Sentinels,
    )
    from rlframework.completions import Completion, Completions
    from rlframework.data import DemonstrationDataModule, PromptDataModule
    from rlframework.loop.callback import RolloutCallback
    from rlframework.loop.loader import RolloutLoader
    from rlframework.policies import CausalLMPolicy, Policy, UnslothPolicy
    from rlframework.prompt import Demonstration, Prompt
    from rlframework.report.evaluation import Evaluation, evaluate
    from rlframework.report.probing.measure import probe
    from rlframework.rewards import RewardModel
    from rlframework.rollout import Rollout
    from rlframework.samplers import (
        BatchedSampler,
        DynamicSampling,
        EpisodeSampler,
        GenerateSampler,
        GroupSampler,
        SharedPrefixSampler,
        SpreadFilter,
        UncachedSampler,
        UnslothEngineSampler,
        UnslothSampler,
        VLLMSampler,
    )

# What is imported from where is in `__init__.pyi`. Nothing is before it is used: worker processes and the command line
# start in a fraction of the time that torch takes to import.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
moved.install()
