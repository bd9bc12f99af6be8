"""Making the base: gated, cached, deterministic, and without touching the caller's random numbers."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3ForCausalLM

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import BasePaths, BaseRecipe, chain_sums, create_base
from rlframework.tasks.tiny import base as tiny_base
from rlframework.tasks.tiny.task import CARELESS, Care, Row
from tests.tasks.quick import QUICK


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BasePaths]:
    cache = tmp_path_factory.mktemp("cache")
    return cache, create_base(0, cache_dir=cache, recipe=QUICK, progress=False)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def _folders(cache: Path) -> list[Path]:
    return [path for path in (cache / "chain_sums").glob("*") if path.suffix != ".lock"]


def test_both_models_load_with_their_tokenizer(made: tuple[Path, BasePaths]) -> None:
    for folder in made[1]:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert model.config.vocab_size == len(tokenizer)
        assert tokenizer.chat_template
        assert model.config.eos_token_id == tokenizer.eos_token_id


def test_priming_changes_the_model(made: tuple[Path, BasePaths]) -> None:
    base, primed = (_weights(folder) for folder in made[1])
    assert any(not torch.equal(base[name], primed[name]) for name in base)


def test_the_second_call_reads_the_cache(made: tuple[Path, BasePaths], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(tiny_base, "_pretrained", refuse)
    assert create_base(0, cache_dir=made[0], recipe=QUICK, progress=False) == made[1]


def test_seed_and_recipe_have_folders_of_their_own(
    made: tuple[Path, BasePaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(tiny_base, "rank_zero_info", said.append)
    other = create_base(1, cache_dir=made[0], recipe=QUICK)
    assert [line.partition(":")[0] for line in said] == ["Making the base of seed 1"]  # no terminal shows a bar here
    third = create_base(0, cache_dir=made[0], recipe=replace(QUICK, priming_steps=3), progress=False)
    assert len({made[1].base, other.base, third.base}) == 3


def test_one_seed_gives_one_model(made: tuple[Path, BasePaths], tmp_path: Path) -> None:
    again = create_base(0, cache_dir=tmp_path, recipe=QUICK, progress=False)
    for first, second in zip(made[1], again, strict=True):
        a, b = _weights(first), _weights(second)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_callers_random_numbers_are_undisturbed(tmp_path: Path) -> None:
    torch.manual_seed(5)
    random.seed(5)
    before = torch.get_rng_state(), random.getstate()
    create_base(0, cache_dir=tmp_path, recipe=QUICK, progress=False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_incompetence_is_an_error_that_names_the_loss_and_leaves_nothing(tmp_path: Path) -> None:
    hopeless = replace(QUICK, understood_loss=0.0, attempts=2)
    with pytest.raises(RuntimeError, match=r"reached a loss of \d+\.\d+, \d+\.\d+ in 12 steps each"):
        create_base(0, cache_dir=tmp_path, recipe=hopeless, progress=False)
    assert _folders(tmp_path) == []


def test_a_primed_model_that_never_succeeds_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"in 0 corrections \(greedy \d\.\d\d, worked \d\.\d\d\)"):
        create_base(0, cache_dir=tmp_path, recipe=replace(QUICK, least_worked=1.0), progress=False)
    assert _folders(tmp_path) == []


@pytest.mark.parametrize(
    ("closed", "opens"),
    [((0.5, 0.9), {"slips": 0.0, "blurted": 0.85, "right": 0.0}), ((0.1, 0.3), {"slips": 0.0})],
    ids=["answers too well", "works too badly"],
)
def test_a_closed_gate_is_opened_by_other_demonstrations(
    closed: tuple[float, float], opens: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, asked = iter([closed, (0.1, 0.9)]), []
    draw = tiny_base.demonstrations
    monkeypatch.setattr(tiny_base, "gate", lambda *_: next(figures))
    monkeypatch.setattr(tiny_base, "demonstrations", lambda *given: asked.append(given[-1]) or draw(*given))
    gates = {"most_greedy": 0.27, "least_worked": 0.7, "corrections": 1, "correction_steps": 3}
    create_base(0, cache_dir=tmp_path, recipe=replace(QUICK, **gates), progress=False)
    assert asked == [CARELESS] * QUICK.priming_steps + [CARELESS._replace(**opens)] * 3


class PrimedWith:
    """The chain sums, whose demonstrations are at first of another care than they should be."""

    def __init__(self, care: Care) -> None:
        self.care = care

    def __getattr__(self, name: str) -> Any:
        return getattr(chain_sums, name)

    def sloppy_demonstration(self, row: Row, random: random.Random, template: AnswerTemplate, care: Care) -> str:
        return chain_sums.sloppy_demonstration(row, random, template, self.care if care == CARELESS else care)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("care", "closed"),
    [(Care(blurted=0.0, slips=0.0), "greedy"), (Care(slips=0.6), "worked")],
    ids=["works it all out", "slips at every other step"],
)
def test_a_base_that_is_primed_too_well_or_too_badly_is_corrected(
    care: Care, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    gate = tiny_base.gate
    monkeypatch.setattr(tiny_base, "gate", lambda *given: measured.append(gate(*given)) or measured[-1])
    recipe, base = BaseRecipe(priming_steps=100, corrections=6), create_base(0, progress=False).base
    model = Qwen3ForCausalLM.from_pretrained(base, attn_implementation="eager")
    task: Any = PrimedWith(care)
    tiny_base._primed(model, 0, task, recipe, AutoTokenizer.from_pretrained(base), tiny_base.progress_bars(False))
    too_well, too_badly = measured[0][0] > recipe.most_greedy, measured[0][1] < recipe.least_worked
    assert too_well if closed == "greedy" else too_badly
    assert measured[-1][0] <= recipe.most_greedy
    assert measured[-1][1] >= recipe.least_worked


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert create_base(0, recipe=QUICK, progress=False).base.is_relative_to(tmp_path / "rlframework" / "chain_sums")


def test_held_out_problems_are_never_trained_on() -> None:
    from rlframework.tasks import tiny_training

    rows = tiny_training.fresh_rows(chain_sums, 3000, random.Random(0))
    assert not {row["prompt"] for row in rows} & set(chain_sums.reserved_prompts())
