"""The router's auxiliary loss of a mixture of experts, against TRL's trainer and transformers' own forward."""

from __future__ import annotations

import pytest
import torch
import transformers

from rlframework import GRPO, CausalLMPolicy
from rlframework.policies.router_loss import RouterLoss
from tests.drawn import drawn
from tests.policies.test_causal_lm import as_rollout
from tests.policies.tiny_architectures import TOKENIZER, tiny_architecture
from tests.trl import ours as trl_ours
from tests.trl import theirs as trl_theirs
from tests.trl.compare import run_both, undisturbed, whole_norm, worst_number
from tests.trl.runs import Case

# Large enough to be seen beside the loss of a policy.
COEFFICIENT = 0.3
RAGGED = as_rollout([[5, 6, 7], [8], [9, 4]], [[3, 4], [6, 7, 8, 9], [5]])


def mixture(kind: str, coefficient: float = COEFFICIENT):
    model = tiny_architecture(kind)
    model.config.output_router_logits = True
    name = "aux_loss_coef" if kind == "jetmoe" else "router_aux_loss_coef"
    setattr(model.config, name, coefficient)
    setattr(model, name, coefficient)
    return model


def trained(kind: str, monkeypatch: pytest.MonkeyPatch, coefficient: float, **settings):
    for side in (trl_ours, trl_theirs):
        monkeypatch.setattr(side, "load_model", lambda lora: mixture(kind, coefficient))
    with undisturbed():
        return run_both(Case(GRPO, theirs={"loss_type": "grpo"}, **settings), "sgd")


@pytest.mark.parametrize("kind", drawn(["mixtral", "qwen3_moe", "qwen2_moe", "olmoe"], ["qwen3_moe"]))
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_same_loss_and_gradients_as_trl(kind, accumulate, monkeypatch):
    ours, theirs = trained(kind, monkeypatch, COEFFICIENT, accumulate=accumulate, steps=2)
    assert ours.completions == theirs.completions
    assert worst_number(ours.losses, theirs.losses) < 1e-5
    for mine, other in zip(ours.gradients, theirs.gradients, strict=True):
        apart = {name: mine[name] - other[name] for name in mine}
        assert whole_norm(apart) < 1e-4 * whole_norm(other)
    # It is no small part of either.
    assert all(step["train/auxiliary_loss"] > 0.2 for step in ours.metrics)


def test_a_coefficient_of_0_adds_nothing(monkeypatch):
    ours, theirs = trained("mixtral", monkeypatch, 0.0, steps=1)
    assert "train/auxiliary_loss" not in ours.metrics[0]
    assert worst_number(ours.losses, theirs.losses) < 1e-5


def read(policy: CausalLMPolicy, rollout):
    with torch.enable_grad():
        policy.logprobs(rollout)
    return policy.auxiliary_loss()


@pytest.mark.parametrize("kind", ["jetmoe", "mixtral", "granitemoe", "phimoe", "gpt_oss"])
def test_it_is_that_of_the_models_own_forward(kind):
    if kind == "jetmoe" and transformers.__version__ < "5":
        pytest.skip("the JetMoe of transformers 4 cannot give its router's logits: it has no num_experts")
    policy = CausalLMPolicy(mixture(kind), TOKENIZER)
    added = read(policy, RAGGED)
    ids = torch.cat([RAGGED.prompt_ids, RAGGED.completion_ids], 1)
    mask = torch.cat([RAGGED.prompt_mask, RAGGED.completion_mask], 1)
    own = policy.model(ids, attention_mask=mask.long(), output_router_logits=True)
    torch.testing.assert_close(added, COEFFICIENT * own.aux_loss, rtol=1e-4, atol=1e-5)
    assert policy.auxiliary_loss() is None
    with torch.no_grad():
        policy.logprobs(RAGGED)
    assert policy.auxiliary_loss() is None


def test_rows_that_learn_nothing_count_too():
    assert not CausalLMPolicy(mixture("mixtral"), TOKENIZER).scores_rows_apart(RAGGED)
    assert CausalLMPolicy(tiny_architecture("mixtral"), TOKENIZER).scores_rows_apart(RAGGED)


def test_a_configuration_without_a_coefficient_is_refused():
    model = tiny_architecture("llama")
    model.config.output_router_logits = True
    with pytest.raises(ValueError, match=r"no router_aux_loss_coef.*output_router_logits = False"):
        CausalLMPolicy(model, TOKENIZER)


@pytest.mark.parametrize("output", [{}, {"aux_loss": None}, {"aux_loss": 0}])
def test_a_model_that_returns_none_is_refused(output):
    with pytest.raises(RuntimeError, match=r"the model returned (None|0) for it"):
        RouterLoss(0.1).observe(type("Output", (), output)())
