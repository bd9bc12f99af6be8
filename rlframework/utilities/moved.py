"""Old module paths: imports of modules that have moved go on, with a warning that says the new path."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    f"rlframework.{old}": f"rlframework.{new}"
    for old, new in {
        "algorithms.memory": "loop.memory",
        "algorithms.optimizer": "loop.optimizer",
        "algorithms.policy_module": "loop.algorithm",
        "algorithms.preflight": "loop.checks",
        "algorithms.rollout_module": "loop.rollout_algorithm",
        "arguments": "utilities.arguments",
        "balance": "loop.minibatches",
        "callbacks.base": "loop.callback",
        "checkpoints": "loop.checkpoint",
        "demonstration": "prompt",
        "daemon_threads": "utilities.daemon_threads",
        "digest": "utilities.digest",
        "distributed": "utilities.distributed",
        "evaluation": "report.evaluation",
        "export_check": "export.check",
        "export_command": "cli.export",
        "export_read": "export.read",
        "fingerprint": "policies.fingerprint",
        "folders": "utilities.paths",
        "functional.gates": "functional.masks",
        "functional.intervals": "functional.confidence",
        "idle": "loop.zero_advantage",
        "loader": "loop.loader",
        "memory": "utilities.peak_memory",
        "named": "utilities.imports",
        "optional": "utilities.imports",
        "other_names": "utilities.other_names",
        "policies.foresight": "policies.scoring.fused_gradient",
        "policies.group_cache": "policies.decoding.group_cache",
        "policies.head": "policies.lm_head",
        "policies.kv_cache": "policies.decoding.kv_cache",
        "policies.lean_decode": "policies.decoding.fused_step",
        "policies.packed_rows": "policies.scoring.packed",
        "policies.prefix_sharing": "policies.scoring.shared_prefix",
        "policies.prefix_tree": "policies.scoring.prefix_tree",
        "policies.right_padded": "policies.scoring.right_padded",
        "policies.rotation": "policies.rope",
        "policies.rows_apart": "policies.decoding.rows_apart",
        "policies.tree_attention": "policies.scoring.tree_attention",
        "policies.trunk_prefill": "policies.decoding.trunk_prefill",
        "quiet": "utilities.known_warnings",
        "report.divergence": "report.hacking",
        "report.equation_layouts": "reward_report.equation_layouts",
        "report.probe_command": "cli.probe",
        "report.probe_measure": "report.probing.measure",
        "report.probe_table": "report.probing.table",
        "report.probe_verdict": "report.probing.verdict",
        "report.reward_command": "cli.reward_report",
        "report.reward_layout": "reward_report.layout",
        "report.reward_layout_probes": "reward_report.layout_probes",
        "report.reward_page": "reward_report.page",
        "report.reward_probes": "reward_report.probes",
        "report.reward_result": "reward_report.result",
        "report.reward_right": "reward_report.right_probes",
        "report.reward_scoring": "reward_report.scoring",
        "report.reward_sources": "reward_report.sources",
        "report.reward_table": "reward_report.table",
        "report.reward_wrong": "reward_report.wrong_probes",
        "resume": "loop.random_state",
        "recipe_cli": "cli.lightning",
        "rewards.code.limits": "rewards.code.resource_limits",
        "rewards.equation": "rewards.math.equation",
        "rewards.limits": "rewards.failure_limits",
        "rewards.math.anywhere": "rewards.math.lenient",
        "rewards.math.boxes": "rewards.math.boxed",
        "rewards.math.commands": "rewards.math.latex",
        "rewards.math.numeric": "rewards.math.equivalence",
        "rewards.math.second_opinion": "rewards.math.math_verify_worker",
        "rewards.numbers": "rewards.number_check",
        "rollout_watch": "loop.rollout_watch",
        "step": "loop.optimizer_step",
        "tasks.tiny_base": "tasks.tiny.base",
        "tasks.tiny_recipe": "tasks.tiny.recipe",
        "tasks.tiny_run": "tasks.tiny.run",
        "tasks.tiny_task": "tasks.tiny.task",
        "tasks.tiny_training": "tasks.tiny.training",
        "testing.checks": "testing.algorithms.checks",
        "testing.checks.divergence": "testing.algorithms.checks.divergence",
        "testing.checks.invariance": "testing.algorithms.checks.invariance",
        "testing.checks.option": "testing.algorithms.checks.option",
        "testing.checks.ratio": "testing.algorithms.checks.ratio",
        "testing.checks.response": "testing.algorithms.checks.response",
        "testing.checks.slope": "testing.algorithms.checks.slope",
        "testing.checks.training": "testing.algorithms.checks.training",
        "testing.freezing": "testing.algorithms.finite_differences",
        "testing.kit": "testing.algorithms.kit",
        "testing.rewards.checks.limits": "testing.rewards.checks.time_limits",
        "testing.script": "testing.algorithms.script",
        "testing.trial": "testing.algorithms.trial",
        "ways_out": "utilities.ways_out",
        "whole_folder": "utilities.whole_folder",
    }.items()
}
"""New module paths by the old ones, of version 0.1; they go with version 0.2."""


class MovedModules(MetaPathFinder, Loader):
    """Import hook that finds a module under its old path.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as said:
        ...     warnings.simplefilter("always")
        ...     from rlframework.folders import writable_folder
        >>> print(said[-1].message)
        rlframework.folders has moved to rlframework.utilities.paths; the old path goes with version 0.2
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for the old path of a module, None for any other.

        Args:
            fullname: The path that is imported.
            path: As of Python's finders; unused.
            target: As of Python's finders; unused.
        """
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return an empty module that looks names up in the moved one."""
        new = MOVED[spec.name]
        # The importing line is above the frames of importlib, which warnings leave out themselves.
        warnings.warn(
            f"{spec.name} has moved to {new}; the old path goes with version 0.2", DeprecationWarning, stacklevel=2
        )
        module = ModuleType(spec.name, importlib.import_module(new).__doc__)
        module.__path__ = []  # or what is below a package would be found in its new folder, and made once more
        module.__getattr__ = importlib.import_module(new).__getattribute__  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the moved module has run."""


def install() -> None:
    """Let old paths be found, after everything that is really there."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
