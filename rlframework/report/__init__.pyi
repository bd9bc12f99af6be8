from .comparison import Comparison
from .curves import plot_curves, read_metrics
from .divergence import Run, plot_reward_and_accuracy
from .probe_measure import ProbeReport, probe
from .probe_table import print_probe
from .reward_layout import BareLayout, TaggedLayout
from .reward_probes import AnswerProbe, Probe, Question
from .reward_result import RewardReport
from .reward_scoring import PROBES, reward_report
from .summary import write_summary
from .table import print_comparison, print_examples
from .usage import process_usage

__all__ = [
    "PROBES",
    "AnswerProbe",
    "BareLayout",
    "Comparison",
    "Probe",
    "ProbeReport",
    "Question",
    "RewardReport",
    "Run",
    "TaggedLayout",
    "plot_curves",
    "plot_reward_and_accuracy",
    "print_comparison",
    "print_examples",
    "print_probe",
    "probe",
    "process_usage",
    "read_metrics",
    "reward_report",
    "write_summary",
]
