"""Algorithms: GRPO, its relatives, REINFORCE, and supervised fine-tuning on demonstrations."""

from rlframework.algorithms.base import PolicyGradient
from rlframework.algorithms.bnpo import BNPO
from rlframework.algorithms.cispo import CISPO
from rlframework.algorithms.dapo import DAPO
from rlframework.algorithms.dr_grpo import DrGRPO
from rlframework.algorithms.gdpo import GDPO
from rlframework.algorithms.gmpo import GMPO
from rlframework.algorithms.grpo import GRPO
from rlframework.algorithms.gspo import GSPO
from rlframework.algorithms.lite_ppo import LitePPO
from rlframework.algorithms.luspo import LUSPO
from rlframework.algorithms.max_rl import MaxRL
from rlframework.algorithms.reinforce import REINFORCE
from rlframework.algorithms.reinforce_plus_plus import ReinforcePlusPlusBaseline
from rlframework.algorithms.rloo import RLOO
from rlframework.algorithms.sapo import SAPO
from rlframework.algorithms.sft import SFT
from rlframework.algorithms.vespo import VESPO
from rlframework.loop.algorithm import Algorithm, PolicyModule
from rlframework.loop.rollout_algorithm import RolloutAlgorithm, RolloutModule

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
    "Algorithm",
    "DrGRPO",
    "LitePPO",
    "MaxRL",
    "PolicyGradient",
    "PolicyModule",
    "ReinforcePlusPlusBaseline",
    "RolloutAlgorithm",
    "RolloutModule",
]

NAMES = sorted(
    set(__all__) - {"Algorithm", "PolicyGradient", "PolicyModule", "RolloutAlgorithm", "RolloutModule", "SFT"}
)
"""Every policy-gradient algorithm that ships, by the name of its class."""
