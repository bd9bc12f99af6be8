"""The real model's benchmark compares like with like: prompts, text, steps and tokens are those of the other side."""

from dataclasses import replace

import pytest
import real
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from rlframework.tasks.smollm2 import create_smollm2


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The tokenizer and chat template of the real model, over a body that costs nothing."""
    folder = tmp_path_factory.mktemp("small")
    tokenizer = AutoTokenizer.from_pretrained(create_smollm2())
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def results(small):
    names = ("base", "TRL bfloat16", "here bfloat16")
    sides = {name: replace(real.SIDES[name], steps=2 * (name != "base")) for name in names}
    return real.alternate(sides, small, rows=8, threads=1)


@pytest.mark.real
def test_both_sides_ask_the_same_prompts_in_the_same_order(results):
    asked = [figures["asked"] for name, figures in results.items() if name != "base"]
    assert all(prompts == asked[0] for prompts in asked)
    assert len(asked[0]) == 2
    assert len({place for step in asked[0] for place in step}) == 2 * real.PROMPTS


@pytest.mark.real
def test_trl_makes_the_same_ids_of_a_prompt(small):
    tokenizer = AutoTokenizer.from_pretrained(small)
    for prompt in real.problems(2).tokenize("train", tokenizer):
        assert tokenizer(prompt.text)["input_ids"] == prompt.ids


@pytest.mark.real
def test_every_step_has_its_figures(results, small):
    for name, figures in results.items():
        if name != "base":
            assert {len(figures[part]) for part in ("step", "step_cpu", "tokens", "completion_tokens")} == {2}
            assert all(value > 0 for value in figures["step_cpu"])
    tokenizer = AutoTokenizer.from_pretrained(small)
    longest = max(len(prompt.ids) for prompt in real.problems(2).tokenize("train", tokenizer)) + real.MAX_TOKENS
    rows = real.PROMPTS * real.GROUP
    # The parts of a step count as one step.
    assert all(rows * (longest - 20) < read <= rows * longest for read in results["TRL bfloat16"]["tokens"])
    assert {figures["held_out"]["n"] for figures in results.values()} == {real.N_HELDOUT}


@pytest.mark.real
def test_a_side_that_dies_is_named(small):
    dead = {"here float32": replace(real.SIDES["here float32"], dtype="no dtype")}
    with pytest.raises(RuntimeError, match="here float32 ended with status 1"):
        real.alternate(dead, small, rows=8, threads=1)


def figures_of(cpu, accuracy):
    held_out = {"n": 64, "accuracy": accuracy, "interval": (0.5, 0.7)}
    per_step = {"step_cpu": [9.0, cpu, cpu], "completion_tokens": [1, 500, 500], "tokens": [1, 900, 900]}
    return {**per_step, "peak_mib": [100.0], "held_out": held_out}


@pytest.mark.parametrize(("cpu", "accuracy", "verdicts"), [(50.0, 0.5, ["met", "met"]), (49.0, 0.4, ["MISSED"] * 2)])
def test_the_table_marks_what_was_missed(cpu, accuracy, verdicts):
    lines = real.table({"TRL bfloat16": figures_of(cpu, 0.6), "here bfloat16": figures_of(10.0, accuracy)}).splitlines()
    step, memory, equal = lines[-3:]
    assert [step.split()[-1], equal.split()[-1]] == verdicts
    assert memory.endswith("MISSED")
    assert "20.0 ms" in next(line for line in lines if line.startswith("here bfloat16"))
