"""Measures of a run: torchmetrics for validation, tallies for training."""

from rlframework.metrics.majority import MajorityAtK
from rlframework.metrics.mean_score import MeanScore
from rlframework.metrics.paired_bootstrap import PairedBootstrap
from rlframework.metrics.pass_at_k import PassAtK
from rlframework.metrics.score import ScoreMetric
from rlframework.metrics.share_bound import ShareBound
from rlframework.metrics.tally import Tally

__all__ = ["MajorityAtK", "MeanScore", "PairedBootstrap", "PassAtK", "ScoreMetric", "ShareBound", "Tally"]
