"""Export: the policy of a run, in folders that other libraries read."""

from rlframework.export.write import Exported, export

__all__ = ["Exported", "export"]
