"""Where this library does not do what TRL does by default: equal under a setting like TRL's, and why ours differs."""

from dataclasses import replace

import pytest
import torch

from rlframework.algorithms import CISPO, DAPO, GRPO, VESPO, PolicyGradient
from rlframework.functional.divergences import k3
from rlframework.functional.surrogates import gamma_weight
from rlframework.terms import EntropyBonus, KLInLoss, TokenMask
from tests.drawn import drawn
from tests.trl import ours as trl_ours
from tests.trl import runs as trl_runs
from tests.trl import theirs as trl_theirs
from tests.trl.compare import Pair, errors, gradient_error, train_both, whole_norm, worst
from tests.trl.matrix import PerMinibatch
from tests.trl.ours import train_ours
from tests.trl.runs import GROUP, Case, Run, even_script, quality, quiet, script


def gradient_errors(pair: Pair) -> list[float]:
    """Return the error of every optimizer step."""
    runs = zip(pair.ours.gradients, pair.theirs.gradients, strict=True)
    return [gradient_error(mine, other, whole_norm(other)) for mine, other in runs]


def agrees(case: Case) -> bool:
    found = errors(case)
    return found.advantages < 1e-6 and found.loss < 5e-6 and found.gradient < 5e-5


def test_the_default_cap_of_cispo_is_no_fifth():
    """TRL takes ``epsilon_high`` for the cap itself, and its default of 0.2 cuts every ratio that is near 1 to 0.2."""
    assert agrees(Case(CISPO, theirs={"loss_type": "cispo", "epsilon_high": 5.0}, passes=2))
    ours, theirs = train_both(Case(CISPO, theirs={"loss_type": "cispo"}, steps=1))
    fifth = {name: 0.2 * gradient for name, gradient in ours.gradients[0].items()}
    assert gradient_error(fifth, theirs.gradients[0], whole_norm(theirs.gradients[0])) < 5e-5


def test_the_divergence_is_not_multiplied_by_the_ratio_unless_asked():
    """GRPO's paper does not, so GRPO does not; TRL does by default, and on-policy that is another gradient."""

    def case(kl: KLInLoss, **theirs) -> Case:
        ours = {"kl_coefficient": 0.3, "kl": kl}
        return Case(GRPO, lambda: ours, theirs={"loss_type": "grpo", "beta": 0.3, **theirs})

    assert agrees(case(KLInLoss(ratio_corrected=True)))
    assert agrees(case(KLInLoss(), use_bias_correction_kl=False))
    assert max(gradient_errors(train_both(case(KLInLoss())))) > 1e-3
    logprobs, reference = torch.tensor([-1.0], requires_grad=True), torch.tensor([-2.0])
    plain, corrected = (
        torch.autograd.grad(KLInLoss(k3, flag).token_loss(logprobs, reference, logprobs - logprobs.detach()), logprobs)
        for flag in (False, True)
    )
    torch.testing.assert_close(plain[0], 1 - (reference - logprobs.detach()).exp())
    torch.testing.assert_close(corrected[0], logprobs.detach() - reference)


class SilencedVESPO(VESPO):
    """VESPO as in TRL, where a token that is masked counts as one of ratio 1e-8."""

    def surrogate(self, logprobs, batch):
        return super().surrogate(logprobs, replace(batch, sampler_correction=batch.sampler_correction.clamp(min=1e-8)))

    def surrogate_factor(self, logprobs, batch):
        return PolicyGradient.surrogate_factor(self, logprobs, replace(batch, sampler_correction=None))


def test_a_masked_token_does_not_silence_its_completion_in_vespo():
    """1e-8 is the lowest weight of a whole completion, so one such token takes all others with it."""

    def case(kind: type[VESPO]) -> Case:
        vllm = {"mode": "token_mask", "clip_min": 0.7, "clip_max": 1.4}
        options = {"sampler_correction": TokenMask(0.7, 1.4)}
        return Case(kind, lambda: options, theirs={"loss_type": "vespo"}, sampler_known=True, vllm=vllm, slower=3)

    assert agrees(case(SilencedVESPO))
    pair = train_both(case(VESPO))
    assert min(gradient_errors(pair)) > 0.1
    assert whole_norm(pair.ours.gradients[0]) > 2 * whole_norm(pair.theirs.gradients[0])
    one_masked, mask = torch.tensor([[0.0, 0.0, 1e-8]]).clamp(min=1e-8).log(), torch.tensor([[False, False, True]])
    shape, rate = torch.full((1, 1), 2.0), torch.full((1, 1), 3.0)
    assert gamma_weight(one_masked, mask, shape, rate) < 1e-14
    assert gamma_weight(one_masked, mask & (one_masked > -18), shape, rate) == 1


class CountedByRollout(DAPO):
    """DAPO as in TRL, where a step's share of the rollout stands for its number of tokens."""

    run: Run

    def prepare_step(self, minibatches):
        tokens = sum(len(ids) for ids in self.run.completions[-1]) / self.steps_per_pass
        return [replace(part, weights=part.loss_mask / tokens) for part in super().prepare_step(minibatches)]


