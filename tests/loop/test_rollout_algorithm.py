"""From completions to tensors: masks, end tokens, empty and truncated rows, and what training makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import pytorch_lightning as pl
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from rlframework import (
    GDPO,
    GRPO,
    RLOO,
    BatchedSampler,
    CausalLMPolicy,
    DrGRPO,
    PromptDataModule,
    ReinforcePlusPlusBaseline,
    RolloutCallback,
)
from rlframework.completions import Completion, Completions
from rlframework.loop.callback import RolloutRecord
from rlframework.policies import Policy
from rlframework.prompt import Prompt
from rlframework.rewards import RewardModel, RowReward, Where, optional
from rlframework.rollout import Rollout
from rlframework.samplers import GroupSampler
from rlframework.terms import TokenTruncation
from rlframework.testing import letter_rows, letter_tokenizer, tiny_policy
from tests.drawn import drawn

EOS = letter_tokenizer().eos_token_id


class Scripted(GroupSampler):
    """Answers row g of every group with the g-th script; a script that ends with EOS has stopped."""

    def __init__(self, scripts: Sequence[list[int]], logprob: float | None = None) -> None:
        super().__init__(group_size=len(scripts), max_tokens=8)
        self.scripts = scripts
        self.logprob = logprob

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        rows = [self._answer(prompt, script) for prompt in prompts for script in self.scripts]
        return Completions(rows, self.group_size)

    def _answer(self, prompt: Prompt, ids: list[int]) -> Completion:
        reason = "stop" if not ids or ids[-1] == EOS else "length"
        logprobs = [] if self.logprob is None else [self.logprob] * len(ids)
        return Completion(prompt, ids, "", reason, logprobs)


class Length(RowReward):
    def score_row(self, completion: Completion) -> float:
        return float(len(completion.ids))


class Listed(RewardModel):
    """Gives every group the listed scores."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = scores

    def score(self, completions: Completions) -> torch.Tensor:
        return torch.tensor(self.scores).expand(completions.num_groups, -1)


class Recorder(RolloutCallback):
    """Keeps the rollouts and the gradients of a run."""

    def __init__(self) -> None:
        self.collected: list[RolloutRecord] = []
        self.gradients: list[dict[str, torch.Tensor]] = []

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: RolloutRecord) -> None:
        self.collected.append(collected)

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.gradients.append({n: p.grad.clone() for n, p in pl_module.policy.named_parameters() if p.requires_grad})


class Layout(Listed):
    """The same, under a name of its own."""


def fit(sampler: GroupSampler, reward: RewardModel, policy: Policy | None = None, **options) -> tuple[GRPO, Recorder]:
    """Train one step on four prompts."""
    recorder = Recorder()
    options = {"prompts_per_rollout": 4, "learning_rate": 1e-3, "schedule": "constant", **options}
    algorithm = options.pop("kind", GRPO)(policy or tiny_policy(), reward, sampler, **options)
    trainer = pl.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        callbacks=[recorder],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(algorithm, PromptDataModule(letter_rows(4)))
    return algorithm, recorder


def two_groups(logprobs: Sequence[list[float]] = ([], [], [], [])) -> tuple[Completions, torch.Tensor]:
    first, second = Prompt([5], "a"), Prompt([6, 7, 8], "bcd")
    answers = [
        (first, [9, EOS], "stop"),
        (first, [10], "length"),
        (second, [], "stop"),
        (second, [11, 12, 13], "length"),
    ]
    rows = [Completion(*answer[:2], "", answer[2], scores) for answer, scores in zip(answers, logprobs, strict=True)]
    return Completions(rows, group_size=2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_a_rollout_pads_prompts_left_and_completions_right() -> None:
    rollout = Rollout.of(*two_groups(), pad_id=0, temperature=0.5)
    assert rollout.prompt_ids.tolist() == [[0, 0, 5], [0, 0, 5], [6, 7, 8], [6, 7, 8]]
    assert rollout.prompt_mask.tolist() == [[False, False, True]] * 2 + [[True] * 3] * 2
    assert rollout.completion_ids.tolist() == [[9, EOS, 0], [10, 0, 0], [0, 0, 0], [11, 12, 13]]
    assert rollout.completion_mask.long().tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]
    assert rollout.truncated.tolist() == [False, True, False, True]
    assert rollout.rewards.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert rollout.group.tolist() == [0, 0, 1, 1]
    assert (rollout.group_size, rollout.temperature, rollout.num_groups) == (2, 0.5, 2)
    assert rollout.advantages.shape == (4, 1)
    assert rollout.weights.shape == (4, 3)
    assert rollout.completion_mask.dtype == rollout.prompt_mask.dtype == torch.bool
    assert rollout.completion_ids.dtype == rollout.prompt_ids.dtype == torch.int64
    assert rollout.old_logprobs is rollout.reference_logprobs is None


