"""Lightning callbacks: progress bar, samples in the logger, rollouts on disk, saved policies, a moving reference."""

from rlframework.callbacks.progress import ProgressBar
from rlframework.callbacks.refresh_reference import RefreshReference
from rlframework.callbacks.rollout_writer import RolloutWriter
from rlframework.callbacks.sample_logger import SampleLogger
from rlframework.callbacks.save_policy import SavePolicy
from rlframework.loop.callback import RolloutCallback

__all__ = ["ProgressBar", "RefreshReference", "RolloutCallback", "RolloutWriter", "SampleLogger", "SavePolicy"]
