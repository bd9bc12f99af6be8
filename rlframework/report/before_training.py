"""The reward report under the names of this package."""

from rlframework.reward_report.layout import BareLayout, TaggedLayout
from rlframework.reward_report.probes import AnswerProbe, Probe, Question
from rlframework.reward_report.result import RewardReport
from rlframework.reward_report.saving import save_reward_report
from rlframework.reward_report.scoring import PROBES, reward_report
from rlframework.reward_report.table import print_reward_report

__all__ = [
    "PROBES",
    "AnswerProbe",
    "BareLayout",
    "Probe",
    "Question",
    "RewardReport",
    "TaggedLayout",
    "print_reward_report",
    "reward_report",
    "save_reward_report",
]
