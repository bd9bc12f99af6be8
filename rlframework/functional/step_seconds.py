"""Seconds of a training step from sizes alone: sampling, learning, and both at once when rollouts are sampled ahead."""

from __future__ import annotations


def decoding_seconds(weight_bytes: float, cache_bytes: float, bandwidth: float) -> float:
    """Estimate the seconds of a token of all rows together: ``(weights + keys and values read) / bandwidth``.

    Decoding reads all weights and all keys and values once for every token of a row; that, and not arithmetic, takes
    the time (Pope et al. 2022, https://arxiv.org/abs/2211.05102, section 2).

    Args:
        weight_bytes: Bytes of the weights.
        cache_bytes: Bytes of the keys and values of all rows, the mean over their lengths.
        bandwidth: Bytes a second that a device reads.

    Example:
        >>> decoding_seconds(8e9, 1.6e9, bandwidth=4.8e12)
        0.002
    """
    return (weight_bytes + cache_bytes) / bandwidth


def rows_at_once(cache_tokens: float, prompt: float, group: int, completion: float) -> int:
    """Estimate how many rows fit into a server's cache: ``tokens / (P / G + T)``, where a group shares its prompt.

    Args:
        cache_tokens: Tokens whose keys and values fit, ``(share x memory - weights) / (2 L k b)``.
        prompt: Tokens of a prompt.
        group: Completions of it, ``G``.
        completion: Tokens of each.

    Example:
        >>> rows_at_once(100_000, prompt=800, group=8, completion=900)
        100
    """
    return max(0, int(cache_tokens / (prompt / group + completion)))


def learning_seconds(weights: float, tokens: float, operations: float, peak: float, utilization: float) -> float:
    """Estimate the seconds of a pass over tokens: ``c W tokens / (peak x utilization)``.

    ``c`` is 2 for a forward pass, 6 with its backward pass (Kaplan et al. 2020, https://arxiv.org/abs/2001.08361,
    section 2.1), 4 where the weights get no gradient of their own, as under an adapter, and 2 more with checkpointing.
    Attention's own arithmetic, ``tokens x length``, is not in it.

    Args:
        weights: Weights of the matrices, ``W``.
        tokens: Tokens that are read.
        operations: ``c``.
        peak: Operations a second that the device can do at most.
        utilization: Share of them that is reached (MFU).

    Example:
        >>> learning_seconds(4e9, 1e5, operations=6, peak=1e15, utilization=0.4)
        6.0
    """
    return operations * weights * tokens / (peak * utilization)


def rollout_seconds(rows: float, slots: float, longest: float, mean: float, token: float) -> float:
    """Estimate the seconds of a rollout: ``max(rows x mean / slots, longest) x seconds of a token``.

    Args:
        rows: Completions.
        slots: Rows that are sampled at once.
        longest: Tokens of the longest row.
        mean: Tokens of a row.
        token: Seconds of a token of all rows at once.

    Example:
        >>> rollout_seconds(128, slots=32, longest=700, mean=200, token=0.005)
        4.0
    """
    return max(rows * mean / slots, longest) * token


def step_seconds(ahead: int, train: float, work: float, longest: float, publish: float) -> float:
    """Estimate the seconds of a step with rollouts ``k`` ahead: the sum at 0, ``max(train, work, longest / k)`` above.

    A rollout that is asked for ``k`` steps before it is needed may take so long; what is sampled at once may not take
    longer than the step. For two groups of devices that work side by side, sampling and learning.

    Args:
        ahead: Rollouts ahead of learning, ``k``.
        train: Seconds of learning.
        work: Seconds of sampling a rollout, if all slots are always full.
        longest: Seconds of its longest row.
        publish: Seconds until the sampler has new weights.

    Example:
        >>> [round(step_seconds(k, train=3.0, work=2.6, longest=4.7, publish=0.1), 2) for k in (0, 1, 2)]
        [7.8, 4.8, 3.1]
    """
    if not ahead:
        return train + max(work, longest) + publish
    return max(train, work, longest / ahead) + publish
