"""``rlframework plan``: a recipe or options in, a plan out; what does not fit has ways that fit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from rlframework.cli.plan import main
from rlframework.functional.memory import DecoderSizes
from rlframework.loop.memory import sizes_of_config
from rlframework.report.plan import DEVICES, GIB, Assumed, PlannedRun, best_pace, ways_to_fit

ROOT = Path(__file__).parents[2]
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
}
SIZES = DecoderSizes(36, 2560, 9728, 4096, 1024, 151_936, element=4, trained=4_022_272_000)
RUN = PlannedRun(SIZES, prompts=64, group=8, prompt_tokens=256, max_tokens=512, mean_tokens=256, trainers=8)


@pytest.fixture
def model(tmp_path: Path) -> str:
    Qwen3Config(**SMALL).save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", [LlamaConfig, Qwen2Config, Qwen3Config])
def test_weights_are_counted_from_the_configuration(kind: Any, tied: bool) -> None:
    config = kind(**SMALL, tie_word_embeddings=tied)
    options = {"weight_element": 4, "trained_element": 4, "adapter": False, "checkpointing": False}
    sizes = sizes_of_config(config, precision="32-true", trained=None, **options)
    real = sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
    assert sizes is not None
    assert sizes.weights == pytest.approx(real, rel=0.02)  # norms and biases are left out


def test_a_recipe_is_read_as_fit_reads_it(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(ROOT / "recipes" / "qwen3_math.yaml")
    assert main(["-c", recipe, "--model", model, "--device", "H200", "--model.prompts_per_rollout", "16"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "16 prompts x 8 completions of at most 3072 tokens" in said
    assert "rank 16" in said  # the adapter of the file is not here, and that is said


def test_what_does_not_fit_ends_with_status_1_and_ways(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--memory", "0.1", "--bandwidth", "1", "--peak", "100"]
    assert main(["--model", model, "--prompts", "16", "--max-tokens", "512", *own]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "It does not fit" in said
    assert "1. minibatches_per_rollout=" in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--device", "H200"], "give --model"),
        (["--device", "H201", "--model", "MODEL"], "name one of B200, H200"),
        (["--device", "H200", "--model", "no/where"], "no configuration of no/where"),
        (["--device", "H200", "--devices", "3", "--model", "MODEL"], "8 prompts of a rollout cannot be dealt to 3"),
        (["--device", "H200", "--model", "MODEL", "--grup-size", "3"], "no such option: --grup-size"),
    ],
)
def test_what_cannot_be_planned(model: str, options: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([model if word == "MODEL" else word for word in options])
    assert end.value.code == 2
    assert why in capsys.readouterr().err


def test_every_way_fits_and_none_has_a_change_too_many() -> None:
    room = 0.9 * 79 * GIB
    assert RUN.peak() > room
    ways = ways_to_fit(RUN, room)
    assert len(ways) == 3
    assert all(way.run.peak() <= room for way in ways)
    assert [len(way.changes) for way in ways] == sorted(len(way.changes) for way in ways)


def test_shards_divide_weights_gradients_and_optimizer_state() -> None:
    whole, parts = RUN.moments()["optimizer step"], replace(RUN, sharded=True).moments()["optimizer step"]
    for name in ("weights", "gradients", "optimizer state"):
        assert parts[name] == pytest.approx(whole[name] / 8)


def test_rollouts_ahead_cost_less_and_two_are_for_adapters() -> None:
    whole = best_pace(RUN, 8, DEVICES["H200"], Assumed())
    adapter = best_pace(replace(RUN, sizes=replace(SIZES, adapter=True, trained=10**7)), 8, DEVICES["H200"], Assumed())
    assert whole is not None
    assert adapter is not None
    assert whole.ahead[2] is None
    assert whole.ahead[1] is not None
    assert adapter.ahead[2] is not None
    assert whole.ahead[1] < whole.ahead[0]
    assert adapter.ahead[2] <= adapter.ahead[1]  # type: ignore[operator]


def test_the_page_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "plan.md").read_text()
    block, shown = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL).groups()  # type: ignore[union-attr]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "plan.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [line.rstrip() for line in shown.splitlines()]