def test_a_rollout_keeps_the_samplers_logprobs_if_it_told_all() -> None:
    rollout = Rollout.of(*two_groups([[-1.0, -2.0], [-3.0], [], [-4.0, -5.0, -6.0]]), pad_id=0, temperature=1.0)
    expected = [[-1.0, -2.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-4.0, -5.0, -6.0]]
    assert rollout.sampler_logprobs.tolist() == expected
    assert rollout.sampler_logprobs.dtype == torch.float32


NAN = math.nan
FOUR_ROWS = Scripted([[9], [10], [11], [12]])
JUDGED = [[1.0, 0.0, NAN, 1.0], [NAN, 0.0, NAN, 1.0], [NAN, NAN, 3.0, -1.0], [0.5, NAN, 0.5, 2.0], [1.0, NAN, NAN, 0.0]]


KINDS = [GRPO, GDPO, RLOO, DrGRPO, ReinforcePlusPlusBaseline]


# Every algorithm with one of the groups, and every group with one algorithm.
@pytest.mark.parametrize(
    ("kind", "judged"),
    drawn(
        {f"{kind.__name__}-{number}": (kind, JUDGED[number]) for kind in KINDS for number in range(len(JUDGED))},
        {f"{kind.__name__}-{number}" for number, kind in enumerate(KINDS)} | {f"GRPO-{n}" for n in range(len(JUDGED))},
    ),
)
def test_a_row_that_a_judge_abstains_on_learns_nothing_and_tells_the_others_nothing(
    kind: type[GRPO], judged: list[float]
) -> None:
    """Whatever a format reward says of it, it is as if nobody had said anything."""
    layout = [1.0, 0.0, 0.7, 1.0]
    silent = [NAN if math.isnan(score) else paid for score, paid in zip(judged, layout, strict=True)]
    found, alike = (
        fit(FOUR_ROWS, Listed(judged) + 0.2 * Layout(paid), kind=kind)[1].collected[0].rollout.advantages.flatten()
        for paid in (layout, silent)
    )
    abstained = torch.tensor(judged).isnan().repeat(4)
    assert (found[abstained] == 0).all()
    assert (found[~abstained] != 0).any()
    torch.testing.assert_close(found, alike, rtol=0, atol=0)


def test_a_weight_of_nothing_changes_nothing() -> None:
    judged = Listed(JUDGED[0])
    alone, beside = (
        fit(FOUR_ROWS, reward)[1].collected[0].rollout.advantages
        for reward in (judged, judged + 0.0 * Layout([1.0, 2.0, 3.0, 4.0]))
    )
    torch.testing.assert_close(alone, beside, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("reward", "counted", "abstained"),
    [
        (optional(Listed(JUDGED[0])) + Layout([1.0, 1.0, 2.0, NAN]), 0.25, 0.25),
        (optional(Listed(JUDGED[0])) + Layout([1.0, 1.0, NAN, 1.0]), 0.0, 0.25),  # there the row abstains
        (Listed(JUDGED[0]) + Layout([1.0, 1.0, 2.0, 1.0]), None, 0.25),
    ],
)
def test_an_absence_that_counts_as_0_is_in_the_log(
    reward: RewardModel, counted: float | None, abstained: float
) -> None:
    algorithm, _ = fit(FOUR_ROWS, reward)
    figures = algorithm.trainer.callback_metrics
    assert figures.get("train/judgement/listed/counted_as_0") == counted
    assert figures["train/judgement/listed/abstained"] == abstained


def test_rows_of_another_task_are_no_absence() -> None:
    """A quarter of its own rows has no score, and most rows are not its own."""
    mine = letter_rows(4)[0]["answer"]
    judge = Where(Listed(JUDGED[0]), "answer", mine, name="listed")
    algorithm, _ = fit(FOUR_ROWS, optional(judge) + Layout([1.0, 1.0, 2.0, 1.0]))
    own = sum(row["answer"] == mine for row in letter_rows(4)) / 4
    assert 0 < own < 1
    assert algorithm.trainer.callback_metrics["train/judgement/listed/counted_as_0"] == own / 4


