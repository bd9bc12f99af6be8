"""The kit catches every planted fault, by the check whose name says what is wrong."""

from __future__ import annotations

import pytest

from rlframework import PolicyGradient
from rlframework.testing import check_algorithm
from rlframework.testing.algorithms.checks import CHECKS
from tests.testing.algorithms.faults import PLANTED

by_name = pytest.mark.parametrize("kind", PLANTED, ids=lambda kind: kind.__name__)


@by_name
def test_it_is_caught_by_the_check_of_its_name(kind: type[PolicyGradient]) -> None:
    report = check_algorithm(kind, only=PLANTED[kind], raise_on_failure=False)
    assert report.failed == [PLANTED[kind]]
    # By what the check looks for, not by an accident on the way.
    assert "it raised" not in report[PLANTED[kind]].finding


@pytest.mark.slow
@by_name
def test_most_other_checks_pass(kind: type[PolicyGradient]) -> None:
    report = check_algorithm(kind, raise_on_failure=False)
    assert PLANTED[kind] in report.failed
    assert len(report.failed) < len(CHECKS) / 2, str(report)


def test_every_check_has_a_fault_that_only_it_has_to_catch() -> None:
    assert set(PLANTED.values()) == set(CHECKS)
