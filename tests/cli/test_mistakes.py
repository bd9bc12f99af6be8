"""Mistakes in a YAML file or an option, as somebody makes them: what is said is short and holds the way out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from rlframework.cli.commands import main
from rlframework.testing import tiny_policy
from tests.drawn import drawn

# Words of the parser's search, of its objects and of Python's: none of them is about what was written.
INTERNALS = ("Union subtypes", "Namespace(", "Given value", "Traceback", "<class", "usage:", "jsonargparse")
LINES, CHARACTERS = 5, 500

RECIPE = """\
seed_everything: 0
model:
  class_path: rlframework.GRPO
  init_args:
    policy:
      class_path: rlframework.CausalLMPolicy
      init_args: {model: tiny}
    reward:
      class_path: rlframework.rewards.WeightedSum
      init_args:
        rewards: {right: rlframework.rewards.CorrectAnswer, format: rlframework.rewards.ExactFormat}
        weights: {format: 0.5}
    sampler:
      class_path: rlframework.SharedPrefixSampler
      init_args: {group_size: 4, max_tokens: 8}
    prompts_per_rollout: 4
    learning_rate: 5e-4
data:
  class_path: rlframework.data.LocalFile
  init_args: {path: mine.csv, prompt: question, heldout_share: 0.2, structured: false, verifiable: null}
