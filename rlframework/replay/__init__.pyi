from .page import save_page
from .rescoring import Rescored, Rescoring, rescore
from .rescoring_table import print_rescoring
from .result import Pair, Replay, ReplayedCompletion
from .running import replay
from .terminal import print_replay

__all__ = [
    "Pair",
    "Replay",
    "ReplayedCompletion",
    "Rescored",
    "Rescoring",
    "print_replay",
    "print_rescoring",
    "replay",
    "rescore",
    "save_page",
]
