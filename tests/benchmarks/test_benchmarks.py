"""The benchmarks compare like with like: both sides do the same work, and the table says so where a bar is missed."""

import json
import time
from contextlib import nullcontext

import against_trl
import curriculum
import ours
import overhead
import plots
import pytest
import theirs
import torch
import trl
from measure import Figures
from table import bars_of, ratios, table
from work import PROMPTS, Shape, ends_of, prepared

SMALL = Shape("tiny", prompt=8, group=4, completion=8)
VARIED = [Shape("tiny", **{"prompt": 256, axis: value}) for axis, (values, _) in plots.AXES.items() for value in values]


@pytest.fixture(autouse=True, scope="module")
def nothing_collected():
    """accelerate collects garbage when a training starts, which takes long with all that tests have imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *generation: 0)
        yield


def weights_of(model):
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()


@pytest.mark.parametrize("shape", [*against_trl.SHAPES, *VARIED], ids=repr)
def test_lengths_are_of_the_mean_asked_for_and_teach_in_every_group(shape):
    ends = ends_of(shape).view(PROMPTS, shape.group)
    assert ends.float().mean().item() == pytest.approx(shape.completion, abs=0.5)
    assert (ends.amax(1) > ends.amin(1)).all()
    assert shape.prompt + ends.max() <= 2048


@pytest.mark.parametrize("side", [ours, theirs])
def test_a_side_produces_the_forced_lengths_and_earns_by_them(side, monkeypatch):
    lengths = []

    def note(ids):
        lengths.append(len(ids))
        return len(ids) / 100

    monkeypatch.setattr(side, "reward_of", note)
    with prepared(SMALL, steps=2) as work:
        (ours.train_ours if side is ours else theirs.train_trl)(work, Figures())
    assert lengths == work.ends.tolist() * 2


@pytest.fixture(scope="module")
def result():
    return against_trl.compare(SMALL, runs=1, steps=2)


def test_tokens_read_are_what_the_layouts_promise(result):
    ends = ends_of(SMALL)
    padded = ends.numel() * (SMALL.prompt + int(ends.max()))
    shared = PROMPTS * SMALL.prompt + int((ends - 1).sum())
    assert result["figures"]["trl"]["tokens"] == [padded] * 2
    assert result["figures"]["rlframework"]["tokens"] == [shared] * 2


def test_a_comparison_has_as_many_entries_as_were_asked_for(result):
    for figures in result["figures"].values():
        counts = {part: len(values) for part, values in figures.items()}
        assert counts.pop("peak_mib") == 1
        assert set(counts.values()) == {2}
        assert all(value > 0 for values in figures.values() for value in values)
    assert json.loads(json.dumps(result)) == result


def test_parts_of_a_step_are_no_longer_than_the_step(result):
    for figures in result["figures"].values():
        for step, rollout, update in zip(figures["step"], figures["rollout"], figures["update"], strict=True):
            assert rollout + update < step


def train_with(head, work, monkeypatch):
    """Return how many positions met the head, the log-probabilities and what was logged of TRL's run."""
    positions, logprobs = [], []
    function = trl.trainer.utils._ChunkedLogProbFunction
    with monkeypatch.context() as patch, head():
        apply = function.apply
        patch.setattr(function, "apply", lambda hidden, *rest: (positions.append(len(hidden)), apply(hidden, *rest))[1])
        trainer = theirs.trainer_for(work, Figures())
        score = trainer._get_per_token_logps_and_entropies

        def keep(*arguments, **options):
            scored = score(*arguments, **options)
            logprobs.append(scored[0].detach().clone())
            return scored

        trainer._get_per_token_logps_and_entropies = keep
        trainer.train()
    logged = [{name: row[name] for name in ("loss", "grad_norm")} for row in trainer.state.log_history if "loss" in row]
    return positions, torch.stack(logprobs), logged


