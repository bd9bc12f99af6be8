"""What was read of a run of TRL: settings with the line each stands in, parts, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TrainerKind = Literal["grpo", "rloo"]


class NotReadError(Exception):
    """Raised where there is nothing that could be carried over; the message says what was looked for."""


@dataclass(frozen=True)
class Read:
    """A value that was read.

    Args:
        value: Of the types that YAML has.
        place: Where it stands, such as ``"train.py, line 12"``.
    """

    value: Any
    place: str


@dataclass(frozen=True)
class Missed:
    """Something that is in the run of TRL and not in the YAML file.

    Args:
        place: Where it stands; empty for what stands nowhere, such as a model that no line names.
        what: As it is written there.
        way_out: What to do about it.
    """

    place: str
    what: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}\n    {self.way_out}" if self.place else f"{self.what}\n    {self.way_out}"


@dataclass(frozen=True)
class FoundReward:
    """A reward function that was found in a script or a configuration of TRL.

    Args:
        name: Under which it is logged.
        path: Of the function, to be imported: ``my_rewards.right``. With a dot in front it is in the module that is
            written.
        soft_overlong: Arguments of `SoftOverlong`, where it is TRL's; there is no path then.
    """

    name: str
    path: str = ""
    soft_overlong: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of data, as ``datasets.load_dataset`` names them.

    Args:
        path: Of the data set, or a format of files.
        configs: Its configurations.
        split: Name of the split.
        options: Further arguments, such as ``data_files``.
        prompt_column: Column of the prompt.
    """

    path: str
    configs: tuple[str, ...] = ()
    split: str = "train"
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt_column: str = "prompt"


@dataclass
class TRLRun:
    """A run of TRL, as far as it could be read.

    Args:
        kind: Whose trainer it is.
        source: The file, for the head of what is written.
        settings: Arguments of GRPOConfig or RLOOConfig that are set.
        unread: Names of those that are set to something that could not be read; TRL's default stands for them.
        model: Folder or hub name.
        dtype: Of the weights; None is float32.
        tokenizer: Folder or hub name, if it is not the model's own.
        lora: ``class_path`` and ``init_args`` of the adapter.
        quantization: Arguments of ``BitsAndBytesConfig``.
        rewards: In their order.
        train: Training rows.
        validation: Held-out rows.
        saves_model: Whether the script saves the model when training has ended.
        code: Statements for the module that is written beside the YAML file.
        missed: What could not be read or has no counterpart.
    """

    kind: TrainerKind
    source: str
    settings: dict[str, Read] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    model: str | None = None
    dtype: str | None = None
    tokenizer: str | None = None
    lora: dict[str, Any] | None = None
    quantization: dict[str, Any] | None = None
    rewards: list[FoundReward] = field(default_factory=list)
    train: Rows | None = None
    validation: Rows | None = None
    saves_model: bool = False
    code: list[str] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)

    def miss(self, place: str, what: str, way_out: str) -> None:
        """Take down something that is not carried over.

        Args:
            place: As of `Missed`.
            what: As of `Missed`.
            way_out: As of `Missed`.
        """
        self.missed.append(Missed(place, what, way_out))

    def miss_reward(self, place: str, what: str, way_out: str) -> None:
        """Take down a reward that is not carried over, and leave a function to be written, so that no run goes without.

        Args:
            place: As of `Missed`.
            what: As of `Missed`.
            way_out: As of `Missed`.
        """
        name = f"reward_{len(self.rewards)}"
        self.rewards.append(FoundReward(name, f".{name}"))
        said = f"{what} was not carried over; write it here, or name another in the YAML file"
        self.code.append(f"def {name}(completions, **kwargs):\n    raise NotImplementedError({said!r})")
        self.miss(place, what, f"{way_out}; {name} is left to be written")
