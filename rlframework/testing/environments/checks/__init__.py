"""The properties: a check is a function whose first line says in a sentence what it proves."""

from collections.abc import Callable

from rlframework.testing.environments.checks.contract import done, failures, mutation, observations, size
from rlframework.testing.environments.checks.gold import gold
from rlframework.testing.environments.checks.independence import determinism, global_random, interleaving
from rlframework.testing.environments.checks.resources import close, memory
from rlframework.testing.environments.checks.safety import hostile_turns, time_limit
from rlframework.testing.environments.subject import Subject

Check = Callable[[Subject], str]
"""Returns what it found, in one line; raises `Violation` if the environment lacks the property."""

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        time_limit,
        failures,
        observations,
        size,
        hostile_turns,
        determinism,
        interleaving,
        global_random,
        mutation,
        done,
        gold,
        close,
        memory,
    )
}
"""All checks by name; the first keeps the others from waiting for a step that never ends."""
