"""Lightning callbacks for rollouts."""

from rlframework.callbacks.base import RolloutCallback
from rlframework.callbacks.progress import ProgressBar
from rlframework.callbacks.refresh_reference import RefreshReference
from rlframework.callbacks.rollout_writer import RolloutWriter
from rlframework.callbacks.save_policy import SavePolicy

__all__ = ["ProgressBar", "RefreshReference", "RolloutCallback", "RolloutWriter", "SavePolicy"]
