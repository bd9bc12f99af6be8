"""The data module: what it takes, when it tokenises, and how validation is shared out over ranks."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from datasets import Dataset
from jsonargparse import ArgumentParser
from tokenizers.normalizers import Replace, Sequence

from rlframework import GRPO, BatchedSampler, PromptDataModule
from rlframework.data import LocalFile, after_hashes, math_gold
from rlframework.loop.loader import RolloutLoader
from rlframework.loop.prompt_batches import PromptBatches
from rlframework.rewards import RowReward
from rlframework.testing import letter_prompts, letter_rows, letter_tokenizer, tiny_policy


class FirstLetter(RowReward):
    def score_row(self, completion) -> float:
        return float(completion.text[:1] == completion.prompt.column("answer"))


class Seen(FirstLetter):
    """Remembers the rows that it judged."""

    def __init__(self) -> None:
        super().__init__()
        self.indices: list[int] = []

    def score_row(self, completion) -> float:
        self.indices.append(completion.prompt.index)
        return super().score_row(completion)


def trainer(**options) -> pl.Trainer:
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(accelerator="cpu", logger=False, **quiet, **options)


def algorithm(reward: RowReward | None = None) -> GRPO:
    sampler = BatchedSampler(group_size=2, max_tokens=3)
    return GRPO(tiny_policy(), reward or FirstLetter(), sampler, prompts_per_rollout=2, schedule="constant")


@pytest.mark.parametrize("rows", [letter_rows(5), Dataset.from_list(letter_rows(5))], ids=["list", "data set"])
def test_both_splits_are_tokenised_for_a_fit(rows: Any) -> None:
    data = PromptDataModule(rows, letter_rows(3))
    trainer(max_steps=1).fit(algorithm(), data)
    assert data.prompts == {"train": letter_prompts(5), "validation": letter_prompts(3)}
    loader = data.train_dataloader()
    assert isinstance(loader, RolloutLoader)
    assert len(loader) == 2  # five prompts, two to a rollout


def test_validation_alone_tokenises_no_training_prompts() -> None:
    data = PromptDataModule(letter_rows(5), letter_rows(3))
    trainer().validate(algorithm(), data, verbose=False)
    assert set(data.prompts) == {"validation"}


def test_every_held_out_prompt_is_validated_once() -> None:
    reward = Seen()
    data = PromptDataModule(letter_rows(2), letter_rows(7), validation_batch_size=3)
    trainer().validate(algorithm(reward), data, verbose=False)
    assert reward.indices == [0, 1, 2, 3, 4, 5, 6]


def test_tokenize_serves_a_script_without_a_run() -> None:
    data = PromptDataModule(letter_rows(5), letter_rows(3))
    assert data.tokenize("validation", letter_tokenizer()) == letter_prompts(3)
    assert data.prompts == {}


def test_a_split_that_there_is_not_is_told_from_those_there_are() -> None:
    data = PromptDataModule(letter_rows(2), letter_rows(2))
    with pytest.raises(KeyError, match="no 'heldout' split, only 'train' and 'validation'"):
        data.tokenize("heldout", letter_tokenizer())


def test_settings_reach_the_tokenisation() -> None:
    rows = [{"question": text} for text in ("ab", "abcde", "c")]
    tokenizer = letter_tokenizer()
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] + '0' }}{% endfor %}"
    options = {"prompt_column": "question", "system_prompt": "z", "max_prompt_tokens": 6, "too_long": "drop"}
    with pytest.warns(UserWarning, match="1 of 3 prompts are longer than max_prompt_tokens=6"):
        prompts = PromptDataModule(rows, **options).tokenize("train", tokenizer)
    assert [(prompt.text, prompt.index) for prompt in prompts] == [("z0ab0", 0), ("z0c0", 2)]


@pytest.mark.parametrize("empty", [[], Dataset.from_list([])])
def test_an_empty_data_set_is_refused_at_once(empty: Any) -> None:
    with pytest.raises(ValueError, match="the train data set is empty"):
        PromptDataModule(empty)
    with pytest.raises(ValueError, match="the validation data set is empty"):
        PromptDataModule(letter_rows(2), empty)


def test_a_wrong_choice_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"too_long='truncate': choose one of \('refuse', 'drop'\)"):
        PromptDataModule(letter_rows(2), too_long="truncate")


@pytest.mark.parametrize("examples", [["7 + 1?"], [("q", "a", "b")], ["qa"]])
def test_an_example_that_is_no_pair_is_refused_at_once(examples: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"a question and its answer|pass \(str, str\)"):
        PromptDataModule([{"prompt": "a"}], examples=examples)


def test_the_quantile_thins_out_training_and_no_held_out_set() -> None:
    rows = [{"prompt": "a" * length} for length in (1, 2, 3, 4, 20)]
    data = PromptDataModule(rows, rows, max_prompt_quantile=0.8)
    assert len(data.tokenize("train", letter_tokenizer())) == 4
    assert len(data.tokenize("validation", letter_tokenizer())) == 5


@pytest.mark.parametrize("quantile", [0.0, 1.1, 90.0])
def test_a_quantile_that_is_none_is_refused_at_once(quantile: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]; 0.9 keeps 90 percent"):
        PromptDataModule(letter_rows(2), max_prompt_quantile=quantile)


def test_golds_that_cannot_be_checked_stay_out_of_a_run() -> None:
    data = PromptDataModule(letter_rows(5), letter_rows(3), verifiable=lambda gold: gold != "b")
    with pytest.warns(UserWarning, match=r"1 of 5 train rows \(20.0%\).*row 1: 'b'"):
        trainer(max_steps=1).fit(algorithm(), data)
    answers = {split: [prompt.row["answer"] for prompt in prompts] for split, prompts in data.prompts.items()}
    assert answers == {"train": ["a", "c", "d", "e"], "validation": ["a", "c"]}


def test_a_yaml_file_can_name_any_of_them(tmp_path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"question": "ab", "answer": "1"}\n')
    config = {
        "class_path": "LocalFile",
        "init_args": {
            "path": str(tmp_path / "sums.jsonl"),
            "prompt": "question",
            "splitter": "rlframework.data.after_hashes",
            "heldout_share": 0.5,
            "template": {"class_path": "rlframework.rewards.AnswerTemplate", "init_args": {"end_working": "</w>"}},
            "max_prompt_quantile": 0.9,
        },
    }
    parser = ArgumentParser()
    parser.add_subclass_arguments(PromptDataModule, "data")
    data = parser.instantiate_classes(parser.parse_object({"data": config})).data
    assert isinstance(data, LocalFile)
    assert (data.max_prompt_quantile, data.heldout_share, data.columns.splitter) == (0.9, 0.5, after_hashes)
    for name in ("GSM8K", "MATH", "DAPOMath", "OpenR1Math"):
        parsed = parser.parse_object({"data": {"class_path": name, "init_args": {"validation_rows": 7}}})
        assert parser.instantiate_classes(parsed).data.verifiable is math_gold
    gym = {"class_path": "ReasoningGymPrompts", "init_args": {"tasks": {"gcd": 1.0, "lcm": 2.0}, "epoch_length": 9}}
    data = parser.instantiate_classes(parser.parse_object({"data": gym})).data
    assert len(data.rows("train")) == 9


def test_it_needs_a_run() -> None:
    data = PromptDataModule(letter_rows(2))
    with pytest.raises(RuntimeError, match=r"pass the datamodule to trainer\.fit or \.validate"):
        data.setup("fit")


def test_it_feeds_policy_gradients_only() -> None:
    with pytest.raises(TypeError, match="feeds an algorithm of rlframework, not Regression"):
        trainer(max_steps=1).fit(Regression(), PromptDataModule(letter_rows(2)))


class Regression(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize(
    ("count", "batch_size", "replicas", "sizes"),
    [
        (7, 3, 1, [[3, 3, 1]]),
        (6, 3, 1, [[3, 3]]),
        (7, 2, 2, [[2, 2], [2, 1]]),  # 4 and 3 prompts
        (5, 2, 2, [[2, 1], [2, 0]]),  # 3 and 2 prompts: the last batch of rank 1 is empty
        (2, 4, 3, [[1], [1], [0]]),
        (10, 2, 4, [[2, 1], [2, 1], [2, 0], [2, 0]]),
    ],
)
def test_batches_over_ranks(count: int, batch_size: int, replicas: int, sizes: list[list[int]]) -> None:
    prompts = letter_prompts(count)
    ranks = [PromptBatches(prompts, batch_size, rank, replicas) for rank in range(replicas)]
    assert [[len(batch) for batch in batches] for batches in ranks] == sizes
    # All ranks step together, and every prompt is somewhere, once.
    assert [len(batches) for batches in ranks] == [len(sizes[0])] * replicas
    indices = [prompt.index for batches in ranks for batch in batches for prompt in batch]
    assert sorted(indices) == list(range(count))


def test_batches_can_be_read_again() -> None:
    batches = PromptBatches(letter_prompts(3), 2)
    assert [batch.to("cpu") for batch in batches] == [batch.to("cpu") for batch in batches]


def test_a_second_policy_gets_prompts_of_its_own_tokenizer() -> None:
    data, other = PromptDataModule(letter_rows(2)), algorithm()
    trainer(max_steps=1).fit(algorithm(), data)
    ids = other.policy.tokenizer(data.prompts["train"][0].text)["input_ids"]
    other.policy.tokenizer = shifted_tokenizer()
    trainer(max_steps=1).fit(other, data)
    assert other.policy.tokenizer(data.prompts["train"][0].text)["input_ids"] != ids
    assert data.prompts["train"] == data.tokenize("train", other.policy.tokenizer)


def shifted_tokenizer():
    """Return a tokenizer that reads every letter as the next."""
    tokenizer = letter_tokenizer()
    letters = "abcdefgh"
    steps = [Replace(letter, chr(ord(letter) + 1)) for letter in reversed(letters)]
    tokenizer.backend_tokenizer.normalizer = Sequence(steps)
    return tokenizer
