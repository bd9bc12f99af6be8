"""The kit: every shipped algorithm passes, reports say what they must, and wrong uses are refused."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

import rlframework.algorithms
from rlframework import BNPO, CISPO, GMPO, GRPO, GSPO, REINFORCE, SAPO, PolicyGradient
from rlframework.terms import AdaptiveEntropyBonus, KLInLoss, KLInReward, TokenTruncation
from rlframework.testing import CheckError, check_algorithm
from rlframework.testing.algorithms.checks import CHECKS
from rlframework.testing.algorithms.script import ragged_script
from rlframework.testing.algorithms.trial import Trial
from rlframework.testing.report import CheckStatus
from tests.drawn import drawn

SHIPPED = [getattr(rlframework.algorithms, name) for name in rlframework.algorithms.NAMES]


@pytest.mark.parametrize("kind", drawn(SHIPPED, {"GRPO"}))
def test_every_shipped_algorithm_passes(kind: type[PolicyGradient]) -> None:
    report = check_algorithm(kind)
    assert [finding.check for finding in report.findings] == list(CHECKS)
    stated = [finding.check for finding in report.findings if finding.verdict is CheckStatus.STATED]
    assert stated == (["accumulation"] if kind.depends_on_minibatches else [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"kl_coefficient": 0.1, "kl": KLInLoss(ratio_corrected=True)},
        {"kl_coefficient": 0.1, "kl": KLInReward()},
        {"ratio_cap": 1.5},
        {"off_policy_threshold": 0.1},
        {"top_entropy_share": 0.5},
        {"entropy_bonus": AdaptiveEntropyBonus(1.5)},
        {"mask_truncated": True},
        {"mask_truncated": True, "count_masked": True},
        {"sampler_correction": TokenTruncation()},
        {"clip_low": 0.1, "clip_high": 0.5},
    ],
    ids=lambda options: ",".join(options),
)
def test_options_are_handed_to_the_constructor_and_pass(options: dict[str, Any]) -> None:
    assert check_algorithm(GRPO, **options).ok


def test_a_class_that_states_its_exception_is_reported_so() -> None:
    report = check_algorithm(BNPO, only="accumulation")
    assert report.ok
    assert report["accumulation"].verdict is CheckStatus.STATED
    assert "stated" in str(report)
    assert "depends_on_minibatches" in report["accumulation"].finding

    class Forgot(BNPO):
        depends_on_minibatches = False

    assert check_algorithm(Forgot, only="accumulation", raise_on_failure=False).failed == ["accumulation"]


def test_a_bound_of_the_ratio_is_held_to_account_only_where_it_is_stated() -> None:
    """CISPO's is its cap, and REINFORCE's, where it is given one."""
    for kind, options, bounds in [
        (CISPO, {}, True),
        (CISPO, {"ratio_cap": None}, False),
        (REINFORCE, {}, False),
        (REINFORCE, {"ratio_cap": 3.0}, True),
        (GMPO, {}, True),
        (SAPO, {}, True),
    ]:
        assert check_algorithm(kind, only="trust_region", **options).ok
        assert Trial(kind, options).follow(ragged_script()).bounds_tokens == bounds

    class Uncapped(CISPO):
        trust_region = True

    assert check_algorithm(Uncapped, only="trust_region").ok
    report = check_algorithm(Uncapped, only="trust_region", ratio_cap=None, raise_on_failure=False)
    assert "a good token at ratio 10 is pushed 10 times as hard as at ratio 1" in report["trust_region"].finding


class Backwards(GRPO):
    def surrogate(self, logprobs, batch):
        return -super().surrogate(logprobs, batch)


def test_a_failure_names_the_check_and_says_how_to_mend_it() -> None:
    with pytest.raises(CheckError, match="Backwards fails: direction") as caught:
        check_algorithm(Backwards, only=["direction", "padding"])
    assert isinstance(caught.value, AssertionError)
    report = caught.value.report
    assert report.failed == ["direction"]
    text = str(report)
    assert "1 of 2 checks failed" in text
    assert "FAILED  direction" in text
    assert "passed  padding" in text
    assert report["direction"].question in text
    assert report["direction"].remedy in text


def test_an_error_inside_a_run_is_a_finding() -> None:
    class Broken(GRPO):
        def surrogate(self, logprobs, batch):
            raise IndexError("off by one")

    report = check_algorithm(Broken, only=["padding", "abstention"], raise_on_failure=False)
    assert report.failed == ["padding", "abstention"]
    assert report["padding"].finding == "it raised IndexError: off by one"


def test_wrong_uses_are_refused() -> None:
    with pytest.raises(TypeError, match="the class itself; got 3"):
        check_algorithm(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="does not override advantages, surrogate, token_weights"):
        check_algorithm(PolicyGradient)  # type: ignore[type-abstract]
    with pytest.raises(ValueError, match="no check pading; the checks are accumulation, padding"):
        check_algorithm(GRPO, only="pading")
    with pytest.raises(ValueError, match="the kit itself sets learning_rate, sampler"):
        check_algorithm(GRPO, sampler=None, learning_rate=1.0)
    with pytest.raises(ValueError, match="top_entropy_share") as caught:
        check_algorithm(GSPO, top_entropy_share=0.5)
    assert "could not make a GSPO" in caught.value.__notes__[0]
    with pytest.raises(KeyError, match="no check 'padding' ran; these did: direction"):
        check_algorithm(GRPO, only="direction")["padding"]


def test_random_numbers_outside_are_left_alone_and_results_do_not_depend_on_them() -> None:
    findings = []
    for seed in (1, 2):
        torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
        states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
        findings.append(
            [finding.finding for finding in check_algorithm(GRPO, only=["permutation", "options", "kl"]).findings]
        )
        assert torch.equal(torch.get_rng_state(), states[0])
        assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]
    assert findings[0] == findings[1]


def test_every_check_says_in_a_sentence_what_it_proves() -> None:
    for name, check in CHECKS.items():
        sentence = (check.__doc__ or "").strip().partition("\n")[0]
        assert sentence.endswith("."), name