@pytest.mark.skipif(
    not hasattr(trl.trainer.utils, "_use_triton"), reason="TRL 1.14 asks no _use_triton, which the benchmark answers"
)
def test_the_compacted_head_reads_less_and_scores_the_same(monkeypatch):
    with prepared(SMALL, steps=2) as work:
        shipped_positions, shipped, shipped_log = train_with(nullcontext, work, monkeypatch)
        positions, compacted, log = train_with(theirs.compacted_head, work, monkeypatch)
        after_positions, _, _ = train_with(nullcontext, work, monkeypatch)
    assert shipped_positions == after_positions == [work.ends.numel() * (SMALL.prompt + work.longest - 1)] * 2
    assert positions == [int(work.ends.sum())] * 2
    assert (shipped != 0).sum() == 2 * work.ends.sum()
    torch.testing.assert_close(compacted, shipped, rtol=0, atol=1e-5)
    assert [row["grad_norm"] > 0 for row in log] == [True, True]
    for row, of_shipped in zip(log, shipped_log, strict=True):
        assert row == pytest.approx(of_shipped, rel=1e-4, abs=1e-7)


def with_ratio(step):
    """Return a result at P 256 in which this side takes a second, and the other this many."""
    own = dict.fromkeys(("step", "step_cpu", "rollout", "update", "peak_mib", "tokens"), 1.0)
    medians = {"trl": {**own, "step": step, "update": 9.0, "peak_mib": 9.0}, "rlframework": own}
    wanted = {"ratio": ratios(medians), "bars": bars_of("tiny", 256)}
    return {"model": "tiny", "prompt_tokens": 256, "median": medians, **wanted}


@pytest.mark.parametrize(("short", "verdict", "met"), [(0.0, "met", 3), (0.01, "MISSED", 2)])
def test_the_table_marks_a_missed_bar(short, verdict, met):
    bar = bars_of("tiny", 256)["trl"]["step"]
    lines = table([with_ratio(bar - short)]).splitlines()
    (step,) = [line for line in lines if " step  " in line and "ratio" not in line]
    assert step.endswith(f">= {bar:.1f}  {verdict}")
    assert lines[-1] == f"{met} of 3 bars met"


def test_shapes_are_named_by_model_and_prompt():
    assert against_trl.shapes_named("tiny:64,wide:256") == [Shape("tiny", 64), Shape("wide", 256)]


def test_the_bare_loop_takes_the_steps_that_lightning_takes():
    with prepared(SMALL, steps=3) as work:
        algorithm = overhead.algorithm_for(work, schedule="constant")
        alternate = overhead.Alternate(overhead.BareLoop(work))
        start = weights_of(algorithm.policy)
        overhead.fit(work, algorithm, alternate)
    way, bare_way = (weights_of(policy) - start for policy in (algorithm.policy, alternate.bare.policy))
    # Adam moves a weight by about its rate of 1e-6 a step, whatever the gradient; weights round by less than 1e-8.
    assert way.abs().max() > 2e-6
    torch.testing.assert_close(bare_way, way, rtol=0, atol=1e-7)
    assert len(alternate.fit_steps) == len(alternate.bare_steps) == 3


def test_the_profile_is_of_what_lies_around_rollout_and_update():
    with prepared(SMALL, steps=4) as work:
        lines = overhead.profile(work)
    assert "optimizer_step" in lines
    assert not any(inner in lines for inner in ("shared_prefix.py", "causal_lm.py", "_engine_run_backward"))


def test_the_clock_of_the_profile_stands_still_inside():
    clock = overhead.OutsideClock()
    started = clock()
    clock.still(time.sleep)(0.2)
    inside = clock() - started
    time.sleep(0.05)
    assert inside < 0.1
    assert clock() - started - inside >= 0.05


def test_pictures_are_drawn_from_their_figures(tmp_path):
    costs = {side: dict.fromkeys(plots.PANELS, 1.0) for side in plots.LINES}
    plots.draw("group", {"points": [{"group": size, **costs} for size in (2, 4)]}, tmp_path / "group.png")
    assert (tmp_path / "group.png").read_bytes().startswith(b"\x89PNG")


def test_a_curriculum_asks_less_for_what_is_solved():
    visits, prompts = dict.fromkeys(range(32), 0), range(32)

    loader = curriculum.BySuccess(prompts, None, 8)
    loader.arm = "bounds"
    loader.rates = {place: 0.5 if place < 16 else 1.0 for place in prompts}
    for number in range(200):
        for place in loader.prompts_of(0, number):
            visits[place] += 1
    assert sum(visits.values()) == 1600
    assert sum(visits[place] for place in prompts[16:]) < sum(visits[place] for place in prompts[:16]) / 4
