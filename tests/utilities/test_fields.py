"""Constructor arguments as fields: what signatures, help, subclasses of every style and modules make of them."""

from __future__ import annotations

import copy
import inspect
import pydoc
from dataclasses import field
from typing import Any, ClassVar

import pytest
import pytorch_lightning as pl
from torch import nn

from rlframework import CISPO, DAPO, GRPO, RLOO, SFT, PromptDataModule, SharedPrefixSampler
from rlframework.algorithms import NAMES, Algorithm
from rlframework.data import GSM8K
from rlframework.rewards import FunctionReward
from rlframework.testing import tiny_policy
from rlframework.utilities.fields import Fields, derived


class Learner(Fields, pl.LightningModule):
    depends: ClassVar[bool] = False
    model: nn.Module = field(kw_only=False)
    """What learns."""
    head: nn.Module = derived(default=None)
    """By default a line."""
    rate: float = 0.5
    """How fast,
    on the whole."""
    steps: int = field(init=False, default=3)

    def before_fields(self) -> None:
        if "_modules" not in self.__dict__:
            pl.LightningModule.__init__(self)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.head = nn.Linear(1, 1) if self.head is None else self.head


class Slow(Learner):
    rate: float = 0.1


class Bare(Learner):
    rate = 0.1


class Wide(Learner):
    def __init__(self, *args: Any, width: int = 2, **options: Any) -> None:
        super().__init__(*args, **options)
        self.width = width


class Deep(Wide):
    depth: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen = self.depth


class Same(Wide):
    pass


LINE = nn.Linear(1, 1)


def arguments() -> tuple[Any, ...]:
    return tiny_policy(), FunctionReward(len), SharedPrefixSampler(group_size=2, max_tokens=4)


def test_a_signature_has_every_argument_with_its_default() -> None:
    assert str(inspect.signature(Slow)) == (
        "(model: torch.nn.modules.module.Module, *, head: torch.nn.modules.module.Module | None = None, "
        "rate: float = 0.1) -> None"
    )
    taken = inspect.signature(GRPO).parameters
    assert len(taken) == 29
    assert list(taken)[:3] == ["policy", "reward", "sampler"]
    assert (taken["clip_low"].default, inspect.signature(DAPO).parameters["clip_high"].default) == (0.2, 0.28)
    assert "prompts_per_rollout" not in inspect.signature(SFT).parameters


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_every_argument_is(name: str) -> None:
    kind = getattr(__import__("rlframework.algorithms", fromlist=[name]), name)
    text = pydoc.plain(pydoc.render_doc(kind))
    for argument in inspect.signature(kind).parameters:
        [line] = [line for line in kind.__init__.__doc__.splitlines() if line.startswith(f"    {argument}: ")]
        assert len(line) > len(argument) + 8
        assert line.strip() in text


def test_a_variant_is_another_default_with_or_without_its_annotation() -> None:
    assert (Slow(LINE).rate, Bare(LINE).rate, Bare(LINE, rate=0.3).rate, Learner(LINE).rate) == (0.1, 0.1, 0.3, 0.5)
    assert CISPO(*arguments()).ratio_cap == 5.0
    assert RLOO(*arguments()).kl_coefficient == 0.05


def test_a_module_as_a_value_is_a_submodule_and_not_hidden_by_its_default() -> None:
    made = Learner(LINE, head=nn.Linear(2, 3))
    assert made.head.out_features == 3
    assert {name for name, _ in made.named_parameters()} == {"model.weight", "model.bias", "head.weight", "head.bias"}
    assert isinstance(copy.deepcopy(Learner(LINE)).head, nn.Linear)


def test_what_is_derived_or_of_the_class_is_no_argument() -> None:
    assert Learner(LINE).steps == 3
    assert Learner(LINE).depends is False
    for name in ("steps", "depends"):
        with pytest.raises(TypeError, match=f"Learner has no argument '{name}'"):
            Learner(LINE, **{name: 1})


@pytest.mark.parametrize("kind", [Wide, Same, Deep])
def test_a_constructor_written_by_hand_is_called(kind: type[Wide]) -> None:
    made = kind(LINE, width=7, rate=0.2)
    assert (made.width, made.rate, kind(LINE).width) == (7, 0.2, 2)


