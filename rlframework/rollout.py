"""The data contract between collecting and learning: one dataclass of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from rlframework.completions import Completions


@dataclass
class Rollout:
    """``B = N * G`` completions as tensors, in group-major order.

    Prompts are padded on the left and completions on the right, so that column ``P`` is the first sampled token of
    every row. The policy reads ``completion_mask`` and learns from ``loss_mask``: the tokens that an environment gave
    are in the first alone. Padding is known by the masks, never by an id: a padding id that equals the end-of-sequence
    id is harmless.

    Args:
        prompt_ids: ``(B, P)`` int64, left-padded.
        prompt_mask: ``(B, P)`` bool, true on prompt tokens.
        completion_ids: ``(B, T)`` int64, right-padded.
        completion_mask: ``(B, T)`` bool, true up to and including the stop token.
        truncated: ``(B,)`` bool, true where the token budget ended the completion.
        rewards: ``(B,)`` float32 total reward, NaN where the row abstains.
        advantages: ``(B, 1)`` or ``(B, T)`` float32.
        weights: ``(B, T)`` float32. The loss of an optimizer step is the sum over its rows of ``weights * per-token
            loss``: every denominator is in here, taken once over the whole step.
        group: ``(B,)`` int64, which prompt a row answers.
        group_size: ``G``.
        temperature: Sampling temperature. All log-probabilities are of the tempered distribution.
        sampler_logprobs: ``(B, T)`` float32 log-probabilities as the sampler saw them, or None.
        old_logprobs: ``(B, T)`` float32 under the weights that sampled, or None if nothing needs them: the only
            optimizer step on this rollout is taken with those weights, and no option compares with them.
        reference_logprobs: ``(B, T)`` float32 under the reference policy, or None without a KL term.
        loss_mask: ``(B, T)`` bool, the completion tokens that are learned from: sampled ones. By default all are.
        sampler_correction: ``(B, T)`` or ``(B, 1)`` float32 factor for the gap between sampler and policy, or None.
        entropy_mask: ``(B, T)`` bool, the loss tokens whose entropy is high enough, or None if that is not asked.
        entropy_weights: ``(B, T)`` float32 that turn the entropies of the optimizer step into their mean, or None.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    completion_mask: Tensor
    truncated: Tensor
    rewards: Tensor
    advantages: Tensor
    weights: Tensor
    group: Tensor
    group_size: int
    temperature: float = 1.0
    sampler_logprobs: Tensor | None = None
    old_logprobs: Tensor | None = None
    reference_logprobs: Tensor | None = None
    loss_mask: Tensor = None  # type: ignore[assignment]
    sampler_correction: Tensor | None = None
    entropy_mask: Tensor | None = None
    entropy_weights: Tensor | None = None

    def __post_init__(self) -> None:
        if self.loss_mask is None:
            self.loss_mask = self.completion_mask

    @classmethod
    def of(
        cls, completions: Completions, rewards: Tensor | None = None, *, pad_id: int, temperature: float = 1.0
    ) -> Rollout:
        """Turn completions into tensors on the CPU; advantages and weights are still 0.

        A completion without tokens keeps its row, with an empty mask: the group stays whole, and the row counts in its
        statistics.

        Args:
            completions: ``N`` groups of ``G``.
            rewards: ``(N, G)``; 0 by default.
            pad_id: What stands in the padding of prompts and completions.
            temperature: Sampling temperature.

        Example:
            >>> from rlframework.completions import Completion
            >>> from rlframework.prompt import Prompt
            >>> rows = [Completion(Prompt([5, 6], "ab"), ids, "", "stop") for ids in ([7, 1], [1])]
            >>> Rollout.of(Completions(rows, group_size=2), pad_id=0).completion_ids
            tensor([[7, 1],
                    [1, 0]])
        """
        rows = completions.rows
        prompt_ids, prompt_mask = left_pad([row.prompt.ids for row in rows], pad_id, "cpu")
        width = max(1, max(len(row.ids) for row in rows))
        known = all(len(row.logprobs) == len(row.ids) for row in rows)
        logprobs = [torch.tensor(row.logprobs, dtype=torch.float32) for row in rows]
        return cls(
            prompt_ids=prompt_ids,
            prompt_mask=prompt_mask,
            completion_ids=_right_pad([torch.tensor(row.ids, dtype=torch.int64) for row in rows], width, pad_id),
            completion_mask=torch.arange(width) < torch.tensor([[len(row.ids)] for row in rows]),
            truncated=torch.tensor([row.truncated for row in rows]),
            rewards=torch.zeros(len(rows)) if rewards is None else rewards.flatten(),
            advantages=torch.zeros(len(rows), 1),
            weights=torch.zeros(len(rows), width),
            group=torch.arange(completions.num_groups).repeat_interleave(completions.group_size),
            group_size=completions.group_size,
            temperature=temperature,
            sampler_logprobs=_right_pad(logprobs, width, 0.0) if known else None,
            loss_mask=_right_pad([torch.tensor(row.sampled, dtype=torch.bool) for row in rows], width, False),
        )

    def __len__(self) -> int:
        return self.completion_ids.shape[0]

    @property
    def num_groups(self) -> int:
        """Number of prompts ``N``."""
        return len(self) // self.group_size

    def _tensors(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def to(self, *args: Any, **kwargs: Any) -> Rollout:
        """Move every tensor to a device; takes what ``Tensor.to`` takes. Lightning calls this on each batch."""
        return replace(self, **{name: value.to(*args, **kwargs) for name, value in self._tensors().items()})

    def select(self, rows: slice | Tensor) -> Rollout:
        """Return the given rows. Keep groups whole: rows of one group are only comparable together."""
        return replace(self, **{name: value[rows] for name, value in self._tensors().items()})

    def trim(self) -> Rollout:
        """Return the same rows without the padding columns that all of them share (one token column is kept)."""
        prompt_width = max(int(self.prompt_mask.sum(1).max()), 1)
        width = max(int(self.completion_mask.sum(1).max()), 1)
        full_width = self.completion_ids.shape[1]

        def cut(name: str, value: Any) -> Any:
            if name in _LEFT_PADDED:
                return value[:, value.shape[1] - prompt_width :]
            return value[:, :width] if value.ndim == 2 and value.shape[1] == full_width else value

        return replace(self, **{name: cut(name, value) for name, value in self._tensors().items()})

    def split(self, parts: int) -> list[Rollout]:
        """Cut into ``parts`` minibatches of whole groups, each trimmed to its own longest row.

        Raises:
            ValueError: ``parts`` does not divide the number of groups.
        """
        if len(self) % self.group_size:
            raise ValueError(f"{len(self)} rows do not make whole groups of {self.group_size}")
        if self.num_groups % parts:
            raise ValueError(f"{self.num_groups} groups cannot be cut into {parts} minibatches of equal size")
        rows = len(self) // parts
        return [self.select(slice(start, start + rows)).trim() for start in range(0, len(self), rows)]

    @staticmethod
    def cat(rollouts: Iterable[Rollout]) -> Rollout:
        """Join rollouts of one group size and temperature, padding each to the widest."""
        parts = list(rollouts)
        first = parts[0]
        if any((part.group_size, part.temperature) != (first.group_size, first.temperature) for part in parts):
            raise ValueError("rollouts to join must agree in group size and temperature")
        present = [part._tensors().keys() for part in parts]
        if any(names != present[0] for names in present):
            uneven = sorted(set().union(*present).difference(set(present[0]).intersection(*present)))
            raise ValueError(f"only some of the rollouts to join have {', '.join(uneven)}")
        joined: dict[str, Any] = {}
        for name in first._tensors():
            values = [getattr(part, name) for part in parts]
            if values[0].ndim == 2:
                width = max(value.shape[1] for value in values)
                left = name in _LEFT_PADDED
                values = [pad(v, (width - v.shape[1], 0) if left else (0, width - v.shape[1])) for v in values]
            joined[name] = torch.cat(values)
        return replace(first, **joined)

    def state_dict(self) -> dict[str, Any]:
        """Return everything as a plain dictionary, for a checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Rollout:
        """Rebuild what `state_dict` returned."""
        return cls(**state)


_LEFT_PADDED = frozenset({"prompt_ids", "prompt_mask"})


def left_pad(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return ``(B, P)`` ids and mask of ragged rows, padded on the left."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad_id] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows], device=device)
    return ids, mask


def _right_pad(rows: list[Tensor], width: int, value: float) -> Tensor:
    """Return ``(B, width)``."""
    padded = pad_sequence(rows, batch_first=True, padding_value=value)
    return pad(padded, (0, width - padded.shape[1]), value=value)
