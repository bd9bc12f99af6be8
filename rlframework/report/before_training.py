"""Reports before any training, of a policy and of a reward, under the names of this package."""

from rlframework.report.probing.measure import ProbeReport, probe
from rlframework.report.probing.table import print_probe
from rlframework.reward_report.layout import BareLayout, TaggedLayout
from rlframework.reward_report.probes import AnswerProbe, Probe, Question
from rlframework.reward_report.result import RewardReport
from rlframework.reward_report.scoring import PROBES, reward_report

__all__ = [
    "PROBES",
    "AnswerProbe",
    "BareLayout",
    "Probe",
    "ProbeReport",
    "Question",
    "RewardReport",
    "TaggedLayout",
    "print_probe",
    "probe",
    "reward_report",
]
