"""The properties: a check is a function whose first line says in a sentence what it proves."""

from collections.abc import Callable

from rlframework.testing.rewards.checks.contract import dtype, expectations, failures, length, mutation
from rlframework.testing.rewards.checks.gold import abstention
from rlframework.testing.rewards.checks.independence import batch_independence, determinism, order_independence
from rlframework.testing.rewards.checks.safety import process_safety, thread_safety
from rlframework.testing.rewards.checks.time_limits import time_limit
from rlframework.testing.rewards.subject import Subject

Check = Callable[[Subject], str]
"""Returns what it found, in one line; raises `Violation` if the reward lacks the property."""

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        failures,
        length,
        dtype,
        mutation,
        determinism,
        order_independence,
        batch_independence,
        thread_safety,
        process_safety,
        time_limit,
        abstention,
        expectations,
    )
}
"""All checks by name."""