@pytest.mark.parametrize("logprobs", [[[], [], [], []], [[-1.0, -2.0], [], [], [-4.0, -5.0, -6.0]]])
def test_a_rollout_leaves_logprobs_out_if_any_are_missing(logprobs: list[list[float]]) -> None:
    assert Rollout.of(*two_groups(logprobs), pad_id=0, temperature=1.0).sampler_logprobs is None


def test_a_rollout_of_empty_completions_has_one_empty_column() -> None:
    rows = [Completion(Prompt([5], "a"), [], "", "stop") for _ in range(2)]
    rollout = Rollout.of(Completions(rows, 2), pad_id=0)
    assert rollout.completion_mask.tolist() == [[False], [False]]


def test_the_end_token_is_trained_on_though_it_is_the_pad_token() -> None:
    tokenizer = letter_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = Qwen3Config(vocab_size=len(tokenizer), eos_token_id=EOS, pad_token_id=EOS, **sizes, **heads)
    torch.manual_seed(0)
    policy = CausalLMPolicy(Qwen3ForCausalLM(config), tokenizer)
    assert policy.pad_id in policy.eos_ids
    with torch.no_grad():
        policy.model.lm_head.weight[EOS] += 0.05  # stops come often, and at different places
    _, recorder = fit(BatchedSampler(group_size=16, max_tokens=12), Length(), policy)

    (collected,) = recorder.collected
    rollout, rows = collected.rollout, list(collected.completions)
    stopped = [i for i, row in enumerate(rows) if row.stop_reason == "stop"]
    assert len({len(rows[i].ids) for i in stopped}) > 1
    for i in stopped:
        end = len(rows[i].ids) - 1
        assert rollout.completion_ids[i, end] == EOS
        assert rollout.completion_mask[i].sum() == end + 1
        assert rollout.weights[i, end] > 0
        assert rollout.weights[i, end + 1 :].sum() == 0
    torch.testing.assert_close(rollout.weights.sum(), torch.tensor(1.0))


def test_the_end_token_receives_gradient() -> None:
    # Ending at once is good and answering with a letter is bad: the policy must learn to end.
    policy = tiny_policy()
    before = policy.logprobs(rollout_of_one(policy, [EOS])).logprobs.item()
    algorithm, _ = fit(Scripted([[EOS], [9]]), Listed([1.0, 0.0]), policy, learning_rate=1e-2)
    assert algorithm.policy.logprobs(rollout_of_one(policy, [EOS])).logprobs.item() > before


def rollout_of_one(policy: Policy, ids: list[int]):
    row = Completion(Prompt(policy.tokenizer("a")["input_ids"], "a"), ids, "", "stop")
    return Rollout.of(Completions([row], 1), pad_id=policy.pad_id)


@pytest.mark.parametrize(
    "options", [{}, {"passes_per_rollout": 2, "kl_coefficient": 0.1, "minibatches_per_rollout": 2}]
)
def test_an_empty_completion_keeps_its_row_and_makes_no_nan(options: dict[str, float]) -> None:
    algorithm, recorder = fit(Scripted([[], [9, EOS], [10]]), Length(), **options)
    rollout = recorder.collected[0].rollout
    assert len(rollout) == 12
    assert rollout.completion_mask.sum(1).tolist() == [0, 2, 1] * 4
    # Lengths 0, 2, 1 have mean 1 and deviation 1: the empty row takes part in its group's statistics.
    torch.testing.assert_close(rollout.advantages[:3], torch.tensor([[-0.9999], [0.9999], [0.0]]), atol=1e-6, rtol=0)
    assert all(gradient.isfinite().all() for gradient in recorder.gradients[0].values())
    assert any(gradient.any() for gradient in recorder.gradients[0].values())
    assert all(parameter.isfinite().all() for parameter in algorithm.policy.parameters())


def test_a_rollout_of_empty_completions_trains_on_nothing() -> None:
    algorithm, recorder = fit(Scripted([[], []]), Listed([0.0, 1.0]))
    assert recorder.collected[0].rollout.weights.sum() == 0
    assert not any(gradient.any() for gradient in recorder.gradients[0].values())
    assert all(parameter.isfinite().all() for parameter in algorithm.policy.parameters())


