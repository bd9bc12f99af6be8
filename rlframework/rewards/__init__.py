from rlframework.rewards.answer import AnswerCheck, CorrectAnswer
from rlframework.rewards.base import RewardModel, RowReward, Scores, WeightedSum
from rlframework.rewards.format import ApproximateFormat, ExactFormat
from rlframework.rewards.length import SoftOverlong
from rlframework.rewards.numbers import NumberCheck
from rlframework.rewards.template import AnswerTemplate

__all__ = [
    "AnswerCheck",
    "AnswerTemplate",
    "ApproximateFormat",
    "CorrectAnswer",
    "ExactFormat",
    "NumberCheck",
    "RewardModel",
    "RowReward",
    "Scores",
    "SoftOverlong",
    "WeightedSum",
]
