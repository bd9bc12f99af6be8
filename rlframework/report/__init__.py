"""What a run has to show: comparison, table, curves, summary."""

from rlframework.report.comparison import Comparison
from rlframework.report.curves import plot_curves, read_metrics
from rlframework.report.divergence import Run, plot_reward_and_accuracy
from rlframework.report.summary import write_summary
from rlframework.report.table import print_comparison, print_examples

__all__ = [
    "Comparison",
    "Run",
    "plot_curves",
    "plot_reward_and_accuracy",
    "print_comparison",
    "print_examples",
    "read_metrics",
    "write_summary",
]
