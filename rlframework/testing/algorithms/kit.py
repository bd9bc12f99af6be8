"""The proof kit: every property that an algorithm has to have, proven on a table within seconds."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from rlframework.algorithms.base import PolicyGradient
from rlframework.testing.algorithms.checks import CHECKS
from rlframework.testing.algorithms.script import ragged_script
from rlframework.testing.algorithms.trial import Trial
from rlframework.testing.report import CheckError, CheckReport
from rlframework.testing.running import chosen_checks, run_check

_OF_THE_KIT = frozenset(
    {"policy", "reward", "sampler", "prompts_per_rollout", "minibatches_per_rollout", "passes_per_rollout"}
    | {"learning_rate", "betas", "weight_decay", "schedule", "warmup_steps", "seed", "validation", "validation_sampler"}
)


def check_algorithm(
    algorithm: type[PolicyGradient],
    *,
    only: str | Sequence[str] | None = None,
    raise_on_failure: bool = True,
    **options: Any,
) -> CheckReport:
    """Prove an algorithm: train it on a `TablePolicy`, for real and many times over, and look at its gradients.

    Takes a few seconds on one core. Random numbers outside are left as they are. From the command line:
    ``python -m rlframework.testing my_module:MyAlgorithm``.

    Args:
        algorithm: The class, not an instance: the kit makes many.
        only: Name or names of the checks to run, of ``rlframework.testing.algorithms.checks.CHECKS``; by default all.
        raise_on_failure: Raise if a check fails; False to look at the report instead.
        **options: For the algorithm's constructor; policy, reward, sampler, sizes and optimizer are the kit's.

    Returns:
        What each check found.

    Raises:
        CheckError: Some checks fail; an AssertionError that names them and says how to correct each.
        Exception: Whatever the constructor raises, say if it refuses the options.
        TypeError: It is no class, or one that is still abstract.
        ValueError: There is no such check, or an option is the kit's own.

    Example:
        The average over each minibatch's tokens depends on how a step is cut into minibatches:

        >>> from rlframework import GRPO
        >>> class MeanOfMeans(GRPO):
        ...     def surrogate(self, logprobs, batch):
        ...         return super().surrogate(logprobs, batch) / batch.loss_mask.sum()
        ...     def token_weights(self, mask):
        ...         return mask.float()
        >>> checks = ["accumulation", "padding"]
        >>> check_algorithm(GRPO, only=checks).ok
        True
        >>> check_algorithm(MeanOfMeans, only=checks, raise_on_failure=False).failed
        ['accumulation']
    """
    _refuse(algorithm, options)
    trial = Trial(algorithm, options)
    _make_once(trial)
    checks = chosen_checks(CHECKS, only)
    remedy = "the check trains on rollouts such as any run may meet; make this one run"
    with _one_thread():
        findings = [
            run_check(check, trial, lambda error: f"{type(error).__name__}: {error}", remedy) for check in checks
        ]
    report = CheckReport(algorithm.__name__, findings)
    if raise_on_failure and not report.ok:
        raise CheckError(report)
    return report


@contextmanager
def _one_thread() -> Iterator[None]:
    """On tables of 64 numbers threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _refuse(algorithm: type[PolicyGradient], options: dict[str, Any]) -> None:
    if not (isinstance(algorithm, type) and issubclass(algorithm, PolicyGradient)):
        raise TypeError(f"expected a subclass of PolicyGradient, the class itself; got {algorithm!r}")
    if inspect.isabstract(algorithm):
        missing = ", ".join(sorted(algorithm.__abstractmethods__))
        raise TypeError(f"{algorithm.__name__} is abstract: it does not override {missing}")
    taken = sorted(_OF_THE_KIT & options.keys())
    if taken:
        raise ValueError(f"the kit itself sets {', '.join(taken)}; pass only options of the objective")


def _make_once(trial: Trial) -> None:
    """Let an error of the constructor through: it is not a finding on the algorithm, and every check would meet it."""
    try:
        trial.follow(ragged_script())
    except Exception as error:
        error.add_note(
            f"check_algorithm could not make a {trial.kind.__name__}; the constructor has to take policy, reward, "
            "sampler and **kwargs, and to hand them on to super().__init__"
        )
        raise


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
