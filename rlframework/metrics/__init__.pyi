from .majority import MajorityAtK
from .mean_score import MeanScore
from .paired_bootstrap import PairedBootstrap
from .pass_at_k import PassAtK
from .score import ScoreMetric
from .share_bound import ShareBound
from .tally import Tally

__all__ = ["MajorityAtK", "MeanScore", "PairedBootstrap", "PassAtK", "ScoreMetric", "ShareBound", "Tally"]