def test_the_token_mean_is_over_the_tokens_of_the_step():
    """TRL divides by the tokens of the rollout over its steps, so a step of long completions is a longer one."""

    def case(kind: type[DAPO]) -> Case:
        return Case(kind, theirs={"loss_type": "dapo", "epsilon_high": 0.28}, accumulate=2, slices=2, steps=2)

    assert agrees(case(CountedByRollout))
    pair = train_both(case(DAPO))
    # Advantages of 1 at ratio 1 would give the sum of the weights: 1 for a mean.
    rows = [len(ids) for ids in pair.ours.completions[0]]
    steps = [sum(rows[: 2 * GROUP]), sum(rows[2 * GROUP :])]
    sums = [2 * tokens / sum(rows) for tokens in steps]
    assert abs(sums[0] - 1) > 0.02
    mine, other = pair.ours.losses[0], pair.theirs.losses[0]
    assert other == pytest.approx(sums[0] * mine, rel=1e-4)
    assert gradient_errors(pair)[0] == pytest.approx(abs(1 / sums[0] - 1), rel=1e-3)


ENTROPY = {
    "share": ({"top_entropy_share": 0.43}, {"top_entropy_quantile": 0.43}),
    "bonus": ({"entropy_bonus": EntropyBonus(0.3)}, {"entropy_coef": 0.3}),
}


@pytest.mark.parametrize("name", drawn(list(ENTROPY), {"share"}))
def test_entropies_are_those_of_the_step_however_it_is_cut(name):
    """TRL ranks and averages them within each micro-batch, so that the batch size of the device is part of the loss."""
    options, settings = ENTROPY[name]

    def case(accumulate: int, kind: type[GRPO] = GRPO) -> Case:
        return Case(kind, lambda: options, theirs={"loss_type": "grpo", **settings}, accumulate=accumulate, steps=1)

    whole, cut = train_both(case(1)), train_both(case(4))
    assert agrees(case(1))
    assert agrees(case(4, type("GRPO", (PerMinibatch, GRPO), {})))
    largest = whole_norm(whole.ours.gradients[0])
    assert gradient_error(cut.ours.gradients[0], whole.ours.gradients[0], largest) < 5e-5
    assert gradient_error(cut.theirs.gradients[0], whole.theirs.gradients[0], largest) > 1e-2


def test_masked_completions_are_not_what_the_others_are_compared_with():
    """TRL leaves their rewards in the group's mean: what remains of a group then pushes up or down as a whole."""

    def case(counted: bool) -> Case:
        options = {"mask_truncated": True, "count_masked": counted}
        settings = {"loss_type": "grpo", "mask_truncated_completions": True}
        return Case(GRPO, lambda: options, theirs=settings, script=even_script)

    assert agrees(case(counted=True))
    pair = train_both(case(counted=False))
    assert min(gradient_errors(pair)) > 1e-2
    cut = torch.tensor([[ids[-1] != 1 for ids in rows] for rows in pair.ours.completions]).view(-1, GROUP)
    assert (cut.sum(1) == 1).all()
    mine, other = (torch.stack(run.advantages).view(-1, GROUP).masked_fill(cut, 0.0).sum(1) for run in pair)
    assert mine.abs().max() < 1e-5
    assert other.abs().mean() > 0.3


def test_gdpo_has_no_scale_that_it_would_ignore():
    """Of ours it is another class; TRL takes ``scale_rewards`` with it and does not look at it."""
    settings = {"loss_type": "grpo", "multi_objective_aggregation": "normalize_then_sum"}
    runs = [train_both(Case(theirs={**settings, "scale_rewards": name}, steps=1)).theirs for name in ("none", "batch")]
    assert worst(runs[0].advantages, runs[1].advantages) == 0


def test_a_completion_without_tokens_is_a_row_like_another():
    """TRL looks at the last token of every completion."""
    case = Case(
        theirs={"loss_type": "grpo"},
        rewards=((quality, 1.0),),
        steps=1,
        script=lambda rollout, prompt, row: script(rollout, prompt, row) if row else [],
    )
    with quiet():
        ours = train_ours(case, "sgd")
    assert ours.completions[0][0] == []
    assert len(ours.losses) == 1
    with pytest.raises(IndexError):
        train_both(case)


def test_the_reference_is_the_model_that_was_handed_over(monkeypatch):
    """TRL loads it again from where the configuration says that the model came from."""

    def changed(lora):
        model = trl_runs.load_model(lora)
        model.lm_head.weight.data.mul_(1.5)
        return model

    for side in (trl_ours, trl_theirs):
        monkeypatch.setattr(side, "load_model", changed)
    settings = {"loss_type": "grpo", "beta": 0.1, "use_bias_correction_kl": False}
    ours, theirs = train_both(Case(ours=lambda: {"kl_coefficient": 0.1}, theirs=settings, steps=1))
    assert ours.metrics[0]["train/kl"] < 1e-9
    assert theirs.metrics[0]["kl"] > 0.1
