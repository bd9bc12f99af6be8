from . import code, logic, math
from .answer import AnswerCheck, CorrectAnswer
from .base import RewardModel, RowReward, Scores, WeightedSum, optional
from .code import CodeTests
from .episode import EpisodeReturn
from .failure_limits import RewardLimits
from .format import ApproximateFormat, ExactFormat
from .function import BatchFunctionReward, FunctionReward, TRLReward, as_reward
from .judgement import Judgement
from .length import SoftOverlong
from .math import LenientMathCheck, MathAnywhere, MathCheck
from .math.equation import EquationLayout, EquationReward, EquationSetup, RightEquation
from .number_check import NumberCheck
from .pool import CallResult, Outcome, WorkerPool
from .template import AnswerTemplate
from .verdict import Verdict
from .verified import VerifiedReward
from .where import Where

__all__ = [
    "AnswerCheck",
    "AnswerTemplate",
    "ApproximateFormat",
    "BatchFunctionReward",
    "CallResult",
    "CodeTests",
    "CorrectAnswer",
    "EpisodeReturn",
    "EquationLayout",
    "EquationReward",
    "EquationSetup",
    "ExactFormat",
    "FunctionReward",
    "Judgement",
    "LenientMathCheck",
    "MathAnywhere",
    "MathCheck",
    "NumberCheck",
    "Outcome",
    "RewardLimits",
    "RewardModel",
    "RightEquation",
    "RowReward",
    "Scores",
    "SoftOverlong",
    "TRLReward",
    "Verdict",
    "VerifiedReward",
    "WeightedSum",
    "Where",
    "WorkerPool",
    "as_reward",
    "code",
    "logic",
    "math",
    "optional",
]
