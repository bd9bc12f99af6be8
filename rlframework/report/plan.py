"""Plan of a run before it is made: memory of a device by moment, ways to make it fit, and seconds per step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

from rlframework.functional.memory import DecoderSizes, StepSizes, moments_of
from rlframework.functional.step_seconds import (
    decoding_seconds,
    learning_seconds,
    rollout_seconds,
    rows_at_once,
    step_seconds,
)
from rlframework.loop.memory import masked_of_group
from rlframework.policies.decoding.base import LONG_PROMPT

GIB = 2**30


@dataclass(frozen=True)
class Device:
    """Figures of a device, by its maker's data sheet.

    Args:
        name: Such as ``"H200"``.
        memory: GiB that a program can have.
        bandwidth: TB a second between the device and its memory.
        peak: TFLOP a second in bfloat16, without sparsity.
    """

    name: str
    memory: float
    bandwidth: float
    peak: float


DEVICES: Mapping[str, Device] = {
    one.name: one
    for one in (
        Device("B200", memory=178, bandwidth=8.0, peak=2250),
        Device("H200", memory=139, bandwidth=4.8, peak=989),
        Device("H100", memory=79, bandwidth=3.35, peak=989),
        Device("A100-80GB", memory=79, bandwidth=2.04, peak=312),
        Device("A100-40GB", memory=39, bandwidth=1.56, peak=312),
        Device("L40S", memory=44, bandwidth=0.864, peak=362),
        Device("L4", memory=22, bandwidth=0.3, peak=121),
        Device("RTX-4090", memory=23, bandwidth=1.01, peak=165),
    )
}
"""Devices by name; a device of one's own is a `Device`."""


@dataclass(frozen=True)
class Assumed:
    """Shares of a device's figures that are reached: assumed, not measured.

    Args:
        memory_share: Of the memory, that a plan may fill; also the servers' share.
        utilization: Of the peak arithmetic in learning and in reading prompts (MFU).
        bandwidth_share: Of the bandwidth in decoding.
        link: GB a second from the trainer to a sampler.
    """

    memory_share: float = 0.9
    utilization: float = 0.4
    bandwidth_share: float = 0.6
    link: float = 5.0


@dataclass(frozen=True)
class PlannedRun:
    """Sizes of a run on several devices, before anything is loaded.

    Args:
        sizes: Of the model.
        prompts: In a rollout over all devices, ``N``.
        group: Completions of each, ``G``.
        prompt_tokens: The mean.
        max_tokens: Of a completion.
        mean_tokens: Of a completion, for seconds; memory is planned for ``max_tokens``.
        minibatches: Of a rollout.
        accumulates: Whether several minibatches make an optimizer step.
        trainers: Devices that learn.
        sharded: Whether they share weights, gradients and optimizer state (FSDP).
        in_process: Whether they sample as well.
        shares: Whether a prompt is read once for its group.
        joins: Whether decoding takes copies of the layers' matrices (`FusedDecoder`).
        reference: Whether a reference policy scores each rollout; of whole weights it is a second model.
        on_cpu: Whether the devices are CPUs.
    """

    sizes: DecoderSizes
    prompts: int
    group: int
    prompt_tokens: int
    max_tokens: int
    mean_tokens: float
    minibatches: int = 1
    accumulates: bool = False
    trainers: int = 1
    sharded: bool = False
    in_process: bool = True
    shares: bool = True
    joins: bool = True
    reference: bool = False
    on_cpu: bool = False

    @property
    def groups(self) -> int:
        """Groups of a rollout on a device that learns."""
        return self.prompts // self.trainers

    def step(self, completion: float | None = None) -> StepSizes:
        """Return the sizes of a step on one device.

        Args:
            completion: Tokens of a completion; by default ``max_tokens``.
        """
        budget = int(self.max_tokens if completion is None else completion)
        return StepSizes(
            prompts=self.groups,
            group=self.group,
            prompt=self.prompt_tokens,
            budget=budget,
            minibatches=self.minibatches,
            accumulates=self.accumulates,
            shares=self.shares,
            packs_cache=self.shares and self.prompt_tokens >= LONG_PROMPT,
            samples=self.in_process,
            joins_weights=self.joins,
            masked=masked_of_group(self.prompt_tokens, self.group, budget),
            shards=self.trainers if self.sharded else 1,
            copies_weights=self.sizes.cast and not self.on_cpu,
            on_cpu=self.on_cpu,
        )

    def moments(self) -> dict[str, dict[str, float]]:
        """Return bytes by moment and part, as `moments_of` does; a rollout that servers make is left out."""
        step = self.step()
        moments = moments_of(self.sizes, step)
        if not self.in_process:
            del moments["rollout"]
        if self.reference and not self.sizes.adapter:
            for parts in moments.values():
                parts["weights"] += self.sizes.weight_bytes / step.shards
        return moments

    def peak(self) -> float:
        """Return the bytes of the moment that takes most."""
        return max(sum(parts.values()) for parts in self.moments().values())

    def learning(self, device: Device, assumed: Assumed) -> float:
        """Return the seconds of the passes of a step, reference's included.

        Args:
            device: That learns.
            assumed: Shares reached.
        """
        step = self.step(self.mean_tokens)
        operations = (4 if self.sizes.adapter else 6) + 2 * self.sizes.checkpointing + 2 * self.reference
        whole = replace(step, minibatches=1)
        head = self.sizes.vocabulary * self.sizes.hidden
        return learning_seconds(
            1.0,
            self.sizes.layer_weights * whole.tokens + head * whole.scored,
            operations,
            device.peak * 1e12,
            assumed.utilization,
        )


