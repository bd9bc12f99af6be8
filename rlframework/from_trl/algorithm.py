"""Algorithm of a run of TRL: the class that its loss type, level, scaling and aggregation are here, or a subclass."""

from __future__ import annotations

import re
from typing import NamedTuple

EXACT = {
    ("grpo", "token", "group"): "GRPO",
    ("grpo", "sequence", "group"): "GSPO",
    ("bnpo", "token", "group"): "BNPO",
    ("dapo", "token", "group"): "DAPO",
    ("dapo", "token", "batch"): "LitePPO",
    ("dr_grpo", "token", "none"): "DrGRPO",
    ("luspo", "sequence", "group"): "LUSPO",
    ("cispo", "token", "group"): "CISPO",
    ("sapo", "token", "group"): "SAPO",
    ("vespo", "token", "group"): "VESPO",
}
"""Classes by loss type, level of the ratio, and scaling of rewards."""

BASES = {
    "grpo": ("GRPO", "token", "group"),
    "bnpo": ("BNPO", "token", "group"),
    "dapo": ("DAPO", "token", "group"),
    "dr_grpo": ("DrGRPO", "token", "none"),
    "luspo": ("LUSPO", "sequence", "group"),
    "cispo": ("CISPO", "token", "group"),
    "sapo": ("SAPO", "token", "group"),
    "vespo": ("VESPO", "token", "group"),
}
"""The class with the denominators and the surrogate of each loss type, and its own level and scaling."""

CLIPPED = ("grpo", "bnpo", "dapo", "dr_grpo", "luspo")
_ADVANTAGES = {"group": "group_normalized", "batch": "batch_scaled", "none": "group_centered"}


class AlgorithmClass(NamedTuple):
    """A class, and the code that makes it where there is none yet.

    Args:
        name: Of the class.
        code: Of the subclass; empty where ``rlframework`` has the class.
    """

    name: str
    code: str = ""


def algorithm_of(loss: str, level: str, scale: str, decoupled: bool) -> AlgorithmClass:
    """Return the class of a loss of ``GRPOTrainer``.

    Args:
        loss: ``loss_type``.
        level: ``importance_sampling_level``.
        scale: ``scale_rewards``, ``"group"``, ``"batch"`` or ``"none"``.
        decoupled: Whether rewards are normalised one by one, ``multi_objective_aggregation="normalize_then_sum"``.

    Raises:
        ValueError: TRL has no such loss, or there is none like it here.

    Example:
        >>> algorithm_of("dapo", "token", "group", decoupled=False)
        AlgorithmClass(name='DAPO', code='')
        >>> print(algorithm_of("dapo", "token", "none", decoupled=False).code)
        class DAPOOfTRL(DAPO):
            \"\"\"TRL's loss_type='dapo', importance_sampling_level='token', scale_rewards='none'.\"\"\"
        <BLANKLINE>
            def advantages(self, rewards):
                return group_centered(rewards)
    """
    if loss not in BASES or level not in ("token", "sequence") or scale not in _ADVANTAGES:
        raise ValueError(f"no loss of TRL 1.16: loss_type={loss!r}, level {level!r}, scale_rewards={scale!r}")
    if level == "sequence" and loss not in CLIPPED:
        raise ValueError(
            f"importance_sampling_level='sequence' of loss_type={loss!r}: a ratio by token is all there is here"
        )
    if decoupled:
        if (loss, level) == ("grpo", "token"):
            return AlgorithmClass("GDPO")
    elif (loss, level, scale) in EXACT:
        return AlgorithmClass(EXACT[loss, level, scale])
    base, own_level, own_scale = BASES[loss]
    said = f"TRL's loss_type={loss!r}, importance_sampling_level={level!r}, "
    said += "multi_objective_aggregation='normalize_then_sum'" if decoupled else f"scale_rewards={scale!r}"
    lines = [f"class {base}OfTRL({base}):", f'    """{said}."""']
    if level != own_level:
        of = "GSPO" if level == "sequence" else "GRPO"
        lines += ["", f"    sequence_ratio = {level == 'sequence'}", f"    importance = {of}.importance"]
    if decoupled:
        lines += ["", "    advantages_of_scores = GDPO.advantages_of_scores"]
    elif scale != own_scale:
        lines += ["", "    def advantages(self, rewards):", f"        return {_ADVANTAGES[scale]}(rewards)"]
    return AlgorithmClass(f"{base}OfTRL", "\n".join(lines))


SCALED_RLOO = AlgorithmClass(
    "RLOOOfTRL",
    '''class RLOOOfTRL(RLOO):
    """TRL's RLOO with normalize_advantages=True."""

    def advantages(self, rewards):
        return batch_normalized(leave_one_out(rewards), epsilon=1e-4)''',
)
"""RLOO with advantages that are divided by the spread of the rollout."""

_HOMES = {
    "rlframework": "BNPO CISPO DAPO GDPO GRPO GSPO LUSPO RLOO SAPO VESPO DrGRPO",
    "rlframework.functional.advantages": "batch_normalized batch_scaled group_centered group_normalized leave_one_out",
}


def imports_of(code: str) -> str:
    r"""Return the imports that the code of a class takes.

    Example:
        >>> print(imports_of("class DAPOOfTRL(DAPO):\n    x = group_centered"))
        from rlframework import DAPO
        from rlframework.functional.advantages import group_centered
    """
    words = set(re.findall(r"\w+", code))
    used = {home: [name for name in names.split() if name in words] for home, names in _HOMES.items()}
    return "\n".join(f"from {home} import {', '.join(names)}" for home, names in used.items() if names)
