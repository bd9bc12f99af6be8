"""The properties: a check is a function whose first line says in a sentence what it proves."""

from collections.abc import Callable

from rlframework.testing.algorithms.checks.divergence import kl
from rlframework.testing.algorithms.checks.invariance import accumulation, padding, permutation
from rlframework.testing.algorithms.checks.observation import observations
from rlframework.testing.algorithms.checks.option import options
from rlframework.testing.algorithms.checks.ratio import on_policy_ratio, trust_region
from rlframework.testing.algorithms.checks.response import abstention, reward_shift_and_scale, zero_variance
from rlframework.testing.algorithms.checks.slope import direction, every_token, finite_differences
from rlframework.testing.algorithms.checks.training import learns, resume
from rlframework.testing.algorithms.trial import Trial

Check = Callable[[Trial], str]
"""Returns what it found, in one line; raises `Violation` if the algorithm lacks the property."""

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        accumulation,
        padding,
        permutation,
        observations,
        reward_shift_and_scale,
        zero_variance,
        abstention,
        on_policy_ratio,
        trust_region,
        direction,
        every_token,
        finite_differences,
        kl,
        options,
        learns,
        resume,
    )
}
"""All checks by name."""
