"""Lightning callbacks for rollouts."""

from rlframework.callbacks.base import RolloutCallback
from rlframework.callbacks.progress import ProgressBar
from rlframework.callbacks.rollout_writer import RolloutWriter

__all__ = ["ProgressBar", "RolloutCallback", "RolloutWriter"]
