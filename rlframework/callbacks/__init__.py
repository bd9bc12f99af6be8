"""Lightning callbacks: progress bar, sentinels, rollouts on disk, saved policies, a reference that follows."""

from rlframework.callbacks.progress import ProgressBar
from rlframework.callbacks.refresh_reference import RefreshReference
from rlframework.callbacks.rollout_writer import RolloutWriter
from rlframework.callbacks.save_policy import SavePolicy
from rlframework.callbacks.sentinels import Sentinel, Sentinels
from rlframework.loop.callback import RolloutCallback

__all__ = ["ProgressBar", "RefreshReference", "RolloutCallback", "RolloutWriter", "SavePolicy", "Sentinel", "Sentinels"]
