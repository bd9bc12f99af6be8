from .before_training import (
    PROBES,
    AnswerProbe,
    BareLayout,
    Probe,
    Question,
    RewardReport,
    TaggedLayout,
    print_reward_report,
    reward_report,
    save_reward_report,
)
from .comparison import Comparison
from .cost_curve import CostCurve, Spent
from .curves import plot_curves, read_metrics
from .hacking import CallsRun, Run, plot_calls_and_accuracy, plot_reward_and_accuracy
from .probing.measure import ProbeReport, probe
from .probing.table import print_probe
from .samples import write_samples
from .summary import write_summary
from .table import print_comparison, print_examples, print_figures
from .usage import process_usage

__all__ = [
    "PROBES",
    "AnswerProbe",
    "BareLayout",
    "CallsRun",
    "Comparison",
    "CostCurve",
    "Probe",
    "ProbeReport",
    "Question",
    "RewardReport",
    "Run",
    "Spent",
    "TaggedLayout",
    "plot_calls_and_accuracy",
    "plot_curves",
    "plot_reward_and_accuracy",
    "print_comparison",
    "print_examples",
    "print_figures",
    "print_probe",
    "print_reward_report",
    "probe",
    "process_usage",
    "read_metrics",
    "reward_report",
    "save_reward_report",
    "write_samples",
    "write_summary",
]
