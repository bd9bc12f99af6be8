"""Arguments in words, and objects that are made of them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from peft import LoraConfig

from rlframework.algorithms import DAPO, GRPO
from rlframework.data import GSM8K, PromptDataModule
from rlframework.policies import CausalLMPolicy
from rlframework.rewards import AnswerTemplate, CorrectAnswer, ExactFormat, FunctionReward, optional
from rlframework.rewards.base import RewardModel, RowReward
from rlframework.samplers import GroupSampler, SharedPrefixSampler
from rlframework.terms import KLInReward, KLTerm
from rlframework.testing import letter_rows, tiny_policy
from rlframework.utilities.words import in_words, made_of
from tests.loop.flags_reward import vowels

LORA = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], init_lora_weights="gaussian")


class Steps(RowReward):
    """Has a constructor of its own, which hands on what it does not know."""

    def __init__(self, steps: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.steps = steps

    def score_row(self, completion: Any) -> float:
        return float(len(completion.ids) == self.steps)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (3, int),
        ((0.9, 0.95), tuple[float, float]),
        (ExactFormat(score=1.0, template=AnswerTemplate(start_answer="<A>")), RewardModel),
        (Steps(4, name="four"), RewardModel),
        (2.0 * ExactFormat() + optional(0.5 * FunctionReward(vowels)), RewardModel),
        (ExactFormat() * FunctionReward(vowels), RewardModel),
        ({"accuracy": CorrectAnswer()}, dict[str, RewardModel]),
        (SharedPrefixSampler(4, 8, seed=3), GroupSampler),
        (SharedPrefixSampler(4, 8, seed=3).for_evaluation(), GroupSampler),
        (KLInReward(), KLTerm),
        (LORA, LoraConfig),
    ],
    ids=lambda value: type(value).__name__,
)
def test_words_are_plain_and_make_the_same_again(value: Any, hint: Any) -> None:
    words = in_words(value)
    read = yaml.safe_load(yaml.safe_dump(words))
    assert read == words
    made = made_of(read, hint)
    assert in_words(made) == words
    assert type(made) is type(value) or isinstance(made, list)


def test_what_an_adapter_is_made_of_is_what_was_given() -> None:
    given = {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": "gaussian"}
    assert in_words(LORA) == {"class_path": "peft.LoraConfig", "init_args": given}
    assert made_of(in_words(LORA), LoraConfig | str | None) == LORA


def test_only_what_belongs_there_is_made() -> None:
    words = {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "/tmp/never"]}}
    for hint in (RewardModel, LoraConfig | str | None):
        with pytest.raises(TypeError, match=r"subprocess\.Popen is no .* and is not made"):
            made_of(words, hint)
    with pytest.raises(ImportError, match=r"nowhere\.Reward cannot be imported here"):
        made_of({"class_path": "nowhere.Reward", "init_args": {}}, RewardModel)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_policy().save_pretrained(tmp_path / "model")
    return tmp_path


def dapo(folder: Path, lora: LoraConfig | None = LORA, **options: Any) -> DAPO:
    reward = FunctionReward(vowels) + 0.5 * Steps(2)
    defaults = {"prompts_per_rollout": 4, "learning_rate": 1e-2, "validation": {"short": Steps(1)}}
    policy = CausalLMPolicy(folder / "model", lora=lora)
    return DAPO(policy, reward, SharedPrefixSampler(4, 4), **{**defaults, **options})


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(**{**quiet, "accelerator": "cpu", "max_steps": 2, "default_root_dir": folder, **options})


@pytest.mark.parametrize("lora", [LORA, None], ids=["lora", "whole"])
def test_a_checkpoint_alone_rebuilds_the_run(folder: Path, lora: LoraConfig | None) -> None:
    module = dapo(folder, lora)
    run = trainer(folder)
    run.fit(module, PromptDataModule(letter_rows(16)))
    run.save_checkpoint(folder / "saved.ckpt")
    # Plain values alone, which is all that torch loads by default.
    saved = torch.load(folder / "saved.ckpt", weights_only=True)
    assert len(saved["state_dict"]) == (4 if lora else len(module.policy.state_dict()))
    loaded = DAPO.load_from_checkpoint(folder / "saved.ckpt")
    assert loaded.hparams == module.hparams
    assert (loaded.reward.components()[1].weight, loaded.validation["short"].steps) == (0.5, 1)
    for mine, its in zip(loaded.policy.parameters(), module.policy.parameters(), strict=True):
        assert torch.equal(mine, its)
    with pytest.raises(TypeError, match=r"is of rlframework.DAPO, not rlframework.GRPO: use DAPO.load_from_checkpoint"):
        GRPO.load_from_checkpoint(folder / "saved.ckpt")


def test_another_base_is_refused(folder: Path) -> None:
    run = trainer(folder)
    run.fit(dapo(folder), PromptDataModule(letter_rows(16)))
    run.save_checkpoint(folder / "saved.ckpt")
    tiny_policy(seed=5).save_pretrained(folder / "model")
    with pytest.raises(ValueError, match="trained on another base model"):
        DAPO.load_from_checkpoint(folder / "saved.ckpt")


def test_what_has_no_words_is_asked_for_by_name(folder: Path) -> None:
    reward = FunctionReward(lambda completion: float(len(completion)))
    module = GRPO(tiny_policy(), reward, SharedPrefixSampler(4, 4), prompts_per_rollout=4)
    run = trainer(folder)
    run.fit(module, PromptDataModule(letter_rows(16)))
    run.save_checkpoint(folder / "saved.ckpt")
    message = (
        r"policy.model \(Qwen3ForCausalLM\).*reward.function \(function .*lambda.*load_from_checkpoint\(path, .*=\.\.\."
    )
    with pytest.raises(TypeError, match=message):
        GRPO.load_from_checkpoint(folder / "saved.ckpt")
    loaded = GRPO.load_from_checkpoint(folder / "saved.ckpt", policy=tiny_policy(7), reward=reward)
    assert (loaded.sampler.group_size, loaded.prompts_per_rollout) == (4, 4)
    for mine, its in zip(loaded.policy.parameters(), module.policy.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_settings_are_read_as_the_yaml_of_a_run(folder: Path) -> None:
    jsonargparse = pytest.importorskip("jsonargparse")
    module = dapo(folder, kl=KLInReward(), kl_coefficient=0.1)
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(GRPO, "model")
    words = yaml.safe_load(yaml.safe_dump({"class_path": "rlframework.DAPO", "init_args": dict(module.hparams)}))
    made = parser.instantiate_classes(parser.parse_object({"model": words})).model
    assert made.hparams == module.hparams


def test_a_logger_gets_all_settings_and_those_of_the_data(folder: Path) -> None:
    from pytorch_lightning.loggers import CSVLogger

    logger = CSVLogger(folder)
    data = PromptDataModule(letter_rows(16), validation_batch_size=7)
    trainer(folder, logger=logger).fit(dapo(folder), data)
    said = yaml.safe_load(Path(logger.log_dir, "hparams.yaml").read_text())
    assert said["class_path"] == "rlframework.DAPO"
    assert said["policy"]["init_args"]["lora"]["init_args"]["r"] == 2
    assert said["reward"]["init_args"]["weights"] == {"steps": 0.5}
    assert said["data"]["init_args"]["train"] == {"live": "list of 16"}
    assert said["data"]["init_args"]["validation_batch_size"] == 7


def test_data_modules_say_what_they_read() -> None:
    words = in_words(GSM8K(validation_rows=5, path="somewhere"))
    assert words["class_path"] == "rlframework.data.GSM8K"
    assert (words["init_args"]["path"], words["init_args"]["validation_rows"]) == ("somewhere", 5)
    assert made_of(words, PromptDataModule).validation_rows == 5


def test_a_list_that_holds_itself_is_said_so_and_one_that_stands_twice_is_not() -> None:
    endless: list[Any] = [1]
    endless.append([endless])
    assert in_words(endless) == [1, [{"live": "list that holds itself"}]]
    twice = [1]
    assert in_words([twice, twice]) == [[1], [1]]
