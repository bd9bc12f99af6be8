"""Data modules: prompts with golds, and demonstrations, from data sets, files and generators."""

from rlframework.data.chat_template import set_structured_chat_template
from rlframework.data.columns import ColumnMap
from rlframework.data.competition_math import MATH
from rlframework.data.dapo_math import DAPOMath
from rlframework.data.demonstrations import DemonstrationDataModule
from rlframework.data.golds import math_gold
from rlframework.data.gsm8k import GSM8K
from rlframework.data.local_file import LocalFile
from rlframework.data.mapped import MappedData
from rlframework.data.module import PromptDataModule
from rlframework.data.openr1_demonstrations import OpenR1Demonstrations
from rlframework.data.openr1_math import OpenR1Math
from rlframework.data.reasoning_gym import ReasoningGymPrompts
from rlframework.data.source import Source
from rlframework.data.splitters import after_hashes, last_boxed
from rlframework.data.step_prompts import StepPrompts

__all__ = [
    "GSM8K",
    "MATH",
    "ColumnMap",
    "DAPOMath",
    "DemonstrationDataModule",
    "LocalFile",
    "MappedData",
    "OpenR1Demonstrations",
    "OpenR1Math",
    "PromptDataModule",
    "ReasoningGymPrompts",
    "Source",
    "StepPrompts",
    "after_hashes",
    "last_boxed",
    "math_gold",
    "set_structured_chat_template",
]