def test_fields_below_a_constructor_written_by_hand_are_taken_before_it() -> None:
    assert (Deep(LINE, depth=9, width=1).seen, Deep(LINE).depth) == (9, 4)
    with pytest.raises(TypeError, match="Deep has no argument 'dept': did you mean depth"):
        Deep(LINE, dept=1)


def test_rows_of_a_named_data_set_are_no_arguments_of_its_class() -> None:
    assert {"path", "heldout_share", "max_prompt_tokens"} <= set(inspect.signature(GSM8K).parameters)
    assert not {"train", "source", "columns"} & set(inspect.signature(GSM8K).parameters)
    with pytest.raises(TypeError, match="GSM8K has no argument 'heldout_shar': did you mean heldout_share"):
        GSM8K(heldout_shar=0.1)


class Handed(Deep):
    rate: float = 0.35


class Mixed:
    def __init__(self, *args: Any, mixed: int = 1, **options: Any) -> None:
        super().__init__(*args, **options)
        self.mixed = mixed


class WithMixin(Mixed, Learner):
    pass


class Behind(Slow, Wide):
    pass


def test_another_default_is_handed_on_to_a_constructor_written_by_hand() -> None:
    assert (Handed(LINE).rate, Handed(LINE, rate=0.45, depth=2).rate) == (0.35, 0.45)
    assert {"depth", "width", "rate"} <= set(inspect.signature(Handed).parameters)
    with pytest.raises(TypeError, match=r"Deep got depth='5' \(str\) where int belongs"):
        Deep(LINE, depth="5")


@pytest.mark.parametrize(("kind", "option"), [(WithMixin, "mixed"), (Behind, "width")])
def test_a_constructor_written_by_hand_anywhere_in_the_order_is_called(kind: type, option: str) -> None:
    assert getattr(kind(LINE, **{option: 7}), option) == 7


def test_a_name_of_a_field_is_not_taken_by_something_else() -> None:
    for taken in (property(lambda self: 1), lambda self: 1, "0.5"):
        with pytest.raises(TypeError, match="rate is an argument of what it inherits from"):
            type("Taken", (Learner,), {"rate": taken, "__module__": __name__})


class Saved(GRPO):
    def __init__(self, *args: Any, extra: int = 3, **options: Any) -> None:
        super().__init__(*args, **options)
        self.save_hyperparameters(ignore=["args", "policy", "reward", "sampler"])


def test_hyperparameters_are_plain_where_nothing_else_was_given() -> None:
    saved = dict(Saved(*arguments(), extra=5, clip_low=0.1).hparams)
    assert (saved["extra"], saved["clip_low"], saved["clip_high"], saved["kl"]) == (5, 0.1, None, None)
    assert all(isinstance(value, (int, float, str, list, type(None))) for value in saved.values()), saved


class Narrowed(Learner):
    model: nn.Linear
    history: list[float]


def test_an_annotation_alone_narrows_a_field_and_makes_no_other() -> None:
    assert Narrowed(LINE).model is LINE
    with pytest.raises(TypeError, match=r"Narrowed got model=.* where Linear belongs"):
        Narrowed(nn.ReLU())
    assert "history" not in inspect.signature(Narrowed).parameters


class Steered(Learner):
    gain: float = 1.0


class Noted(Learner):
    note: str = ""


class Both(Noted, Steered, Slow):
    pass


def test_a_mixin_in_front_brings_its_own_fields_and_no_others() -> None:
    assert Both(LINE, note="a", gain=2.0).rate == 0.1
    assert next(iter(inspect.signature(Both).parameters)) == "model"

    class Front(Algorithm):
        """Goes in front of an algorithm, and is one itself."""

    made = type("Made", (Front, GRPO), {})(*arguments(), prompts_per_rollout=4)
    assert made.prompts_per_rollout == 4


def test_a_class_made_in_a_function_takes_its_fields_too() -> None:
    class Local(PromptDataModule):
        extra: int = 1

    assert Local([{"prompt": "a"}], extra=3).extra == 3


def test_a_message_names_every_argument_once() -> None:
    with pytest.raises(TypeError, match="there are ") as caught:
        GRPO(*arguments(), zzz=1)
    names = str(caught.value).partition("there are ")[2].split(", ")
    assert len(names) == len(set(names)) == 29