def adapter_weights(sizes: DecoderSizes, rank: int, targets: frozenset[str] | None = None) -> int:
    """Count the weights of a LoRA adapter: ``r (in + out)`` of each matrix and layer.

    Args:
        sizes: Of the model.
        rank: ``r``.
        targets: Names of matrices, such as ``{"q_proj", "v_proj"}``; None for the seven of a layer.

    Example:
        >>> sizes = DecoderSizes(2, 64, 128, 64, 32, 1_000, element=4, trained=0)
        >>> adapter_weights(sizes, rank=4, targets=frozenset({"q_proj", "v_proj"}))
        1792
    """
    matrices = {
        "q_proj": sizes.hidden + sizes.query,
        "k_proj": sizes.hidden + sizes.key,
        "v_proj": sizes.hidden + sizes.key,
        "o_proj": sizes.query + sizes.hidden,
        "gate_proj": sizes.hidden + sizes.intermediate,
        "up_proj": sizes.hidden + sizes.intermediate,
        "down_proj": sizes.intermediate + sizes.hidden,
    }
    return sizes.layers * rank * sum(size for name, size in matrices.items() if targets is None or name in targets)


class Way(NamedTuple):
    """One or more changes that make a run fit, and what is then taken.

    Args:
        changes: In words of the settings.
        run: As changed.
    """

    changes: tuple[str, ...]
    run: PlannedRun


def ways_to_fit(run: PlannedRun, room: float, most: int = 3) -> list[Way]:
    """Return the first ways to make a run fit: single changes first, then two together, and so on.

    In the order of what they change of the run: the same gradient first, then the same weights, then other sizes.

    Args:
        run: That does not fit.
        room: Bytes that may be used of a device.
        most: Ways returned.
    """
    found: list[tuple[set[int], Way]] = []
    for number in range(1, len(_CHANGES) + 1):
        for places in combinations(range(len(_CHANGES)), number):
            if len(found) == most:
                return [way for _, way in found]
            if any(earlier <= set(places) for earlier, _ in found):
                continue
            changed = run
            words: list[str] = []
            # Minibatches last: how many there have to be follows from all else.
            for place in reversed(places):
                after = _CHANGES[place](changed, room)
                if after is None:
                    break
                changed = after[1]
                words.insert(0, after[0])
            else:
                if changed.peak() <= room:
                    found.append((set(places), Way(tuple(words), changed)))
    return [way for _, way in found]


def fewest_minibatches(run: PlannedRun, room: float) -> int | None:
    """Return the fewest ``minibatches_per_rollout`` whose backward pass fits; None if one group does not.

    Args:
        run: Whose other sizes stay.
        room: Bytes that may be used of a device.
    """
    for parts in (number for number in range(1, run.groups + 1) if run.groups % number == 0):
        cut = replace(run, minibatches=parts, accumulates=parts > 1)
        if sum(cut.moments()["backward"].values()) <= room:
            return parts
    return None


_Change = Callable[[PlannedRun, float], "tuple[str, PlannedRun] | None"]


