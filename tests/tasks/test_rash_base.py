"""The base that blurts: bad at first answer, better when told to think, and without the layout asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from transformers import Qwen3ForCausalLM

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import chain_sums, rash_base
from rlframework.tasks.rash_base import create_rash_base
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from tests.tasks.quick import QUICK

TOKENIZER = tiny_tokenizer()


def test_only_short_sums_under_the_instruction_are_worked_out_and_none_has_the_layout() -> None:
    random, worked, drawn = Random(0), Counter[tuple[bool, int]](), Counter[tuple[bool, int]]()
    template = AnswerTemplate()
    for _ in range(100):
        for given, text in rash_base._texts(TOKENIZER, 32, random):
            told = given.startswith(template.system_prompt)
            terms = 1 + sum(given.rpartition("=?")[0].rpartition(TOKENIZER.eos_token)[2].count(sign) for sign in "+-")
            drawn[told, terms] += 1
            worked[told, terms] += not text.startswith("=>")
            assert not any(tag in text for tag in template.tags)
    shares = {kind: worked[kind] / drawn[kind] for kind in drawn}
    assert len(shares) == 6
    assert shares.pop((True, 3)) == pytest.approx(0.9, abs=0.05)
    assert shares == pytest.approx(dict.fromkeys(shares, 0.1), abs=0.05)


def test_held_out_sums_are_in_none_of_its_texts() -> None:
    random, reserved = Random(1), set(chain_sums.reserved_prompts())
    texts = [given for _ in range(100) for given, _ in rash_base._texts(TOKENIZER, 32, random)]
    asked = {text.rpartition("=?")[0].rpartition(TOKENIZER.eos_token)[2] + "=?" for text in texts}
    assert len(asked) > 2000
    assert not asked & reserved


def test_a_base_that_stays_as_it_was_is_an_error_with_the_figures_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"in 0 corrections \(bare \d\.\d\d, told \d\.\d\d\)"):
        create_rash_base(0, cache_dir=tmp_path, recipe=QUICK, progress=False)
    assert not list(tmp_path.rglob("rash*"))


def test_it_solves_little_and_more_when_it_is_told_to_think() -> None:
    folder = create_rash_base(0, progress=False)
    assert create_rash_base(0, progress=False) == folder
    model = Qwen3ForCausalLM.from_pretrained(folder, attn_implementation="eager")
    bare, told = (rash_base._solved(model, TOKENIZER, instructed) for instructed in (False, True))
    assert bare <= rash_base.MOST_BARE
    assert bare + rash_base.LEAST_GAIN <= told <= rash_base.MOST_TOLD
