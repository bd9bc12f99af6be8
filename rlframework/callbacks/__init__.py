"""Lightning callbacks: progress, samples, sentinels, rollouts and events on disk, saved policies, moving reference."""

from rlframework.callbacks.progress import ProgressBar
from rlframework.callbacks.refresh_reference import RefreshReference
from rlframework.callbacks.requeue_on_signal import Requeued, RequeueOnSignal
from rlframework.callbacks.rollout_writer import RolloutWriter, read_rollouts, read_run
from rlframework.callbacks.run_writer import RunWriter
from rlframework.callbacks.sample_logger import SampleLogger
from rlframework.callbacks.save_policy import SavePolicy
from rlframework.callbacks.sentinels import Sentinel, Sentinels
from rlframework.loop.callback import RolloutCallback
from rlframework.loop.rank_watch import RankWatch

__all__ = [
    "ProgressBar",
    "RankWatch",
    "RefreshReference",
    "RequeueOnSignal",
    "Requeued",
    "RolloutCallback",
    "RolloutWriter",
    "RunWriter",
    "SampleLogger",
    "SavePolicy",
    "Sentinel",
    "Sentinels",
    "read_rollouts",
    "read_run",
]