def _more_minibatches(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    parts = fewest_minibatches(run, room)
    if parts is None or parts <= run.minibatches:
        return None
    words = f"minibatches_per_rollout={parts} with accumulate_grad_batches={parts}: the same gradient"
    return words, replace(run, minibatches=parts, accumulates=True)


def _checkpointing(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    if run.sizes.checkpointing:
        return None
    words = "gradient_checkpointing=True of the policy: the same gradient, about a third more arithmetic"
    return words, replace(run, sizes=replace(run.sizes, checkpointing=True))


def _shards(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    if run.sharded or run.trainers == 1:
        return None
    words = f"FSDP over the {run.trainers} devices (strategy: ModelParallelStrategy): the same gradient"
    return words, replace(run, sharded=True)


def _servers(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    if not run.in_process:
        return None
    return "VLLMSampler: rollouts are made on other devices", replace(run, in_process=False)


def _adapter(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    if run.sizes.adapter:
        return None
    trained = adapter_weights(run.sizes, 16)
    sizes = replace(run.sizes, adapter=True, trained=trained, trained_element=4)
    return "an adapter, lora=LoraConfig(r=16) on all linear layers: other weights learn", replace(run, sizes=sizes)


def _half_precision(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    if run.sizes.weight_element <= 2:
        return None
    element = 4 if run.sizes.adapter else 2
    sizes = replace(run.sizes, weight_element=2, trained_element=element, element=2, cast=False)
    return "dtype='bfloat16' of the policy: weights in half as many bytes, rounded", replace(run, sizes=sizes)


def _fewer_prompts(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    prompts = run.prompts // 2
    if prompts < run.trainers or prompts % run.trainers or (prompts // run.trainers) % run.minibatches:
        return None
    return f"prompts_per_rollout={prompts}: a noisier gradient", replace(run, prompts=prompts)


def _shorter(run: PlannedRun, room: float) -> tuple[str, PlannedRun] | None:
    tokens = run.max_tokens // 2
    return f"max_tokens={tokens}: shorter completions", replace(run, max_tokens=tokens)


_CHANGES: tuple[_Change, ...] = (
    _more_minibatches,
    _checkpointing,
    _shards,
    _servers,
    _half_precision,
    _adapter,
    _fewer_prompts,
    _shorter,
)


class Pace(NamedTuple):
    """Seconds of a step on a number of devices that learn and of servers that sample.

    Args:
        trainers: Devices that learn.
        servers: Devices that sample; 0 if those that learn do.
        rows: Rows that a server samples at once.
        rollout: Seconds of a rollout made for itself.
        learning: Seconds of the passes.
        publish: Seconds until samplers have new weights.
        ahead: Seconds of a step with 0, 1 and 2 rollouts ahead; None where that is refused.
    """

    trainers: int
    servers: int
    rows: int
    rollout: float
    learning: float
    publish: float
    ahead: tuple[float, float | None, float | None]


def pace_in_process(run: PlannedRun, device: Device, assumed: Assumed) -> Pace:
    """Estimate the seconds of a step whose rollouts are made by the devices that learn.

    Args:
        run: Of so many trainers.
        device: Of them.
        assumed: Shares reached.
    """
    rows = run.groups * run.group
    sampling, longest = _sampling(run, device, assumed, rows, rows, run.groups, run.sizes.element)
    learning, rollout = run.learning(device, assumed), max(sampling, longest)
    return Pace(run.trainers, 0, rows, rollout, learning, 0.0, (rollout + learning, None, None))


def pace_with_servers(run: PlannedRun, servers: int, device: Device, assumed: Assumed) -> Pace | None:
    """Estimate the seconds of a step whose rollouts are made by servers; None if a server has no room for a row.

    Args:
        run: Of so many trainers.
        servers: Devices that sample.
        device: Of both.
        assumed: Shares reached.
    """
    sizes = run.sizes
    weights = sizes.weights * 2.0
    cache = (assumed.memory_share * device.memory * GIB - weights) / (2 * sizes.layers * sizes.key * 2)
    fits = rows_at_once(cache, run.prompt_tokens, run.group, run.mean_tokens)
    if not fits:
        return None
    prompts = -(-run.prompts // servers)
    rows = prompts * run.group
    learning = run.learning(device, assumed)
    sent = sizes.trained * 2.0 if sizes.adapter else weights
    publish = sent / (assumed.link * 1e9)
    times = []
    for ahead in (0, 1, 2):
        # Requests of so many rollouts can be in flight together.
        slots = min(rows * max(ahead, 1), fits)
        work, longest = _sampling(run, device, assumed, rows, slots, prompts, 2)
        times.append((step_seconds(ahead, learning, work, longest, publish), max(work, longest)))
    # Versions side by side are adapters; whole weights are one version at a time.
    two = times[2][0] if sizes.adapter else None
    return Pace(run.trainers, servers, min(rows, fits), times[0][1], learning, publish, (times[0][0], times[1][0], two))


def best_pace(run: PlannedRun, devices: int, device: Device, assumed: Assumed) -> Pace | None:
    """Return the split of devices into trainers and servers with the shortest step one rollout ahead; None if none is.

    Trainers divide the prompts of a rollout, as every rank takes as many.

    Args:
        run: Whose trainers are chosen here.
        devices: Of both kinds.
        device: Of all.
        assumed: Shares reached.
    """
    best: Pace | None = None
    for servers in range(1, devices):
        trainers = devices - servers
        if run.prompts % trainers:
            continue
        pace = pace_with_servers(replace(run, trainers=trainers, in_process=False), servers, device, assumed)
        if pace is not None and (best is None or pace.ahead[1] < best.ahead[1]):  # type: ignore[operator]
            best = pace
    return best


def _sampling(
    run: PlannedRun, device: Device, assumed: Assumed, rows: int, slots: int, prompts: int, element: float
) -> tuple[float, float]:
    """Return the seconds of sampling with all slots full, and of the longest row; the reading of prompts in both."""
    sizes = run.sizes
    weights = sizes.weights * element
    held = slots * (run.prompt_tokens / run.group + run.mean_tokens / 2)
    token = decoding_seconds(
        weights, held * 2 * sizes.layers * sizes.key * element, device.bandwidth * 1e12 * assumed.bandwidth_share
    )
    reading = learning_seconds(
        sizes.layer_weights, prompts * run.prompt_tokens, 2, device.peak * 1e12, assumed.utilization
    )
    work = rollout_seconds(rows, slots, 0, run.mean_tokens, token)
    return work + reading, run.max_tokens * token + reading
