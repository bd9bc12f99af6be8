from .result import Pair, Replay, ReplayedCompletion
from .running import replay

__all__ = ["Pair", "Replay", "ReplayedCompletion", "replay"]
