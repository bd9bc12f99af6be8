from . import code, logic, math
from .answer import AnswerCheck, CorrectAnswer
from .base import RewardModel, RowReward, Scores, WeightedSum
from .code import CodeTests
from .format import ApproximateFormat, ExactFormat
from .function import BatchFunctionReward, FunctionReward, TRLReward
from .judgement import Judgement
from .length import SoftOverlong
from .limits import RewardLimits
from .math import MathAnywhere, MathCheck
from .numbers import NumberCheck
from .pool import Outcome, WorkerPool
from .template import AnswerTemplate
from .verdict import Verdict
from .verified import VerifiedReward

__all__ = [
    "AnswerCheck",
    "AnswerTemplate",
    "ApproximateFormat",
    "BatchFunctionReward",
    "CodeTests",
    "CorrectAnswer",
    "ExactFormat",
    "FunctionReward",
    "Judgement",
    "MathAnywhere",
    "MathCheck",
    "NumberCheck",
    "Outcome",
    "RewardLimits",
    "RewardModel",
    "RowReward",
    "Scores",
    "SoftOverlong",
    "TRLReward",
    "Verdict",
    "VerifiedReward",
    "WeightedSum",
    "WorkerPool",
    "code",
    "logic",
    "math",
]
