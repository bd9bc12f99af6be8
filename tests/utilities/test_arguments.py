"""Wrong arguments of constructors: each is answered when the object is made, by its class, with the way out."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import datasets
import numpy as np
import pytest
import torch
from peft import LoraConfig

from rlframework import DAPO, GRPO, RLOO, SFT, CausalLMPolicy, SharedPrefixSampler
from rlframework.callbacks import RefreshReference, RolloutWriter, SavePolicy
from rlframework.cli.lightning import main
from rlframework.data import GSM8K, PromptDataModule
from rlframework.environments import Toolbox
from rlframework.rewards import (
    AnswerTemplate,
    CorrectAnswer,
    FunctionReward,
    RewardLimits,
    SoftOverlong,
    TRLReward,
    WeightedSum,
)
from rlframework.samplers import DynamicSampling
from rlframework.terms import EntropyBonus, KLInLoss, TokenTruncation
from rlframework.testing import tiny_policy
from rlframework.utilities.arguments import Checked, fits
from rlframework.utilities.other_names import COUNTERPARTS


class Mine(GRPO):
    """An algorithm as users write them."""

    def __init__(self, *args: Any, width: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.width = width


@cache
def parts() -> tuple[Any, Any, Any]:
    return tiny_policy(), CorrectAnswer(), SharedPrefixSampler(group_size=4, max_tokens=8)


def algorithm(kind: Any = GRPO, **options: Any) -> Any:
    return kind(*parts(), **options)


def accuracy(completion: str, answer: str) -> float:
    return float(answer in completion)


def policy(**options: Any) -> CausalLMPolicy:
    return CausalLMPolicy(parts()[0].model, parts()[0].tokenizer, **options)


def sampler(**options: Any) -> SharedPrefixSampler:
    return SharedPrefixSampler(**{"group_size": 4, "max_tokens": 8, **options})


ROWS = [{"prompt": "a", "answer": "b"}]
STREAM = datasets.IterableDataset.from_generator(lambda: iter(ROWS))

# What somebody writes, the class that the message names, what was given, and what to give.
USES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "a function as reward": (
        lambda: GRPO(parts()[0], accuracy, parts()[2]),
        "GRPO got reward=accuracy (function)",
        "FunctionReward(accuracy)",
    ),
    "a list of rewards": (
        lambda: GRPO(parts()[0], [accuracy, parts()[1]], parts()[2]),
        "GRPO got reward=",
        "FunctionReward(accuracy) + CorrectAnswer(...)",
    ),
    "a dict of rewards": (lambda: GRPO(parts()[0], {"a": parts()[1]}, parts()[2]), "GRPO got reward=", "a + 0.5 * b"),
    "the name of a reward": (
        lambda: GRPO(parts()[0], "accuracy", parts()[2]),
        "GRPO got reward='accuracy' (str)",
        "CorrectAnswer()",
    ),
    "no reward": (lambda: GRPO(parts()[0], None, parts()[2]), "GRPO got reward=None", "FunctionReward(f)"),
    "a class as reward": (
        lambda: DAPO(parts()[0], CorrectAnswer, parts()[2]),
        "DAPO got reward=CorrectAnswer (class)",
        "CorrectAnswer(...)",
    ),
    "the name of a model": (
        lambda: RLOO("Qwen/Qwen3-0.6B", *parts()[1:]),
        "RLOO got policy='Qwen/Qwen3-0.6B' (str)",
        "CausalLMPolicy('Qwen/Qwen3-0.6B')",
    ),
    "a model": (lambda: GRPO(parts()[0].model, *parts()[1:]), "GRPO got policy=", "CausalLMPolicy(model, tokenizer)"),
    "a class as policy": (
        lambda: GRPO(CausalLMPolicy, *parts()[1:]),
        "GRPO got policy=CausalLMPolicy (class)",
        "CausalLMPolicy(...)",
    ),
    "sampler and reward exchanged": (
        lambda: GRPO(parts()[0], parts()[2], parts()[1]),
        "GRPO got reward=<SharedPrefixSampler>",
        "sampler are exchanged",
    ),
    "policy and reward exchanged": (
        lambda: Mine(parts()[1], parts()[0], parts()[2]),
        "Mine got policy=<CorrectAnswer>",
        "reward are exchanged",
    ),
    "a dict as sampler": (
        lambda: GRPO(*parts()[:2], {"group_size": 8}),
        "GRPO got sampler=",
        "SharedPrefixSampler(group_size=8)",
    ),
    "a tool without a list": (lambda: Toolbox(accuracy), "Toolbox got tools=accuracy (function)", "tools=[accuracy]"),
    "an object of tools": (
        lambda: Toolbox(parts()[1]),
        "Toolbox got tools=<CorrectAnswer>",
        "the class, CorrectAnswer",
    ),
    "a class in a list of tools": (lambda: Toolbox([CorrectAnswer]), "CorrectAnswer is a class", "the class alone"),
    "a size as sampler": (lambda: GRPO(*parts()[:2], 8), "GRPO got sampler=8", "group_size=8"),
    "no sampler": (lambda: DAPO(*parts()[:2]), "DAPO lacks sampler", "DAPO(policy, reward, sampler"),
    "one too many": (lambda: DAPO(*parts(), 8), "DAPO takes 3 arguments", "by name"),
    "a function as validation": (
        lambda: algorithm(validation={"right": accuracy}),
        "GRPO got validation['right']=accuracy",
        "FunctionReward(accuracy)",
    ),
    "one function as validation": (
        lambda: algorithm(validation=accuracy),
        "GRPO got validation=accuracy (function)",
        "{'accuracy': ...}",
    ),
    "a text as row": (
        lambda: PromptDataModule(["a"]),
        "PromptDataModule got train[0]='a' (str)",
        "{'prompt': ..., 'answer': ...}",
    ),
    "torch's name of a dtype": (
        lambda: policy(dtype=torch.bfloat16),
        "CausalLMPolicy got dtype=torch.bfloat16 (dtype)",
        "pass 'bfloat16'",
    ),
    "a list of functions as one": (lambda: TRLReward([accuracy]), "TRLReward got function=", "pass one function"),
    "a function in a sum": (
        lambda: parts()[1] + accuracy,
        "a function cannot be added to reward 'correct_answer'",
        "FunctionReward(accuracy)",
    ),
    "a list as validation sampler": (
        lambda: algorithm(validation_sampler=[1]),
        "GRPO got validation_sampler=",
        "SharedPrefixSampler(",
    ),
    "a dict as adapter": (lambda: policy(lora={"r": 8}), "CausalLMPolicy got lora={'r': 8}", "LoraConfig(r=8)"),
    "a rank as adapter": (lambda: policy(lora=8), "CausalLMPolicy got lora=8", "LoraConfig(r=8)"),
    "True as adapter": (lambda: policy(lora=True), "CausalLMPolicy got lora=True", "LoraConfig(r=16"),
    "a number as model": (
        lambda: CausalLMPolicy(3),
        "CausalLMPolicy got model=3",
        "AutoModelForCausalLM.from_pretrained",
    ),
    "a dict as quantization": (
        lambda: policy(quantization={"load_in_4bit": True}),
        "CausalLMPolicy got quantization=",
        "BitsAndBytesConfig(load_in_4bit=True)",
    ),
    "TRL's name of the adapter": (
        lambda: policy(peft_config=LoraConfig()),
        "CausalLMPolicy has no argument 'peft_config'",
        "lora",
    ),
    "a text as rate": (
        lambda: algorithm(learning_rate="1e-3"),
        "GRPO got learning_rate='1e-3' (str)",
        "learning_rate=0.001",
    ),
    "a text as count": (
        lambda: algorithm(DAPO, prompts_per_rollout="8"),
        "DAPO got prompts_per_rollout='8'",
        "prompts_per_rollout=8",
    ),
    "a bool as count": (
        lambda: algorithm(prompts_per_rollout=True),
        "GRPO got prompts_per_rollout=True",
        "prompts_per_rollout=1",
    ),
    "a fraction as count": (
        lambda: algorithm(prompts_per_rollout=8.0),
        "GRPO got prompts_per_rollout=8.0",
        "prompts_per_rollout=8",
    ),
    "a count of 0": (lambda: algorithm(minibatches_per_rollout=0), "GRPO got minibatches_per_rollout=0", "at least 1"),
    "a negative count": (lambda: algorithm(passes_per_rollout=-1), "GRPO got passes_per_rollout=-1", "at least 1"),
    "a negative warm-up": (lambda: algorithm(warmup_steps=-5), "GRPO got warmup_steps=-5", "at least 0"),
    "a negative rate": (lambda: algorithm(learning_rate=-1e-3), "GRPO got learning_rate=-0.001", "at least 0"),
    "an endless rate": (lambda: algorithm(learning_rate=float("inf")), "GRPO got learning_rate=inf", "finite"),
    "NaN as rate": (lambda: algorithm(Mine, learning_rate=float("nan")), "Mine got learning_rate=nan", "give one"),
    "NaN as weight of the KL": (
        lambda: algorithm(RLOO, kl_coefficient=float("nan")),
        "RLOO got kl_coefficient=nan",
        "give one",
    ),
    "an endless weight of the KL": (
        lambda: algorithm(kl_coefficient=float("inf")),
        "GRPO: kl_coefficient",
        "finite number",
    ),
    "a negative clip": (lambda: algorithm(clip_low=-0.2), "GRPO got clip_low=-0.2", "at least 0"),
    "a schedule misspelled": (
        lambda: algorithm(schedule="cosin"),
        "GRPO got schedule='cosin'",
        "did you mean 'cosine'",
    ),
    "a schedule with settings": (
        lambda: algorithm(schedule="cosine_with_min_lr"),
        "GRPO got schedule=",
        "configure_optimizers",
    ),
    "a schedule by measure": (lambda: algorithm(schedule="reduce_lr_on_plateau"), "GRPO got schedule=", "'linear'"),
    "an argument misspelled": (
        lambda: algorithm(DAPO, clip_lo=0.1),
        "DAPO has no argument 'clip_lo'",
        "did you mean clip_low?",
    ),
    "one of the base misspelled": (
        lambda: algorithm(Mine, learning_rat=0.1),
        "Mine has no argument 'learning_rat'",
        "learning_rate",
    ),
    "one of its own misspelled": (
        lambda: algorithm(Mine, widht=0.1),
        "Mine has no argument 'widht'",
        "did you mean width?",
    ),
    "a number as bonus": (lambda: algorithm(entropy_bonus=0.01), "GRPO got entropy_bonus=0.01", "EntropyBonus("),
    "an estimator as KL": (lambda: algorithm(kl=accuracy), "GRPO got kl=accuracy", "KLInLoss(accuracy)"),
    "True as correction": (
        lambda: algorithm(sampler_correction=True),
        "GRPO got sampler_correction=True",
        "TokenTruncation()",
    ),
    "TRL's call": (
        lambda: GRPO(model="m", reward_funcs=accuracy, train_dataset=ROWS),
        "GRPO has no argument 'model'",
        "CausalLMPolicy(",
    ),
    "TRL's words of a subclass": (lambda: algorithm(Mine, beta=0.04), "Mine has no argument 'beta'", "kl_coefficient"),
    "TRL's words of a sampler": (
        lambda: sampler(num_generations=8),
        "SharedPrefixSampler has no argument 'num_generations'",
        "group_size",
    ),
    "TRL's words of data": (
        lambda: PromptDataModule(ROWS, max_prompt_length=9),
        "PromptDataModule has no argument",
        "max_prompt_tokens",
    ),
    "TRL's words of SFT": (
        lambda: SFT(parts()[0], num_train_epochs=1),
        "SFT has no argument 'num_train_epochs'",
        "max_epochs",
    ),
    "steps of 0 demonstrations": (
        lambda: SFT(parts()[0], demonstrations_per_step=0),
        "SFT got demonstrations_per_step=0",
        "at least 1",
    ),
    "a text as size of a group": (
        lambda: sampler(group_size="8"),
        "SharedPrefixSampler got group_size='8'",
        "group_size=8",
    ),
    "NaN as temperature": (
        lambda: sampler(temperature=float("nan")),
        "SharedPrefixSampler got temperature=nan",
        "give one",
    ),
    "an endless temperature": (
        lambda: sampler(temperature=float("inf")),
        "SharedPrefixSampler: temperature=inf",
        "finite",
    ),
    "a negative temperature": (
        lambda: sampler(temperature=-1.0),
        "SharedPrefixSampler: temperature",
        "not be negative",
    ),
    "NaN as temperature of a copy": (
        lambda: sampler().replace(temperature=float("nan")),
        "SharedPrefixSampler got temperature=nan",
        "give one",
    ),
    "a text in a copy": (
        lambda: sampler().replace(max_tokens="9"),
        "SharedPrefixSampler got max_tokens='9'",
        "max_tokens=9",
    ),
    "TRL's word in a copy": (
        lambda: sampler().replace(num_generations=9),
        "SharedPrefixSampler has no setting",
        "group_size",
    ),
    "a function to filter by": (
        lambda: DynamicSampling(sampler(), accuracy, keep=2),
        "DynamicSampling got reward=accuracy",
        "FunctionReward(accuracy)",
    ),
    "a stream": (lambda: PromptDataModule(STREAM), "PromptDataModule got train=", "without streaming=True"),
    "held-out prompts as stream": (
        lambda: PromptDataModule(ROWS, STREAM),
        "PromptDataModule got validation=",
        "without streaming=True",
    ),
    "all splits at once": (
        lambda: PromptDataModule(datasets.DatasetDict(test=datasets.Dataset.from_list(ROWS))),
        "PromptDataModule got train=",
        "data['test']",
    ),
    "columns for rows": (
        lambda: PromptDataModule({"prompt": ["a"]}),
        "PromptDataModule got train=",
        "Dataset.from_dict",
    ),
    "texts for rows": (lambda: PromptDataModule(["a", "b"]), "PromptDataModule got train[0]='a'", "Mapping"),
    "rows that are read once": (lambda: PromptDataModule(iter(ROWS)), "PromptDataModule got train=", "list(...)"),
    "tags as template": (
        lambda: PromptDataModule(ROWS, template="<think>"),
        "PromptDataModule got template='<think>'",
        "AnswerTemplate(",
    ),
    "a budget of 0": (
        lambda: PromptDataModule(ROWS, max_prompt_tokens=0),
        "PromptDataModule got max_prompt_tokens=0",
        "at least 1",
    ),
    "a list as tag": (
        lambda: AnswerTemplate(["<think>"]),
        "AnswerTemplate got start_working=",
        "AnswerTemplate('<think>'",
    ),
    "a template for a reward": (
        lambda: CorrectAnswer("<think>"),
        "CorrectAnswer got template='<think>'",
        "AnswerTemplate(",
    ),
    "a text as function": (lambda: FunctionReward("accuracy"), "FunctionReward got function='accuracy'", "Callable"),
    "a reward as function": (lambda: TRLReward(None), "TRLReward got function=None", "Callable"),
    "a function as term": (
        lambda: WeightedSum([("a", 1.0, accuracy)]),
        "WeightedSum got terms[0].reward=accuracy",
        "FunctionReward(accuracy)",
    ),
    "a text as limit": (
        lambda: SoftOverlong(max_tokens="9", margin=2),
        "SoftOverlong got max_tokens='9'",
        "max_tokens=9",
    ),
    "a text as share": (lambda: RewardLimits(errors="none"), "RewardLimits got errors='none'", "float"),
    "a text as bonus": (lambda: EntropyBonus("0.1"), "EntropyBonus got coefficient='0.1'", "coefficient=0.1"),
    "a name as estimator": (lambda: KLInLoss("k3"), "KLInLoss got estimator='k3'", "Callable"),
    "a text as bound": (lambda: TokenTruncation(high="3"), "TokenTruncation got high='3'", "high=3.0"),
    "steps of a text": (lambda: RefreshReference("5"), "RefreshReference got every_n_steps='5'", "every_n_steps=5"),
    "a number as folder": (lambda: RolloutWriter(3), "RolloutWriter got folder=3", "str or Path"),
    "half a step": (
        lambda: SavePolicy("out", every_n_steps=0.5),
        "SavePolicy got every_n_steps=0.5",
        "every_n_steps=1",
    ),
}


@pytest.mark.parametrize("use", USES)
def test_a_wrong_argument_is_answered_with_the_way_out(use: str) -> None:
    make, said, way_out = USES[use]
    with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
        make()
    assert said in str(caught.value)
    assert way_out in str(caught.value)


@pytest.mark.parametrize("word", COUNTERPARTS)
@pytest.mark.parametrize("kind", [DAPO, Mine])
def test_a_word_of_another_library_is_answered_by_its_counterpart(kind: type, word: str) -> None:
    with pytest.raises(TypeError) as caught:
        kind(*parts(), **{word: 1})
    assert str(caught.value) == f"{kind.__name__} has no argument {word!r}: here it is {COUNTERPARTS[word]}"


def test_no_algorithm_has_an_argument_that_it_would_answer_as_a_word_of_others() -> None:
    for kind in (GRPO, DAPO, RLOO, SFT):
        taken = [inspect.signature(base.__init__).parameters for base in kind.__mro__ if issubclass(base, Checked)]
        names = {name for one in taken for name, its in one.items() if its.kind is its.KEYWORD_ONLY}
        assert "learning_rate" in names
        assert not names & COUNTERPARTS.keys()


def test_what_a_subclass_does_with_its_arguments_is_its_own_business() -> None:
    class Popping(GRPO):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.width = kwargs.pop("width", 1)
            super().__init__(parts()[0], *args, **kwargs)

    class Judged(GRPO):
        def __init__(self, policy: Any, sampler: Any, **kwargs: Any) -> None:
            super().__init__(policy, FunctionReward(accuracy), sampler, **kwargs)

    assert Popping(*parts()[1:], width=3).width == 3
    assert Judged(parts()[0], parts()[2], seed=1).seed == 1


def test_objects_are_copied_and_pickled_as_before_and_their_signatures_seen() -> None:
    assert copy.deepcopy(sampler(seed=3)).seed == 3
    assert pickle.loads(pickle.dumps(CorrectAnswer(name="right"))).name == "right"
    assert list(inspect.signature(SharedPrefixSampler).parameters)[:2] == ["group_size", "max_tokens"]
    assert "clip_low" in inspect.signature(GRPO).parameters


def test_an_annotation_that_only_type_checkers_can_read_lets_anything_through() -> None:
    class Loose(Checked):
        def __init__(self, what: Unknown, count: int) -> None:  # type: ignore[name-defined]  # noqa: F821
            self.what = what

    assert Loose("x", 3).what == "x"


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, True),
        (True, float, False),
        (None, float | None, True),
        ("x", list[int] | str, True),
        ([1, "2"], "Sequence[int]", False),
        ((0.9, 0.95), tuple[float, float], True),
        ([0.9, 0.95], tuple[float, float], True),
        ("ab", tuple[str, str], False),
        (int, type[float], False),
        (accuracy, Callable[..., float], True),
        (object(), Any, True),
    ],
)
def test_whether_a_value_is_what_an_annotation_says(value: Any, hint: Any, expected: bool) -> None:
    from collections.abc import Sequence

    assert fits(value, eval(hint, {"Sequence": Sequence}) if isinstance(hint, str) else hint) is expected


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ("--model.beta=0.04", "'beta': here it is kl_coefficient"),
        ("--model.loss_type=dapo", "'loss_type': here it is the class says it"),
        ("--model.sampler.num_generations=8", "'num_generations': here it is group_size"),
        ("--data.max_prompt_length=64", "'max_prompt_length': here it is max_prompt_tokens"),
    ],
)
def test_a_word_of_another_library_is_answered_on_the_command_line(
    wrong: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        "--model=rlframework.DAPO",
        "--model.sampler=rlframework.SharedPrefixSampler",
        "--data=rlframework.tasks.ChainSumsData",
    ]
    with pytest.raises(SystemExit):
        main(["fit", *given, wrong])
    assert answer in capsys.readouterr().err


class Wider(GRPO):
    def __init__(self, *args: Any, width: int = 3, **options: Any) -> None:
        super().__init__(*args, **options)
        self.save_hyperparameters(ignore=["args"])


class Deeper(Wider):
    def __init__(self, *args: Any, depth: int = 4, **options: Any) -> None:
        super().__init__(*args, **options)


def test_lightning_finds_the_hyperparameters_of_every_constructor() -> None:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    made = Deeper(tiny_policy(), FunctionReward(len), sampler, width=5, depth=7, learning_rate=0.1)
    assert {name: made.hparams[name] for name in ("width", "depth", "learning_rate")} == {
        "width": 5,
        "depth": 7,
        "learning_rate": 0.1,
    }


class Narrow(GRPO):
    width: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.save_hyperparameters(ignore=["policy", "reward", "sampler"])


def test_lightning_finds_the_hyperparameters_that_are_fields() -> None:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    made = Narrow(tiny_policy(), FunctionReward(len), sampler, width=5, learning_rate=0.1)
    assert (made.hparams["width"], made.hparams["learning_rate"], made.hparams["clip_high"]) == (5, 0.1, None)
    assert "policy" not in made.hparams


class Judged(GRPO):
    def __init__(self, *args: Any, judge: str = None, margin: int = 0.5, **options: Any):  # type: ignore[assignment]  # noqa: RUF013
        super().__init__(*args, **options)


def test_a_default_is_right_whatever_its_annotation_says() -> None:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    Judged(tiny_policy(), FunctionReward(len), sampler, judge=None, margin=0.5)
    with pytest.raises(TypeError, match="Judged got judge=3"):
        Judged(tiny_policy(), FunctionReward(len), sampler, judge=3)


@pytest.mark.parametrize("text", ["number of things", "torch.Tensr", "int | 'Foo'", "Final[int]", "Missing"])
def test_annotations_that_are_none_check_nothing(text: str) -> None:
    def begin(self: Any, value: Any = 1) -> None:
        self.value = value

    begin.__annotations__["value"] = text
    odd = type("Odd", (Checked,), {"__init__": begin})
    assert odd(value="anything").value == "anything"


class Settings(TypedDict):
    depth: int


class Set(Checked):
    def __init__(self, settings: Settings, miss: Any = 0.0) -> None:
        self.settings, self.miss = settings, miss


def test_a_typed_dictionary_and_a_missing_value_of_any_kind_are_taken() -> None:
    assert Set({"depth": 3}).settings["depth"] == 3
    assert math.isnan(Set({"depth": 3}, miss=float("nan")).miss)


def test_numbers_and_paths_become_plain() -> None:
    algorithm = GRPO(
        tiny_policy(),
        FunctionReward(len),
        SharedPrefixSampler(group_size=np.uint8(2), max_tokens=np.int64(4)),
        prompts_per_rollout=np.uint8(200),
        learning_rate=np.float64(1e-3),
        weight_decay=Fraction(1, 10),
        betas=(0, np.float32(0.5)),
        mask_truncated=np.bool_(True),
    )
    numbers = [algorithm.sampler.group_size, algorithm.prompts_per_rollout, *algorithm.optimization["betas"]]
    assert [type(number) for number in numbers] == [int, int, float, float]
    assert algorithm.optimization == {"lr": 1e-3, "betas": (0.0, 0.5), "weight_decay": 0.1}
    assert algorithm.mask_truncated is True
    assert GSM8K(Path("here")).sources["train"].path == "here"


@pytest.mark.parametrize("betas", [(0.9,), ("0.9", "0.95"), (0.9, 0.95, 0.99), 0.9])
def test_what_a_tuple_holds_is_looked_at(betas: Any) -> None:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    with pytest.raises(TypeError, match=r"GRPO got betas.*float"):
        GRPO(tiny_policy(), FunctionReward(len), sampler, betas=betas)