def test_a_group_of_truncated_completions_is_trained_on() -> None:
    algorithm, recorder = fit(Scripted([[9, 10, 11], [12, 13, 14]]), Listed([0.0, 1.0]))
    rollout = recorder.collected[0].rollout
    assert rollout.truncated.all()
    assert rollout.completion_mask.all()
    torch.testing.assert_close(rollout.weights, torch.full((8, 3), 1 / 24))
    assert any(gradient.any() for gradient in recorder.gradients[0].values())
    assert algorithm.trainer.callback_metrics["train/truncated"] == 1.0


@pytest.mark.parametrize("logprob", [None, -0.5])
def test_a_sampler_may_not_know_its_logprobs(logprob: float | None) -> None:
    _, recorder = fit(Scripted([[9], [10]], logprob), Listed([0.0, 1.0]))
    scored = recorder.collected[0].rollout.sampler_logprobs
    assert scored is None if logprob is None else scored.tolist() == [[-0.5]] * 8


def test_old_and_reference_logprobs_are_those_of_the_weights_that_sampled() -> None:
    _, recorder = fit(Scripted([[9, 10, EOS], [11]]), Listed([0.0, 1.0]), kl_coefficient=0.1, passes_per_rollout=2)
    rollout = recorder.collected[0].rollout
    with torch.no_grad():
        expected = tiny_policy().logprobs(rollout).logprobs * rollout.completion_mask
    torch.testing.assert_close(rollout.old_logprobs, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(rollout.reference_logprobs, expected, atol=1e-6, rtol=0)


def test_a_rollout_that_nobody_judged_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"abstained \(NaN\) on all 8 completions.*listed"):
        fit(Scripted([[9], [10]]), Listed([float("nan")] * 2))


@pytest.mark.parametrize("method", ["advantages", "token_weights"])
def test_a_wrong_shape_is_refused(method: str, monkeypatch) -> None:
    monkeypatch.setattr(GRPO, method, lambda self, values: values.float().sum(1))
    with pytest.raises(ValueError, match=rf"{method}\(\) returned"):
        fit(Scripted([[9], [10]]), Listed([0.0, 1.0]))


class Elsewhere(Scripted):
    """Tells log-probabilities that are off by a known amount: as an engine with other kernels does."""

    def __init__(self, correction: TokenTruncation | None) -> None:
        super().__init__(scripts=[[5, 6], [7, EOS], [8]])
        self.correction = correction
        self.gaps = [0.25, 0.5]

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        completions = super().sample(policy, prompts, step=step)
        for row in completions:
            ids = torch.tensor([row.prompt.ids + row.ids])
            with torch.no_grad():
                logprobs = policy.model(ids).logits[0, -len(row.ids) - 1 : -1].log_softmax(-1)
            own = logprobs.gather(1, torch.tensor(row.ids).unsqueeze(1)).flatten().tolist()
            row.logprobs = [score + gap for score, gap in zip(own, self.gaps, strict=False)]
        return completions


def test_the_gap_between_sampler_and_policy_is_logged() -> None:
    algorithm, recorder = fit(Elsewhere(TokenTruncation()), Length())
    logged = algorithm.trainer.callback_metrics
    # Of each group, three first tokens and two second ones.
    assert logged["train/sampler_gap"].item() == pytest.approx((3 * 0.25 + 2 * 0.5) / 5, abs=1e-4)
    assert logged["train/sampler_gap_max"].item() == pytest.approx(0.5, abs=1e-4)
    factor = recorder.collected[0].rollout.sampler_correction
    assert factor[0].tolist() == pytest.approx([math.exp(-0.25), math.exp(-0.5)], abs=1e-4)


def test_no_gap_is_logged_where_none_is_known() -> None:
    for sampler in (Elsewhere(None), BatchedSampler(3, 2)):
        algorithm, _ = fit(sampler, Length())
        assert not [name for name in algorithm.trainer.callback_metrics if "sampler_gap" in name]


class Torn(GRPO):
    """An order that tears groups apart."""

    def minibatch_order(self, completions: Completions) -> torch.Tensor:
        return torch.arange(len(completions)).view(-1, completions.group_size).T.flatten()


class Repeated(GRPO):
    def minibatch_order(self, completions: Completions) -> list[int]:
        return [0] * len(completions)


@pytest.mark.parametrize("kind", [Torn, Repeated])
def test_an_order_of_minibatches_that_tears_groups_or_leaves_rows_out_is_refused(kind, grpo, fit) -> None:
    with pytest.raises(ValueError, match="has to name every row once, and the rows of a group one after another"):
        fit(grpo(kind=kind), max_steps=1)
