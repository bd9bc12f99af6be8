"""The run report: one HTML page of what a run was, did and learned, and of several runs side by side."""

from rlframework.run_report.saving import save_run_report

__all__ = ["save_run_report"]
