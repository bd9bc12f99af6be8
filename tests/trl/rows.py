"""The rows of the table: each algorithm as it is shipped, with the setting of TRL that it equals."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rlframework.algorithms import (
    BNPO,
    CISPO,
    DAPO,
    GDPO,
    GMPO,
    GRPO,
    GSPO,
    LUSPO,
    RLOO,
    SAPO,
    VESPO,
    DrGRPO,
    LitePPO,
    PolicyGradient,
)
from tests.trl.matrix import SequenceRatio, Setting, TokenRatio
from tests.trl.runs import Case

NARROW = {"epsilon": 0.02, "epsilon_high": 0.03}


class Row(NamedTuple):
    """An algorithm, its options where they are not the defaults, and TRL's words for it."""

    kind: type[PolicyGradient]
    theirs: Mapping[str, Any]
    trainer: str = "grpo"
    ours: Mapping[str, Any] = {}
    slower: float = 1.0

    def case(self, **fields: Any) -> Case:
        """Return six steps, two on each rollout, held by a KL term."""
        ours, theirs = dict(self.ours), dict(self.theirs)
        if self.trainer != "rloo":
            ours["kl_coefficient"] = theirs["beta"] = 0.04
            theirs["use_bias_correction_kl"] = False
        defaults = {"accumulate": 1, "passes": 2, "steps": 6, "slower": self.slower, "evaluate": True}
        return Case(self.kind, lambda: ours, self.trainer, theirs, **{**defaults, **fields})

    def setting(self) -> str:
        """Return TRL's settings as one writes them."""
        trainer = {"grpo": "", "rloo": "RLOOTrainer", "gmpo": "GMPOTrainer"}[self.trainer]
        shown = ", ".join(
            f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}" for name, value in self.theirs.items()
        )
        return f"`{trainer}({shown})`" if trainer else f"`{shown}`"


def by_sequence(kind: type[PolicyGradient], **fields: Any) -> type[PolicyGradient]:
    return type(kind.__name__, (SequenceRatio, kind), fields)


def loss(name: str, **more: Any) -> dict[str, Any]:
    return {"loss_type": name, **more}


SEQUENCE = {"importance_sampling_level": "sequence"}
CLIPS = {"clip_low": 0.02, "clip_high": 0.03}
ROWS: dict[str, Row] = {
    "GRPO": Row(GRPO, loss("grpo")),
    "DrGRPO": Row(DrGRPO, loss("dr_grpo", scale_rewards="none")),
    "DAPO": Row(DAPO, loss("dapo", epsilon_high=0.28)),
    "LitePPO": Row(LitePPO, loss("dapo", scale_rewards="batch")),
    "BNPO": Row(BNPO, loss("bnpo")),
    "GSPO": Row(GSPO, loss("grpo", **SEQUENCE, epsilon=3e-4, epsilon_high=4e-4)),
    "LUSPO": Row(LUSPO, loss("luspo", **SEQUENCE, epsilon=3e-4, epsilon_high=4e-4), slower=8),
    "CISPO": Row(CISPO, loss("cispo", epsilon_high=5.0)),
    "SAPO": Row(SAPO, loss("sapo")),
    "VESPO": Row(VESPO, loss("vespo")),
    "GMPO": Row(GMPO, {}, "gmpo"),
    "GDPO": Row(GDPO, loss("grpo", multi_objective_aggregation="normalize_then_sum")),
    "RLOO": Row(RLOO, {"beta": 0.05}, "rloo", slower=4),
    "DrGRPO, sequence": Row(
        by_sequence(DrGRPO), loss("dr_grpo", scale_rewards="none", **SEQUENCE, **NARROW), ours=CLIPS
    ),
    "DAPO, sequence": Row(by_sequence(DAPO), loss("dapo", **SEQUENCE, **NARROW), ours=CLIPS),
    "BNPO, sequence": Row(by_sequence(BNPO), loss("bnpo", **SEQUENCE, **NARROW), ours=CLIPS),
    "CISPO, sequence": Row(by_sequence(CISPO), loss("cispo", **SEQUENCE, epsilon_high=1.01), ours={"ratio_cap": 1.01}),
    "SAPO, sequence": Row(by_sequence(SAPO), loss("sapo", **SEQUENCE)),
    "GDPO, sequence": Row(
        by_sequence(GDPO),
        loss("grpo", multi_objective_aggregation="normalize_then_sum", **SEQUENCE, **NARROW),
        ours=CLIPS,
    ),
    "LUSPO, token": Row(
        type("LUSPO", (TokenRatio, LUSPO), {}), loss("luspo"), ours={"clip_low": 0.2, "clip_high": 0.2}, slower=8
    ),
}


def row_of(setting: Setting) -> str:
    """Return the row that a setting of the matrix belongs to."""
    name, by_row = setting["algorithm"], setting["ratio"] == "sequence"
    if name == "grpo":
        return "GSPO" if by_row else "GRPO"
    if name == "luspo":
        return "LUSPO" if by_row else "LUSPO, token"
    if name == "dapo" and setting["scale"] == "batch" and not by_row:
        return "LitePPO"
    kind = {"dr_grpo": "DrGRPO"}.get(name, name.upper())
    return f"{kind}, sequence" if by_row else kind


ROW_CASES = {name: row.case() for name, row in ROWS.items()}
