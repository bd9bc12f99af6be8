"""The collecting half of an algorithm: prompts become a rollout, sampled, scored and weighed."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import field, replace
from functools import partial
from itertools import islice
from math import ceil, inf
from typing import Any, ClassVar, cast, final

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor, nn
from torch.nn.functional import pad

from rlframework.completions import Completions
from rlframework.loop.accumulation import accumulation
from rlframework.loop.ahead import Ahead, Made
from rlframework.loop.algorithm import Algorithm
from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.loop.checks import check_golds
from rlframework.loop.loader import Upcoming
from rlframework.loop.logging import tally_gap, tally_rollout
from rlframework.loop.memory import Foretold, foretell
from rlframework.loop.minibatches import balanced_order
from rlframework.loop.optimizer_step import step_weights
from rlframework.loop.prompt_batches import PromptBatch, ScoredCompletions, single_precision
from rlframework.loop.rollout_watch import RolloutWatch
from rlframework.metrics import MeanScore, ScoreMetric
from rlframework.metrics.figure_names import figure_names
from rlframework.metrics.score import update_all
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel, Scores
from rlframework.rewards.failure_limits import Counts, RewardLimits, counts_of, warn_of_failures
from rlframework.rewards.on_device import computes_on
from rlframework.rewards.waiting import stoppable, unstoppable
from rlframework.rollout import Rollout
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.check import SamplerCheck
from rlframework.samplers.remote import RemoteSampler, Version, remote_inside
from rlframework.terms import KLInLoss, KLTerm, SamplerCorrection, TokenTruncation
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import (
    all_gather_object,
    alone,
    any_rank,
    gather_rows,
    global_rank,
    is_sharded,
    replica_rank,
    sum_over_replicas,
)
from rlframework.utilities.fields import derived

# Rewards judge one rollout at a time, ahead or held out. Of the process: an algorithm with a lock could not be copied.
_JUDGING = threading.Lock()


class RolloutAlgorithm(Algorithm):
    """Samples, judges and weighs rollouts, and validates by sampling; what is learned of them is `PolicyGradient`'s.

    Attributes:
        policy_scores_rollouts: Whether the policy scores its rollouts itself, because the sampler's log-probabilities
            were found to differ from its own; while they agree, that spares a forward pass.
        sampler_check: Holds what a sampler of this process says of its tokens against the policy.
        watch: Looks at rollouts for signs that nothing, or noise, is learned from them.
        reference: The policy that the KL term compares with; None without one.
        depends_on_minibatches: True states that the gradient depends on how a step is cut into minibatches, on purpose.
    """

    depends_on_minibatches: ClassVar[bool] = False

    reward: RewardModel = field(kw_only=False)
    """Reward of completions; compose several with ``+`` and ``*``."""
    sampler: GroupSampler = field(kw_only=False)
    """Sampler of completions; its ``group_size`` is ``G`` and its ``temperature`` that of every log-probability."""
    prompts_per_rollout: int = 8
    """Prompts in a rollout over all ranks, ``N``."""
    minibatches_per_rollout: int = 1
    """Parts of whole groups that a rollout is cut into. With the Trainer's ``accumulate_grad_batches`` of as many (or 1
    and 1) there is one optimizer step per rollout."""
    passes_per_rollout: int = 1
    """Passes over each rollout."""
    kl_coefficient: float = 0.0
    """Weight of the KL divergence to `Policy.reference`: the policy as it is now, or of a policy with an adapter the
    model without it. 0 keeps no reference."""
    kl: KLTerm = derived(default=None)
    """KL term: where the divergence enters and by which estimate; by default ``KLInLoss(k3)``."""
    mask_truncated: bool = False
    """Do not learn from completions that the token budget ended. Unless ``count_masked``, they take no part in their
    group's statistics and in no denominator: as if they had not been sampled."""
    count_masked: bool = False
    """Leave the masked rows in their group's statistics and in ``B``, as TRL does."""
    sampler_correction: SamplerCorrection | None = None
    """Makes up for a sampler that is not quite the policy; by default the sampler's own ``correction``, which an engine
    in another process has and the samplers of this process have not."""
    rollouts_ahead: int = 0
    """Rollouts ahead of learning, ``k``: each is sampled from the weights that the rollout ``k`` before it was begun
    with, while the policy learns. Needs a `RemoteSampler`, such as `VLLMSampler`; above 1 also one that samples from
    several versions side by side, as of an adapter. 0 samples from the newest weights."""
    save_patience: float = 60.0
    """Seconds that a checkpoint waits for rollouts that were asked for. One that has not come by then is asked for
    again after a resume, which then is not exact to the last bit."""
    validation: Mapping[str, RewardModel | ScoreMetric] | None = None
    """Measures of held-out completions by name, logged as ``val/<name>``; ``val/reward`` comes by itself. Of a reward
    it is the mean; other figures are metrics, such as ``{"pass@8": PassAtK(CorrectAnswer(), k=8)}``."""
    validation_samples: int = 1
    """Completions of each held-out prompt. One is the most likely, by greedy decoding; more are sampled as in training,
    and the means are over all of them."""
    validation_sampler: GroupSampler = derived(default=None)
    """Samples for validation; by default ``sampler`` with as many completions as ``validation_samples``."""
    reward_limits: RewardLimits = derived(default=None)
    """Limits of failed checks of a reward, above which the run stops, in training and in validation."""

    def __post_init__(self) -> None:
        """Check the sampler and fill in what follows from it.

        Raises:
            ValueError: Groups of one (no other row to compare with), a temperature of 0 (all rows of a group alike), a
                truncated distribution, no end token, or ``count_masked`` alone.
        """
        super().__post_init__()
        self.kl = self.kl or KLInLoss()
        at_least(self, 0, rollouts_ahead=self.rollouts_ahead, save_patience=self.save_patience)
        usual = self.correction_ahead() if self.rollouts_ahead else self.sampler.correction
        self.sampler_correction = self.sampler_correction or usual
        self._plan: Ahead | None = None
        self._saved_plan: list[list[dict[str, Any]]] = []
        self._told_of_judging = False
        self.reward_limits = self.reward_limits or RewardLimits()
        self.validation_sampler = (self.validation_sampler or self._sampler_of_validation()).unfiltered
        measures = {"reward": self.reward, **(self.validation or {})}
        figure_names(f"train/reward/{name}" for name in ("total", *(part.name for part in self.reward.components())))
        named = figure_names(measures)
        self.validation_scores = nn.ModuleDict(
            {named[name]: one if isinstance(one, ScoreMetric) else MeanScore(one) for name, one in measures.items()}
        )
        self.policy_scores_rollouts = False
        self.sampler_check = SamplerCheck()
        self.watch = RolloutWatch()
        self._check_sampler()
        self.reference: Policy | None = self.policy.reference() if self.kl_coefficient else None

    def correction_ahead(self) -> SamplerCorrection:
        """Return the correction of rollouts that are ahead of learning, where no ``sampler_correction`` is given."""
        return TokenTruncation()

    def _sampler_of_validation(self) -> GroupSampler:
        at_least(self, 1, validation_samples=self.validation_samples)
        if self.validation_samples == 1:
            return self.sampler.for_evaluation()
        return self.sampler.unfiltered.replace(group_size=self.validation_samples)

    def _check_sampler(self) -> None:
        size = self.validation_sampler.group_size
        for name, score in self.validation_scores.items():
            if (needed := cast(ScoreMetric, score).samples) > size:
                raise ValueError(
                    f"val/{name} needs {needed} completions of each held-out prompt, and validation samples {size}; "
                    f"set validation_samples={needed}"
                )
        sampler = self.sampler
        if sampler.group_size < 2:
            raise ValueError(
                f"group_size={sampler.group_size}: advantages compare the completions of one prompt, so a group needs "
                "at least 2"
            )
        if sampler.temperature == 0:
            raise ValueError(
                "temperature=0 makes every completion of a group the same; train with a temperature above 0"
            )
        if sampler.truncates and self.sampler_correction is None:
            raise ValueError(
                f"top_k={sampler.top_k}, top_p={sampler.top_p}, min_p={sampler.min_p}: samples of a truncated "
                "distribution are not the policy's own, and importance ratios would take them for it. Leave truncation "
                "to the validation_sampler, or weigh the samples with sampler_correction=TokenTruncation()"
            )
        if not self.policy.eos_ids:
            raise ValueError(
                "neither the tokenizer nor the model's generation_config has an end token that is in the model's "
                f"vocabulary: every completion would be cut at max_tokens={sampler.max_tokens}. Set "
                "tokenizer.eos_token before passing it"
            )
        if not 0 <= self.kl_coefficient < float("inf"):
            raise ValueError(
                f"{type(self).__name__}: kl_coefficient must not be negative, got {self.kl_coefficient}; give a "
                "finite number, 0 for no reference"
            )
        if self.count_masked and not self.mask_truncated:
            raise ValueError("count_masked says what becomes of masked rows; it needs mask_truncated=True")

    @abstractmethod
    def advantages_of_scores(self, scores: Scores) -> Tensor:
        """Turn scores of all ranks into advantages ``(N, G)``."""

    @abstractmethod
    def token_weights(self, mask: Tensor) -> Tensor:
        """Return what each token's loss counts for, ``(B, T)``, given all rows of one optimizer step on all ranks."""

    def minibatch_order(self, completions: Completions) -> Tensor:
        """Return the order of rows, ``(B,)``, in which a rollout is cut into minibatches; see `balanced_order`."""
        if self.depends_on_minibatches:
            return torch.arange(len(completions))
        return balanced_order(completions, self.minibatches_per_rollout, self.minibatches_per_step)

    @final
    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Make one rollout from this rank's prompts, with the policy's present weights, and tell the callbacks.

        In this order: completions, rewards, the log-probabilities that steps compare with, advantages, token weights.
        Only the models run in the Trainer's precision; under half precision it would round rewards and weights.

        Args:
            prompts: Prompts of this rank.
            step: Number of the rollout.

        Raises:
            RuntimeError: No completion has a total, a reward fails more often than ``reward_limits`` allow,
                the sampler samples something else than the policy, or an option lacks its log-probabilities.
            ValueError: ``advantages()`` or ``token_weights()`` returned a wrong shape, or the sampler what none may
                return (`RolloutWatch`).
        """
        started = time.perf_counter()
        _ = self.steps_per_pass  # Refuses an accumulation that was changed to one that does not divide.
        # Lightning would keep the last step's gradients until the next backward pass; a rollout has use for the room.
        self.zero_grad(set_to_none=True)
        if self._plan is None:
            self._tell("on_rollout_start", prompts)
            sampled = self._sampled(prompts, step)
            with self.together():
                completions = self._in_order(sampled, prompts)
                scores = self.reward.evaluate(completions)
        else:
            completions, scores = self._judged(*self._plan.wait(step))
        self._check_scores(scores, completions)
        rollout = Rollout.of(
            completions, scores.total, pad_id=self.policy.pad_id, temperature=self.sampler.temperature
        ).to(self.device)
        with self.inference():
            self.sampler_check.observe(self.policy, self.sampler, completions, rollout, step)
        if self.mask_truncated:
            rollout.loss_mask = rollout.loss_mask & ~rollout.truncated.unsqueeze(1)
        policy_logprobs = self._policy_logprobs(rollout, step)
        rollout.old_logprobs = self._old_logprobs(rollout, policy_logprobs)
        rollout.reference_logprobs = self._scored_by(self.reference, rollout) if self.reference else None
        rollout.sampler_correction = self._correction(rollout)
        dropped = rollout.truncated & (self.mask_truncated and not self.count_masked)
        rollout.advantages = self._advantages(rollout, scores, dropped, policy_logprobs)
        rollout.weights = step_weights(
            self.trainer, self.steps_per_pass, self.token_weights, rollout.loss_mask, ~dropped
        )
        asked = None if self._plan is None else self._plan.asked(step)
        record = RolloutRecord(step, completions, scores, rollout, None if asked is None else asked.weights)
        self._tell("on_rollout_end", record)
        tally_rollout(self._tally, record, asked.seconds if asked else time.perf_counter() - started)
        if self._plan is not None:
            self._plan.tally(self._tally, step, self.steps_per_rollout)
        # What the policy itself sampled is not scored again, and has no gap to show.
        elif not self.sampler.samples_policy_itself:
            tally_gap(self._tally, rollout)
        return rollout

    def on_train_batch_end(self, outputs: Any, batch: Rollout, batch_idx: int) -> None:
        """Log a step, and warn where rollouts ahead leave little to learn from."""
        super().on_train_batch_end(outputs, batch, batch_idx)
        self.watch.staleness(self.step_figures.get("ess", 1.0), self.rollouts_ahead)

    @final
    def expect(self, upcoming: Iterator[Upcoming]) -> None:
        """Ask for the rollouts that are due, and wait for the one that is collected next.

        Args:
            upcoming: It and those after it, in their order, without an end.

        Raises:
            Exception: What the rollout has failed with, on all ranks together.
        """
        if (plan := self._plan) is None:
            return
        # The last steps' gradients are in the way, as in `collect`.
        self.zero_grad(set_to_none=True)
        rollouts = list(islice(self._learned_from(upcoming), self.rollouts_ahead + 1))
        steps = [rollout.step for rollout in rollouts]
        plan.forget_before(steps[0])
        if plan.due(steps):
            self._ask(plan, rollouts)
        with self.together(), stoppable():
            plan.wait(steps[0])
        if plan.missing(steps):
            self._ask(plan, rollouts)

    def _learned_from(self, upcoming: Iterator[Upcoming]) -> Iterator[Upcoming]:
        """Yield the rollouts that the run will learn from, as far as its limits of steps and epochs tell."""
        steps = inf if self.trainer.max_steps == -1 else self.trainer.max_steps - self.trainer.global_step
        epochs = inf if self.trainer.max_epochs in (None, -1) else self.trainer.max_epochs
        for rollout in upcoming:
            if steps <= 0 or rollout.epoch >= epochs:
                return
            yield rollout
            steps -= ceil(rollout.minibatches / accumulation(self.trainer, rollout.epoch))

    def _ask(self, plan: Ahead, rollouts: list[Upcoming]) -> None:
        """Publish the present weights, and ask for those of some rollouts that were not asked for yet."""
        remote, present = cast(RemoteSampler, remote_inside(self.sampler)), rollouts[0]
        with self._while_sampling(self.sampler), self.inference():
            plan.publish(lambda: remote.publish(self.policy, present.prompts), present.step)
        missing = plan.missing([rollout.step for rollout in rollouts])
        for rollout in rollouts:
            if rollout.step in missing:
                self._tell("on_rollout_start", rollout.prompts)
                plan.ask(rollout.step, rollout.prompts, present.step)

    def _make(self, version: Version, prompts: list[Prompt], step: int, before: Future[Made] | None) -> Made:
        """Sample and judge a rollout ahead, in a thread beside the one that learns."""
        with alone(), torch.no_grad():
            completions = self._in_order(self.sampler.sample(version, prompts, step=step), prompts)
            if before is not None:
                wait([before])  # Rewards see rollouts one at a time and in their order.
            if computes_on(self.reward, self.device):
                return completions, None  # It would keep what learns there waiting, and be kept waiting.
            with _JUDGING:
                return completions, self.reward.evaluate(completions)

    def _judged(self, completions: Completions, scores: Scores | None) -> tuple[Completions, Scores]:
        """Return a rollout that was sampled ahead, judged here if the reward computes where the policy learns."""
        if scores is None:
            if not self._told_of_judging:
                self._told_of_judging = True
                rank_zero_info(
                    f"The reward {self.reward.name} computes on {self.device}, where the policy learns: it judges each "
                    "rollout in the main thread, when it is learned from. On another device it would do so ahead."
                )
            with self.together(), _JUDGING, torch.no_grad():
                scores = self.reward.evaluate(completions)
        return completions, scores

    def _tell(self, moment: str, *arguments: Any) -> None:
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, RolloutCallback):
                getattr(callback, moment)(self.trainer, self, *arguments)

    def _sampled(self, prompts: list[Prompt], step: int) -> Completions:
        """Return completions of the policy's present weights, as the sampler gives them."""
        reporting = self.sampler.reporting(partial(self._tell, "on_rollout_progress"))
        with self._while_sampling(self.sampler), self.inference(), reporting:
            return self.sampler.sample(self.policy, prompts, step=step)

    def _in_order(self, completions: Completions, prompts: list[Prompt]) -> Completions:
        """Return completions as the sampler gave them, checked, in the order of the minibatches."""
        self.watch.completions(self.sampler, completions, len(prompts))
        order, size = torch.as_tensor(self.minibatch_order(completions)), completions.group_size
        whole = order.shape == (len(completions),) and torch.equal(order.sort().values, torch.arange(len(completions)))
        if not whole or (order.view(-1, size) // size).diff(dim=1).any():
            raise ValueError(
                f"minibatch_order() returned {order.tolist()!s:.80} for {len(completions)} rows in groups of {size}: "
                "it has to name every row once, and the rows of a group one after another"
            )
        return replace(completions, rows=[completions.rows[row] for row in order.tolist()])

    @contextmanager
    def _while_sampling(self, sampler: GroupSampler) -> Iterator[None]:
        """Let SIGTERM, or a failure elsewhere, end sampling at once; not where ranks call each other meanwhile."""
        alone = sampler.samples_policy_itself and sampler.unfiltered is sampler and not is_sharded(self.policy)
        if self.trainer.world_size == 1:
            with stoppable():
                yield
        elif alone:
            with self.together(), stoppable():
                yield
        else:
            with unstoppable():
                yield

    def _check_scores(self, scores: Scores, completions: Completions) -> None:
        self.watch.scores(scores, completions)
        self.reward_limits.observe(scores.judgements, lambda counts: sum_over_replicas(self.trainer, counts))

    def _old_logprobs(self, rollout: Rollout, policy_logprobs: Tensor | None) -> Tensor | None:
        """Return ``(B, T)`` what the surrogate's ratio is taken to: the sampler's own where the correction says so."""
        correction = self.sampler_correction
        if correction is None or not correction.anchors:
            return policy_logprobs
        return self._known(rollout, correction).masked_fill(~rollout.loss_mask, 0.0)

    def _known(self, rollout: Rollout, correction: SamplerCorrection) -> Tensor:
        """Return the sampler's log-probabilities, ``(B, T)``.

        Raises:
            RuntimeError: It gave none, or NaN for some token.
        """
        known, kind = rollout.sampler_logprobs, type(self.sampler).__name__
        if known is None:
            raise RuntimeError(
                f"{type(correction).__name__} needs the sampler's log-probabilities, and {kind} gave none for some "
                "completions; return them in Completion.logprobs, or leave sampler_correction out"
            )
        absent = int((known.isnan() & rollout.loss_mask).sum())
        if correction.anchors and absent:
            raise RuntimeError(
                f"{type(correction).__name__} takes its ratio to the sampler's log-probabilities, and {kind} gave NaN "
                f"for {absent} tokens; return them all in Completion.logprobs, or use TokenTruncation()"
            )
        return known

    def _policy_logprobs(self, rollout: Rollout, step: int) -> Tensor | None:
        """Return ``(B, T)``: the sampler's own log-probabilities where they are the policy's, and else a forward pass.

        None where no step sees the policy changed and no option compares. One group of every rollout, another each
        time, is scored to see that the sampler's are the policy's, to float32's rounding.
        """
        # A divergence to the reference is taken of two forward passes, whose rounding is the same where the policies
        # are.
        penalised = self.reference is not None and self.kl.in_reward
        correction = self.sampler_correction
        needless = self.steps_per_rollout == 1 if correction is None else correction.anchors
        if needless and not penalised:
            return None
        sampler, known = self.sampler, rollout.sampler_logprobs
        trusted = sampler.samples_policy_itself and not sampler.truncates and self.sampler_correction is None
        if not trusted or penalised or known is None or self.policy_scores_rollouts:
            return self._scored_by(self.policy, rollout)
        start = step % rollout.num_groups * rollout.group_size
        rows = slice(start, start + rollout.group_size)
        group = rollout.select(rows).trim()
        with self.inference():
            scored = self.policy.logprobs(group).logprobs
        gap = (scored - known[rows, : scored.shape[1]]).masked_fill(~group.loss_mask, 0.0).abs().max()
        if not any_rank(not gap <= 1e-4, self.policy):
            return known.masked_fill(~rollout.loss_mask, 0.0)
        self.policy_scores_rollouts = True
        rank_zero_info(
            f"The sampler's log-probabilities are off by up to {float(gap):.2g} from the policy's: the policy scores "
            "every rollout itself."
        )
        return self._scored_by(self.policy, rollout)

    def _scored_by(self, policy: Policy, rollout: Rollout) -> Tensor:
        """Return ``(B, T)`` log-probabilities; 0 where nothing is learned."""
        # In the very minibatches that will be learned from, which bounds memory, too: in others sums round otherwise,
        # and a divergence that is 0 becomes noise, which AdamW would turn into whole steps.
        scored = []
        with self.inference():
            for part in rollout.split(self.minibatches_per_rollout):
                logprobs = policy.logprobs(part).logprobs.masked_fill(~part.loss_mask, 0.0)
                scored.append(pad(logprobs.float(), (0, rollout.weights.shape[1] - logprobs.shape[1])))
        return torch.cat(scored)

    def _correction(self, rollout: Rollout) -> Tensor | None:
        """Return the sampler correction, ``(B, T)`` or ``(B, 1)``, or None."""
        correction = self.sampler_correction
        if correction is None or correction.anchors or rollout.old_logprobs is None:
            return None
        return correction.factor(rollout.old_logprobs, self._known(rollout, correction), rollout.loss_mask)

    def _advantages(self, rollout: Rollout, scores: Scores, dropped: Tensor, policy_logprobs: Tensor | None) -> Tensor:
        """Return this rank's advantages, ``(B, 1)``, computed from the rewards of all ranks."""
        penalty = torch.zeros_like(rollout.rewards)
        if policy_logprobs is not None and rollout.reference_logprobs is not None:
            compared = policy_logprobs, rollout.reference_logprobs, rollout.loss_mask
            term = self.kl.reward_penalty(*compared)
            penalty = penalty if term is None else self.kl_coefficient * term

        def everyone(values: Tensor, less: Tensor | float = 0.0) -> Tensor:
            kept = (values.to(dropped.device).flatten() - less).masked_fill(dropped, float("nan"))
            return gather_rows(self.trainer, kept.view_as(values))

        if gather_rows(self.trainer, scores.total.to(dropped.device)).isnan().all():
            absent = [f"{name} on {int(values.isnan().sum())}" for name, values in scores.components.items()]
            raise RuntimeError(
                f"rewards abstained (NaN) on all {scores.total.numel()} completions of a rollout: {', '.join(absent)}. "
                "A row abstains with each of its rewards that is not optional(...), and nothing can be learned from "
                "it; check the columns of the data and what the rewards expect"
            )
        # A row without a total is in no statistics, of the components neither.
        components = {
            name: everyone(values.masked_fill(scores.total.isnan(), float("nan")))
            for name, values in scores.components.items()
        }
        total = everyone(scores.total, penalty)
        advantages = self.advantages_of_scores(Scores(total, components, scores.weights))
        if advantages.shape != total.shape:
            raise ValueError(f"advantages() returned {tuple(advantages.shape)} for rewards {tuple(total.shape)}")
        rank, _ = replica_rank(self.trainer)
        mine = advantages.chunk(len(total) // len(scores.total))[rank]
        return mine.float().nan_to_num(0.0).reshape(-1, 1)

    def describe(self) -> str:
        """Return in words how many completions and optimizer steps a rollout is."""
        sampler, replicas = self.sampler, replica_rank(self.trainer).total
        asked = self.prompts_per_rollout
        prompts = sampler.groups_from(asked // replicas) * replicas
        among = "" if prompts == asked else f" (chosen among {asked})"
        parts, steps = self.minibatches_per_rollout, self.steps_per_rollout
        kind = "on-policy" if steps == 1 else "off-policy after the first step"
        if ahead := self.rollouts_ahead:
            kind = f"sampled {ahead} rollouts ahead, from weights {ahead * steps} steps old"
        return (
            f"A rollout is {prompts} prompts{among} x {sampler.group_size} = {prompts * sampler.group_size} "
            f"completions of at most {sampler.max_tokens} tokens, in {parts} minibatch{'es' * (parts > 1)}: {steps} "
            f"optimizer step{'s' * (steps > 1)} per rollout ({kind})."
        )

    def on_fit_start(self) -> None:
        """Refuse sizes and prompts that do not fit; foretell the memory that the sizes take."""
        self._check_groups()
        self._plan = self._planned()
        splits = getattr(self.trainer.datamodule, "prompts", {})  # type: ignore[attr-defined]
        self._check_positions([len(prompt.ids) for split in splits.values() for prompt in split])
        check_golds(self.reward, splits)
        self.sampler.check_prompts(splits.get("train", ()))
        for reward in self.sampler.judges():
            check_golds(reward, {"train": splits.get("train", ())})
        for score in self.validation_scores.values():
            if (measure := cast(ScoreMetric, score).reward) is not self.reward:
                check_golds(measure, {"validation": splits.get("validation", ())})
        super().on_fit_start()
        foretold = self.foretell_memory()
        if foretold is not None:
            rank_zero_info(str(foretold))

    def _planned(self) -> Ahead | None:
        """Return the plan of a run ahead, with what a checkpoint has of it; None of one that is not.

        Raises:
            ValueError: The sampler is in this process, or cannot hold as many versions; prompts repeat to overfit.
        """
        ahead, remote = self.rollouts_ahead, remote_inside(self.sampler)
        saved, self._saved_plan = self._saved_plan, []
        if not ahead:
            return None
        name = f"rollouts_ahead={ahead}"
        if remote is None:
            raise ValueError(
                f"{name}: {type(self.sampler).__name__} samples with the weights that learn, on the same device, and "
                "the two would wait for each other. Use a RemoteSampler, such as VLLMSampler, or leave it out"
            )
        if self.trainer.overfit_batches:  # type: ignore[attr-defined]
            raise ValueError(f"{name} and overfit_batches, which repeats the same prompts, do not go together")
        beside = remote.side_by_side(self.policy)
        if ahead > 1 and not beside:
            raise ValueError(
                f"{name}: {type(remote).__name__} samples from one version of these weights at a time, so that more "
                "than 1 gains nothing. Train an adapter, whose versions are served side by side, or set "
                "rollouts_ahead=1"
            )
        if ahead > 4:
            rank_zero_warn(f"{name}: rollouts of weights more than 4 rollouts old have not been seen to teach well")
        remote.check_versions(self.policy, ahead + 2)
        plan, (rank, ranks) = Ahead(remote, beside, self._make), global_rank()
        if saved and len(saved) != ranks:
            rank_zero_info(
                f"The checkpoint has rollouts that {len(saved)} ranks had asked for, and this run has {ranks}: they "
                "are asked for again, from the weights of the checkpoint."
            )
        elif saved:
            plan.load_state_dict(saved, rank)
        return plan

    def teardown(self, stage: str) -> None:
        """Give up rollouts that were asked for and are not needed any more."""
        if self._plan is not None:
            self._plan.close()
            self._plan = None

    def _check_groups(self) -> None:
        """Refuse a sampler whose groups cannot be cut into minibatches, rather than after the first rollout."""
        prompts, parts = self.prompts_per_rollout // replica_rank(self.trainer).total, self.minibatches_per_rollout
        groups, kind = self.sampler.groups_from(prompts), type(self.sampler).__name__
        if groups > prompts:
            raise ValueError(
                f"{kind} returns {groups} groups, and a rank has {prompts} prompts of a rollout; raise "
                "prompts_per_rollout"
            )
        if groups % parts:
            raise ValueError(
                f"{groups} groups cannot be cut into {parts} minibatches of equal size: minibatches_per_rollout="
                f"{parts} has to divide what {kind} returns on a rank"
            )

    def _check_positions(self, lengths: list[int]) -> None:
        """Refuse prompts that leave no room for a completion, rather than meet one after hours."""
        room, budget = self.policy.max_positions, self.sampler.max_tokens
        long = [length for length in lengths if room is not None and length + budget > room]
        if long:
            raise ValueError(
                f"{len(long)} of {len(lengths)} prompts (the longest of {max(long)} tokens) and max_tokens={budget} "
                f"exceed the {room} positions of the model; lower max_tokens, or set max_prompt_tokens and "
                "too_long='drop' of the PromptDataModule"
            )
        if reason := self.policy.changing_rotation(lengths, budget):
            raise ValueError(reason)

    def foretell_memory(self) -> Foretold | None:
        """Return what a rollout and an update will take of this rank's memory, where the policy's sizes tell."""
        return foretell(
            self.policy,
            self.sampler,
            getattr(self.trainer.datamodule, "prompts", {}).get("train", ()),  # type: ignore[attr-defined]
            prompts_per_rollout=self.prompts_per_rollout,
            minibatches=self.minibatches_per_rollout,
            accumulate=self.trainer.accumulate_grad_batches,
            replicas=replica_rank(self.trainer).total,
            precision=str(self.trainer.precision),
        )

    def validation_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Measure held-out completions; logged as ``val/<name>`` over the whole set and all ranks.

        Args:
            prompts: Held-out prompts of this rank; may be empty in the last batch.
            batch_idx: Number of the batch; unused.
        """
        self._held_out(prompts, "val")

    def test_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Measure test completions as held-out ones are; logged as ``test/<name>`` over the whole set and all ranks.

        Args:
            prompts: Test prompts of this rank; may be empty in the last batch.
            batch_idx: Number of the batch; unused.
        """
        self._held_out(prompts, "test")

    def predict_step(self, prompts: list[Prompt], batch_idx: int) -> ScoredCompletions:
        """Return completions as validation samples them, with what each held-out measure says of them.

        Args:
            prompts: Prompts of this rank; may be empty in the last batch.
            batch_idx: Number of the batch; unused.
        """
        completions = self._answers(prompts)
        measures = {name: cast(ScoreMetric, score).reward for name, score in self.validation_scores.items()}
        with single_precision(self.device):
            scores = {name: measure.evaluate(completions) for name, measure in measures.items()} if prompts else {}
        return ScoredCompletions(completions.rows, completions.group_size, scores)

    def _answers(self, prompts: list[Prompt]) -> Completions:
        # The last batch of a rank may be empty; it samples all the same, since a sharded policy needs every rank.
        sampled = prompts or [cast(PromptBatch, prompts).stand_in]
        if self._plan is not None:
            self._plan.before_others()
        with self._while_sampling(self.validation_sampler), self.inference():
            completions = self.validation_sampler.sample(self.policy, sampled)
        return completions if prompts else completions[:0]

    def _held_out(self, prompts: list[Prompt], stage: str) -> None:
        completions = self._answers(prompts)
        measured = cast(dict[str, ScoreMetric], dict(self.validation_scores.items()))
        with self.together(), single_precision(self.device), _JUDGING:
            if prompts:
                update_all(measured.values(), completions)
            if prompts and stage == "val":
                scores = {name: one.scores for name, one in measured.items()}
                self._tell("on_validation_completions", completions, scores)
        for name, score in measured.items():
            self.log(f"{stage}/{name}", score, prog_bar=name != "reward", on_epoch=True, batch_size=1)

    def on_test_epoch_end(self) -> None:
        """Report test metrics that leave out completions which were not checked; stop if those are too many."""
        self._report_failures("test")

    def on_validation_epoch_end(self) -> None:
        """Report validation metrics that leave out completions which were not checked; stop if those are too many."""
        self._report_failures("validation")

    def _report_failures(self, stage: str) -> None:
        counts: dict[str, Counts] = {}
        for name, score in self.validation_scores.items():
            found = cast(ScoreMetric, score).counts(lambda numbers: sum_over_replicas(self.trainer, numbers))
            counts |= counts_of(name, found)
        warn_of_failures(stage, counts)
        self.reward_limits.refuse(counts)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save also whether the policy scores its rollouts itself: a resumed run must not try the shortcut again."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["policy_scores_rollouts"] = self.policy_scores_rollouts
        if self._plan is not None:
            checkpoint["asked"] = all_gather_object(self._plan.state_dict(self.save_patience))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether the policy scores its rollouts itself."""
        super().on_load_checkpoint(checkpoint)
        # Until 0.1 it was kept among "shortcuts", as what still holds.
        known = not checkpoint.get("shortcuts", (True,))[0]
        self.policy_scores_rollouts = checkpoint.get("policy_scores_rollouts", known)
        self._saved_plan = checkpoint.get("asked", [])


# Its name until 0.1.
RolloutModule = RolloutAlgorithm