trainer: {accelerator: cpu, max_steps: 1, logger: false, enable_checkpointing: false, enable_progress_bar: false}
"""


class Mistake(NamedTuple):
    """A value that is put somewhere, or taken away (...), and what has to be said: the place, and the way out."""

    path: str
    value: Any
    says: tuple[str, ...]


MODEL, POLICY, SAMPLER = "model/init_args/", "model/init_args/policy/init_args/", "model/init_args/sampler/init_args/"
REWARD, DATA = "model/init_args/reward", "data/init_args/"
RIGHT = f"{REWARD}/init_args/rewards/right"
IN_FILE = {
    "unknown argument": Mistake(f"{MODEL}clip_lo", 0.1, ("model.init_args.clip_lo", "did you mean clip_low?")),
    "name of TRL": Mistake(f"{MODEL}beta", 0.1, ("model.init_args.beta", "here it is kl_coefficient")),
    "of the policy": Mistake(f"{POLICY}modle", "x", ("policy.init_args.modle", "did you mean model?")),
    "of the sampler": Mistake(f"{SAMPLER}max_token", 8, ("sampler.init_args.max_token", "did you mean max_tokens?")),
    "of the data": Mistake(f"{DATA}heldout", 0.1, ("data.init_args.heldout", "did you mean heldout_share?")),
    "of the Trainer": Mistake("trainer/max_step", 3, ("trainer.max_step", "did you mean max_steps?")),
    "of LoRA": Mistake(
        f"{POLICY}lora",
        {"class_path": "peft.LoraConfig", "init_args": {"lora_alfa": 4}},
        ("lora.init_args.lora_alfa", "did you mean lora_alpha?"),
    ),
    "of a template": Mistake(
        f"{DATA}template", {"start_workin": "<t>"}, ("start_workin", "did you mean start_working?")
    ),
    "section": Mistake("trainr", {"max_steps": 3}, ("trainr", "did you mean trainer?")),
    "not in its section": Mistake("max_steps", 3, ("max_steps", "belongs under trainer:")),
    "beside init_args": Mistake("model/clip_low", 0.1, ("model.clip_low", "belongs under init_args:")),
    "text for a number": Mistake(
        f"{MODEL}prompts_per_rollout", "many", ("'many'", "where int belongs", "pass a number")
    ),
    "text for a float": Mistake(f"{MODEL}learning_rate", "fast", ("'fast'", "where float belongs")),
    "text, nested": Mistake(f"{SAMPLER}group_size", "four", ("sampler.init_args.group_size", "'four'")),
    "text in the Trainer": Mistake("trainer/max_steps", "x", ("trainer.max_steps", "where int belongs")),
    "one of two": Mistake(f"{MODEL}betas", [0.9], ("model.init_args.betas", "(float, float)")),
    "none of the words": Mistake(f"{DATA}too_long", "droop", ("refuse, drop", "did you mean drop?")),
    "precision": Mistake("trainer/precision", "bf16-mix", ("trainer.precision", "did you mean bf16-mixed?")),
    "class": Mistake("model/class_path", "rlframework.GRPOO", ("did you mean rlframework.GRPO?",)),
    "class of a reward": Mistake(
        RIGHT, "rlframework.rewards.CorectAnswer", ("rewards.right", "rewards.CorrectAnswer?")
    ),
    "module": Mistake(RIGHT, "rlframwork.rewards.CorrectAnswer", ("did you mean rlframework.rewards.CorrectAnswer?",)),
    "module of nobody": Mistake(REWARD, "mine_too.Judge", ("there is no module mine_too", "nor in")),
    "class of another kind": Mistake(REWARD, "rlframework.SharedPrefixSampler", ("is no RewardModel; there are",)),
    "function for a reward": Mistake(
        REWARD, "mine.judge", ("is a function", "FunctionReward", "{function: mine.judge}")
    ),
    "rewards without their sum": Mistake(REWARD, {"right": "CorrectAnswer"}, ("which RewardModel?", "WeightedSum")),
    "module that raises": Mistake(REWARD, "broken.Judge", ("importing broken raises ZeroDivisionError",)),
    "class of a logger": Mistake(
        "trainer/logger", "pytorch_lightning.loggers.CSVLoger", ("trainer.logger", "loggers.CSVLogger?")
    ),
    "class of a callback": Mistake(
        "trainer/callbacks",
        [{"class_path": "rlframework.SavePolicyy"}],
        ("trainer.callbacks[0]", "did you mean rlframework.SavePolicy?"),
    ),
    "of a callback": Mistake(
        "trainer/callbacks",
        [{"class_path": "rlframework.SavePolicy", "init_args": {"foldr": "x"}}],
        ("trainer.callbacks[0].init_args.foldr", "did you mean folder?"),
    ),
    "function": Mistake(
        f"{DATA}splitter", "rlframework.data.after_hash", ("did you mean rlframework.data.after_hashes?",)
    ),
    "no policy": Mistake(f"{MODEL}policy", ..., ("line 3, model", "GRPO lacks policy")),
    "no budget": Mistake(
        f"{SAMPLER}max_tokens", ..., ("model.init_args.sampler", "SharedPrefixSampler lacks max_tokens")
    ),
    "no data": Mistake("data", ..., ("there is no data: it names a PromptDataModule by class_path:",)),
    "learning rate below 0": Mistake(f"{MODEL}learning_rate", -1.0, ("model.init_args.learning_rate", "at least 0")),
    "empty groups": Mistake(f"{SAMPLER}group_size", 0, ("sampler.init_args.group_size", "must be at least 1, got 0")),
    "weight of nothing": Mistake(
        f"{REWARD}/init_args/weights", {"formt": 1}, ("init_args.weights", "['right', 'format']")
    ),
    "no file": Mistake(f"{DATA}path", "mien.csv", ("data.init_args.path", "there is no file mien.csv")),
    "no model": Mistake(f"{POLICY}model", "tinny", ("policy.init_args.model", "there is no folder tinny")),
    "no column": Mistake(f"{DATA}prompt", "quest", ("no column 'quest'", "question, answer")),
    "no accelerator": Mistake("trainer/accelerator", "cpuu", ("trainer.accelerator", "'cpuu'", "cpu")),
    "accumulation": Mistake(
        "trainer/accumulate_grad_batches", 3, ("minibatches_per_rollout=1", "accumulate_grad_batches=3")
    ),
}
OPTIONS = {
    "--model.lr=1": ("model.init_args.lr", "here it is learning_rate"),
    "--modle GRPO": ("modle", "did you mean model?"),
    "--model.learning_rate fast": ("model.init_args.learning_rate", "where float belongs"),
    "--model.sampler.group_sizes 3": ("sampler.init_args.group_sizes", "did you mean group_size?"),
    "--model.sampler SharedPrefxSampler": ("model.init_args.sampler", "SharedPrefixSampler?"),
    "--trainer.max_stepz 3": ("trainer.max_stepz", "did you mean max_steps?"),
    "max_steps=3": ("unrecognized arguments: max_steps=3",),
    "-c nowhere.yaml": ("--config nowhere.yaml: there is no such file",),
    "-c": ("-c names no file",),
    "--ckpt_path nowhere.ckpt": ("nowhere.ckpt",),
}
FILES = {
    "model: {a: 1": ("wrong.yaml, line ", "this is no YAML"),
    "model: GRPO\nmodel: SFT\n": ("wrong.yaml, line 2", "'model' stands in line 1 already"),
    "- model\n": ("wrong.yaml, line 1", "expected 'model:'"),
}


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("mistakes")
    tiny_policy().save_pretrained(folder / "tiny")
    (folder / "mine.csv").write_text("question,answer\n" + "".join(f"a{letter},b\n" for letter in "bcdefghijklmnop"))
    (folder / "mine.py").write_text("def judge(completion, answer):\n    return 1.0\n")
    (folder / "broken.py").write_text("1 / 0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def refuse(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["fit", *arguments])
        assert stopped.value.code == 2
        message = "rlframework fit: error: " + capsys.readouterr().err.partition("rlframework fit: error: ")[2]
        assert len(message.splitlines()) <= LINES
        assert len(message) <= CHARACTERS
        assert not [word for word in INTERNALS if word in message]
        return message

    return refuse


def with_mistake(mistake: Mistake) -> Any:
    config = yaml.safe_load(RECIPE)
    *way, last = mistake.path.split("/")
    place = config
    for key in way:
        place = place[key]
    if mistake.value is ...:
        del place[last]
    else:
        place[last] = copy.deepcopy(mistake.value)
    return config


def test_without_a_mistake_it_trains(folder: Path) -> None:
    (folder / "right.yaml").write_text(RECIPE)
    assert main(["fit", "-c", "right.yaml"]) == 0


# Others stand in the same kind of place, with the same kind of way out.
ALIKE = {
    "of the sampler",
    "of the data",
    "of LoRA",
    "section",
    "text for a float",
    "text, nested",
    "text in the Trainer",
    "precision",
    "class of a reward",
    "module of nobody",
    "class of a logger",
    "class of a callback",
    "rewards without their sum",
    "function",
    "no policy",
    "empty groups",
    "no file",
    "accumulation",
}


@pytest.mark.parametrize(
    "mistake", drawn({name: [mistake] for name, mistake in IN_FILE.items()}, IN_FILE.keys() - ALIKE)
)
def test_a_mistake_in_a_file(mistake: Mistake, folder: Path, refused: Callable[..., str]) -> None:
    (folder / "wrong.yaml").write_text(yaml.safe_dump(with_mistake(mistake), sort_keys=False))
    message = refused("-c", "wrong.yaml")
    for words in mistake.says:
        assert words in message


@pytest.mark.parametrize("options", OPTIONS)
def test_a_mistake_in_an_option(options: str, folder: Path, refused: Callable[..., str]) -> None:
    (folder / "right.yaml").write_text(RECIPE)
    message = refused("-c", "right.yaml", *options.split())
    for words in OPTIONS[options]:
        assert words in message


@pytest.mark.parametrize("text", FILES)
def test_what_is_no_file_of_settings(text: str, folder: Path, refused: Callable[..., str]) -> None:
    (folder / "wrong.yaml").write_text(text)
    message = refused("-c", "wrong.yaml")
    for words in FILES[text]:
        assert words in message


def test_the_line_is_that_of_the_key(folder: Path, refused: Callable[..., str]) -> None:
    text = RECIPE.replace("    learning_rate: 5e-4\n", "    learning_rate: 5e-4\n    clip_lo: 0.1\n")
    (folder / "wrong.yaml").write_text(text)
    line = text.splitlines().index("    clip_lo: 0.1") + 1
    assert f"wrong.yaml, line {line}, model.init_args.clip_lo:" in refused("-c", "wrong.yaml")


def test_an_error_while_it_trains_keeps_its_traceback(folder: Path) -> None:
    """What a reward raises happened somewhere, and where is what somebody looks for."""
    (folder / "raising_reward.py").write_text(
        "from rlframework.rewards import RowReward\n"
        "class Raising(RowReward):\n    def score_row(self, completion):\n        raise ValueError('on purpose')\n"
    )
    config = with_mistake(Mistake(REWARD, {"class_path": "raising_reward.Raising"}, ()))
    (folder / "raises.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="on purpose"):
        main(["fit", "-c", "raises.yaml"])
