"""Runs on disk, read again: figures, rollouts, events, settings and what was measured, for reports and replays."""

from rlframework.runs.folder import RunFolder

__all__ = ["RunFolder"]
