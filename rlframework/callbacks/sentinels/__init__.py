"""Sentinels: callbacks that watch a run for its usual faults, and warn or stop."""

from rlframework.callbacks.sentinels.base import Sentinel, SentinelWarning
from rlframework.callbacks.sentinels.entropy_collapse import EntropyCollapse
from rlframework.callbacks.sentinels.gradient_spike import GradientSpike
from rlframework.callbacks.sentinels.hacking_alarm import HackingAlarm
from rlframework.callbacks.sentinels.length_drift import LengthDrift
from rlframework.callbacks.sentinels.no_spread import NoSpread
from rlframework.callbacks.sentinels.not_finite import NotFinite
from rlframework.callbacks.sentinels.parse_failures import ParseFailures
from rlframework.callbacks.sentinels.share import ShareSentinel
from rlframework.callbacks.sentinels.standard import Sentinels
from rlframework.callbacks.sentinels.truncation import Truncation
from rlframework.callbacks.sentinels.zero_gradient import ZeroGradient

__all__ = [
    "EntropyCollapse",
    "GradientSpike",
    "HackingAlarm",
    "LengthDrift",
    "NoSpread",
    "NotFinite",
    "ParseFailures",
    "Sentinel",
    "SentinelWarning",
    "Sentinels",
    "ShareSentinel",
    "Truncation",
    "ZeroGradient",
]
