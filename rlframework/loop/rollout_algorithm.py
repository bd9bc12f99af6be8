"""Learning from sampled and judged completions: what every such algorithm has besides an objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import nn

from rlframework.completions import Completions
from rlframework.loop.algorithm import PolicyModule
from rlframework.loop.memory import Foretold, foretell
from rlframework.loop.preflight import check_golds, check_groups, check_positions, describe
from rlframework.metrics import MeanScore
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.rewards.failure_limits import Counts, RewardLimits, counts_of, warn_of_failures
from rlframework.samplers.base import GroupSampler
from rlframework.utilities.distributed import replica, sum_over_replicas


class RolloutModule(PolicyModule):
    """Samples, judges, and validates by sampling; it knows nothing of the objective, which `PolicyGradient` adds.

    Args:
        policy: What is trained.
        reward: What judges; compose several with ``+`` and ``*``.
        sampler: What samples; its ``group_size`` is ``G`` and its ``temperature`` that of every log-probability.
        prompts_per_rollout: Prompts in a rollout over all ranks, ``N``.
        validation: Measures of held-out completions by name, logged as ``val/<name>``; ``val/reward`` comes by itself.
        validation_sampler: Samples for validation; by default one greedy completion per prompt from ``sampler``.
        reward_limits: How many checks of a reward may fail before the run stops, in training and in validation.
        **options: As in `PolicyModule`: further sizes of a rollout, optimizer, seed.
    """

    def __init__(
        self,
        policy: Policy,
        reward: RewardModel,
        sampler: GroupSampler,
        *,
        prompts_per_rollout: int = 8,
        validation: Mapping[str, RewardModel] | None = None,
        validation_sampler: GroupSampler | None = None,
        reward_limits: RewardLimits | None = None,
        **options: Any,
    ) -> None:
        super().__init__(policy, prompts_per_rollout=prompts_per_rollout, **options)
        self.reward = reward
        self.sampler = sampler
        measures = {"reward": reward, **(validation or {})}
        self.validation_scores = nn.ModuleDict({name: MeanScore(measure) for name, measure in measures.items()})
        self.validation_sampler = (validation_sampler or sampler.for_evaluation()).unfiltered
        self.reward_limits = reward_limits or RewardLimits()

    def describe(self) -> str:
        """Say how many completions and optimizer steps a rollout is."""
        return describe(self)

    def on_fit_start(self) -> None:
        """Refuse sizes and prompts that do not fit; foretell the memory that the sizes take."""
        check_groups(self)
        check_positions(self)
        splits = getattr(self.trainer.datamodule, "prompts", {})  # type: ignore[attr-defined]
        check_golds(self.reward, splits)
        for reward in self.sampler.judges():
            check_golds(reward, {"train": splits.get("train", ())})
        for score in self.validation_scores.values():
            if (measure := cast(MeanScore, score).reward) is not self.reward:
                check_golds(measure, {"validation": splits.get("validation", ())})
        super().on_fit_start()
        foretold = self.foretell_memory()
        if foretold is not None:
            rank_zero_info(str(foretold))

    def foretell_memory(self) -> Foretold | None:
        """Return what a rollout and an update will take of this rank's memory, where the policy's sizes tell."""
        return foretell(
            self.policy,
            self.sampler,
            getattr(self.trainer.datamodule, "prompts", {}).get("train", ()),  # type: ignore[attr-defined]
            prompts_per_rollout=self.prompts_per_rollout,
            minibatches=self.minibatches_per_rollout,
            accumulate=self.trainer.accumulate_grad_batches,
            replicas=replica(self.trainer)[1],
            precision=str(self.trainer.precision),
        )

    def validation_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Measure held-out completions; logged as ``val/<name>`` over the whole set and all ranks."""
        # The last batch of a rank may be empty; it samples all the same, since a sharded policy needs every rank.
        sampled = prompts or self.trainer.datamodule.prompts["validation"][:1]  # type: ignore[attr-defined]
        with self.inference():
            completions = self.validation_sampler.sample(self.policy, sampled)
        if prompts:
            for score in self.validation_scores.values():
                cast(MeanScore, score).update(completions)
        for name, score in self.validation_scores.items():
            shown = name != "reward"
            self.log(f"val/{name}", cast(MeanScore, score), prog_bar=shown, on_epoch=True, batch_size=1)

    def predict_step(self, prompts: list[Prompt], batch_idx: int) -> Completions:
        """Answer prompts as the rollout of this number would, from the present weights."""
        with self.inference():
            return self.sampler.sample(self.policy, prompts, step=batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Say which figures leave out completions that could not be checked; stop if those are too many."""
        counts: dict[str, Counts] = {}
        for name, score in self.validation_scores.items():
            found = cast(MeanScore, score).counts(lambda numbers: sum_over_replicas(self.trainer, numbers))
            counts |= counts_of(name, found)
        warn_of_failures("validation", counts)
        self.reward_limits.refuse(counts)
