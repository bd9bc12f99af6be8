"""Export: what a run has learned, in folders that other libraries read."""

from rlframework.export.write import Exported, export

__all__ = ["Exported", "export"]
