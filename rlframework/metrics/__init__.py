"""Measures of a run: torchmetrics for validation, tallies for training."""

from rlframework.metrics.mean_score import MeanScore
from rlframework.metrics.tally import Tally

__all__ = ["MeanScore", "Tally"]
