"""What every sentinel does: it counts, warns once, stops the run, and goes on counting in a resumed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import Sentinel, Sentinels
from tests.callbacks.sentinels.provoked import said
from tests.drawn import drawn


class Every(Sentinel):
    """Finds something in chosen rollouts, and writes down what it was shown."""

    needs = ("rows",)
    causes, way_out = "it was told to", "nothing"

    def __init__(self, found: Any = range(1000), **options: Any) -> None:
        super().__init__(**options)
        self.found = found
        self.seen: list[dict[str, float]] = []

    def measure(self, tally, record) -> None:
        tally.sum("rows", torch.tensor(float(len(record.completions))))

    def look(self, figures: dict[str, float]) -> str | None:
        self.seen.append(figures)
        self.memory["looks"] = self.memory.get("looks", 0) + 1
        return f"look {self.memory['looks']}" if self.memory["looks"] in self.found else None


def test_it_sees_the_figures_of_the_rollouts_first_step(grpo: Callable, fit: Callable) -> None:
    sentinel = Every()
    fit(grpo(passes_per_rollout=2, minibatches_per_rollout=2), callbacks=[sentinel], accumulate_grad_batches=2)
    assert len(sentinel.seen) == 4
    assert {figures["rows"] for figures in sentinel.seen} == {16.0}
    assert all(figures.keys() >= {"train/truncated", "train/entropy", "train/grad_norm"} for figures in sentinel.seen)


def test_a_figure_that_never_comes_is_said_at_the_end(grpo: Callable, fit: Callable) -> None:
    """A misspelt one, above all: the sentinel would be silent for ever."""
    sentinel = type("Misspelt", (Every,), {"needs": ("train/entropi",)})()
    with pytest.warns(
        UserWarning, match="Misspelt has looked at nothing: it needs 'train/entropi'.* had 'train/entropy'"
    ):
        fit(grpo(), callbacks=[sentinel])
    assert sentinel.seen == []


@pytest.mark.parametrize(
    ("found", "patience", "lines"),
    [
        (range(100), 1, ["Every, since step 1: look 1"]),
        (range(100), 3, ["Every, since step 1: look 3"]),
        ({2, 3, 6, 7}, 2, ["Every, since step 2: look 3", "Every, since step 6: look 7"]),
        ({1, 3, 5}, 2, []),
    ],
)
def test_it_warns_once_when_it_has_lasted_and_again_when_it_comes_back(
    found: Any, patience: int, lines: list[str], grpo: Callable, fit: Callable
) -> None:
    sentinel = Every(found, patience=patience)
    heard = said(sentinel, lambda: fit(grpo(), prompts=32, callbacks=[sentinel]))
    assert heard == [f"{line}. Usual causes: it was told to. What to do: nothing." for line in lines]


def test_stopping_ends_the_run_after_the_step(grpo: Callable, fit: Callable, tmp_path: Path) -> None:
    sentinel, saver = (
        Every({3}, action="stop"),
        ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1),
    )
    algorithm = grpo()
    (line,) = said(
        sentinel,
        lambda: fit(algorithm, prompts=32, callbacks=[saver, sentinel], enable_checkpointing=True, max_epochs=3),
    )
    assert "The run stops here" in line
    assert algorithm.trainer.global_step == 3
    assert (tmp_path / "step=3.ckpt").exists()


@pytest.mark.parametrize(
    ("step", "together"),
    drawn(
        {
            f"{step}-{name}": (step, together)
            for step in (1, 3, 4)
            for name, together in {"alone": False, "together": True}.items()
        },
        {"1-alone", "3-alone", "3-together"},
    ),
)
def test_a_resumed_run_goes_on_counting(
    step: int, together: bool, grpo: Callable, fit: Callable, tmp_path: Path
) -> None:
    """Step 3 lies inside a rollout of two steps."""

    def run(sentinel: Every, **options: Any) -> list[str]:
        algorithm, callbacks = grpo(passes_per_rollout=2), [Sentinels([sentinel]) if together else sentinel]
        return said(sentinel, lambda: fit(algorithm, callbacks=callbacks + options.pop("more", []), **options))

    whole, resumed = Every({2, 3, 4}, patience=3), Every({2, 3, 4}, patience=3)
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    expected = run(whole, more=[saver], enable_checkpointing=True)
    assert expected == ["Every, since step 3: look 4. Usual causes: it was told to. What to do: nothing."]
    assert run(resumed, ckpt_path=str(tmp_path / f"step={step}.ckpt")) == expected
    assert resumed.state_dict() == whole.state_dict()


def test_a_validation_is_looked_at_and_the_trial_before_the_run_is_not(grpo: Callable, fit: Callable) -> None:
    class Held(Every):
        needs = ("val/accuracy",)

    sentinel = Held()
    fit(grpo(), held_out=4, callbacks=[sentinel], num_sanity_val_steps=1, val_check_interval=2)
    assert [figures.keys() for figures in sentinel.seen] == [{"val/accuracy", "val/reward"}] * 2


def test_a_figure_that_is_nan_is_no_news() -> None:
    sentinel = Every()
    sentinel.observe(None, {"rows": float("nan")})
    assert not sentinel.seen


@pytest.mark.parametrize(("options", "says"), [({"action": "halt"}, "'halt'"), ({"patience": 0}, "patience=0")])
def test_wrong_arguments_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Every(**options)
