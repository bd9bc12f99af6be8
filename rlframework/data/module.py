"""Prompts as a LightningDataModule, tokenised by the policy's own tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, TypeAlias, get_args

import pytorch_lightning as pl
from datasets import Dataset
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.parsing import AttributeDict
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from rlframework.data.chat_template import set_structured_chat_template
from rlframework.data.golds import with_readable_golds
from rlframework.data.source import Source
from rlframework.data.tokenize import TooLong, tokenize_rows
from rlframework.environments.signatures import Tools, functions_of, schema_of
from rlframework.loop.algorithm import Algorithm
from rlframework.loop.loader import RolloutLoader
from rlframework.loop.prompt_batches import PromptBatches
from rlframework.prompt import Prompt
from rlframework.rewards.template import AnswerTemplate
from rlframework.utilities.arguments import at_least
from rlframework.utilities.fields import Fields
from rlframework.utilities.secrets import without_secrets
from rlframework.utilities.thinking_tags import opens_working
from rlframework.utilities.words import in_words

Rows: TypeAlias = Dataset | Sequence[Mapping[str, Any]]


class PromptDataModule(Fields, pl.LightningDataModule):
    """Training and held-out prompts from Hugging Face data sets or plain lists of rows.

    Every row has a prompt (a string, or a list of chat messages) and the columns that the rewards read. The policy's
    own tokenizer makes the ids, in `setup`. Prompts are shared out over ranks here: Lightning adds no sampler.

    Raises:
        TypeError: One of ``tools`` is no function with type hints and a docstring.
        ValueError: An empty data set, a value of ``too_long`` that is not one of the two, a quantile outside 0 to 1, or
            an example that is not a question and an answer.

    Example:
        >>> data = PromptDataModule([{"prompt": "1+1=?", "answer": "2"}], system_prompt="Answer in one word.")
        >>> data.prompts
        {}
    """

    train: Rows | Source | str = field(kw_only=False)
    """A data set, a list of rows, a `Source`, or the name of a data set on the hub (its ``train`` split)."""
    validation: Rows | Source | str | None = field(default=None, kw_only=False)
    """Held-out rows, in the same forms (of a named data set, its ``test`` split); none skips validation."""
    test: Rows | Source | str | None = None
    """Rows for ``trainer.test`` and ``trainer.predict``, in the same forms; without any the held-out rows serve."""
    prompt_column: str = "prompt"
    """Column of the prompt."""
    template: AnswerTemplate | None = None
    """Imposes its structured answer: its system prompt opens every conversation, and every prompt ends with its
    generation prompt. Give the rewards the same one."""
    system_prompt: str | None = None
    """Opens every conversation, in place of the template's."""
    examples: Sequence[tuple[str, str]] = ()
    """Questions and their answers, as turns of the conversation before every prompt (few-shot). They show an
    instruction model what an answer looks like, and are the same for all prompts."""
    request: str | None = None
    """A line after every question, those of the examples included, such as ``"Write it as an equation:"``: a small
    model has forgotten the system prompt by then."""
    tools: Tools | None = None
    """Functions that the policy may call, or a class whose public methods they are; the chat template shows them. Give
    the `Toolbox` the same."""
    plain_chat: bool = False
    """Give the tokenizer the plain chat template of `set_structured_chat_template`, for base models; with
    ``template``."""
    max_prompt_tokens: int | None = None
    """Budget of a prompt, chat template included."""
    too_long: TooLong = "refuse"
    """``"refuse"`` raises on a prompt above the budget; ``"drop"`` leaves it out and says how many."""
    max_prompt_quantile: float | None = None
    """Leaves out the training prompts longer than this quantile of their lengths in tokens, chat template included,
    and says how many; held-out prompts all stay."""
    verifiable: Callable[[str], bool] | None = None
    """Tells whether a gold can be checked, such as `rlframework.data.math_gold`. Rows whose gold cannot be are left out
    of both splits with a warning that says how many; without it all rows stay."""
    answer_column: str = "answer"
    """Column of the gold that it is asked about."""
    validation_batch_size: int = 256
    """Prompts that are validated, tested or answered together."""

    def before_fields(self) -> None:
        """Initialise the LightningDataModule, once."""
        if "prepare_data_per_node" not in self.__dict__:
            pl.LightningDataModule.__init__(self)

    def __post_init__(self) -> None:
        """Check the arguments and find the sources of the rows."""
        super().__post_init__()
        at_least(self, 1, max_prompt_tokens=self.max_prompt_tokens, validation_batch_size=self.validation_batch_size)
        if self.too_long not in get_args(TooLong):
            raise ValueError(f"too_long={self.too_long!r}: choose one of {get_args(TooLong)}")
        if self.plain_chat and self.template is None:
            raise ValueError("plain_chat=True writes chats around a structured answer; pass template=AnswerTemplate()")
        if wrong := [example for example in self.examples if len(example) != 2 or isinstance(example, str)]:
            raise ValueError(f"an example is a question and its answer, [question, answer]; got {wrong[0]!r}")
        quantile = self.max_prompt_quantile
        if quantile is not None and not 0 < quantile <= 1:
            raise ValueError(f"max_prompt_quantile={quantile} must lie in (0, 1]; 0.9 keeps 90 percent")
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        for source in given.values():
            if isinstance(source, str):
                _refuse_path(source)
        self.sources: dict[str, Any] = _Splits(
            (split, Source(source, split=_HUB_SPLITS[split]) if isinstance(source, str) else source)
            for split, source in given.items()
            if _not_empty(split, source)
        )
        system_prompt, instruction = self.system_prompt, None
        if self.template is not None and system_prompt is None:
            system_prompt = instruction = self.template.system_prompt
        self.tokenization: dict[str, Any] = {
            "prompt_column": self.prompt_column,
            "system_prompt": system_prompt,
            "instruction": instruction,
            "generation_prompt": self.template.generation_prompt if self.template else "",
            "max_prompt_tokens": self.max_prompt_tokens,
            "too_long": self.too_long,
            "examples": [tuple(example) for example in self.examples],
            "request": self.request,
            "tools": [schema_of(function) for function in functions_of(self.tools)] if self.tools is not None else [],
        }
        self.prompts: dict[str, Sequence[Prompt]] = {}
        self._tokenizer: Any = None
        # Under a name of its own: loggers lay these beside those of the algorithm, which has a seed, too.
        self._log_hyperparams = True
        self._hparams_initial = AttributeDict({"data": without_secrets(in_words(self))})

    def setup(self, stage: str) -> None:
        """Tokenise what the stage needs, once, with the policy's tokenizer."""
        tokenizer = self._algorithm().policy.tokenizer
        if tokenizer is not self._tokenizer:
            self.prompts, self._tokenizer = {}, tokenizer
        needed = _SPLITS_OF_STAGES.get(stage) or {self.test_split}
        for split in self.sources:
            if split not in self.prompts and split in needed:
                self.prompts[split] = self.tokenize(split, tokenizer)

    @property
    def test_split(self) -> str:
        """The split that ``trainer.test`` and ``trainer.predict`` read: ``"test"``, or the held-out one without it."""
        return "test" if "test" in self.sources else "validation"

    def rows(self, split: str) -> Rows:
        """Return the rows of a split, ``"train"``, ``"validation"`` or ``"test"``; override it to bring others.

        Args:
            split: Name of the split.
        """
        source = self.sources[split]
        return source.load() if isinstance(source, Source) else source

    def tokenize(self, split: str, tokenizer: Any) -> Sequence[Prompt]:
        """Return the prompts of a split, ``"train"``, ``"validation"`` or ``"test"``, as the policy will read them.

        Args:
            split: Name of the split.
            tokenizer: Of the policy.
        """
        if self.plain_chat:
            set_structured_chat_template(tokenizer, self.template, self.tokenization["system_prompt"])
        rows = self.rows(split)
        if self.verifiable is not None:
            rows = with_readable_golds(rows, self.verifiable, self.answer_column, split)
        quantile = self.max_prompt_quantile if split == "train" else None
        prompts = tokenize_rows(rows, tokenizer, **self.tokenization, max_prompt_quantile=quantile)
        if self.template is not None:
            _refuse_opened_working(self.template, prompts[0].text)
        return prompts

    def train_dataloader(self) -> RolloutLoader:
        """Return the lazy stream of rollout minibatches."""
        return self._algorithm().rollout_loader(self.prompts["train"])

    def val_dataloader(self) -> PromptBatches | list[Any]:
        """Return batches of held-out prompts; without any what the algorithm's own ``val_dataloader`` returns."""
        return self._batches("val_dataloader", "validation")

    def test_dataloader(self) -> PromptBatches | list[Any]:
        """Return batches of the test prompts, or of the held-out ones where there is no test split."""
        return self._batches("test_dataloader", self._test_split())

    def predict_dataloader(self) -> PromptBatches | list[Any]:
        """Return the batches that ``trainer.test`` reads, to be answered."""
        return self._batches("predict_dataloader", self._test_split())

    def _test_split(self) -> str:
        if "test" not in self.sources and "validation" in self.sources:
            rank_zero_info("The data has no test split: the held-out (validation) prompts are read.")
        return self.test_split

    def _batches(self, hook: str, split: str) -> Any:
        algorithm = self._algorithm()
        if split in self.prompts:
            return algorithm.prompt_loader(self.prompts[split], self.validation_batch_size)
        if is_overridden(hook, algorithm):
            # Lightning asks the data module alone where it has the hook.
            return getattr(algorithm, hook)()
        if hook == "val_dataloader":
            return []
        raise ValueError(
            f"{type(self).__name__} has no rows to {hook.partition('_')[0]}: pass test=... or validation=..., or "
            f"override {hook} in the algorithm"
        )

    def _algorithm(self) -> Algorithm:
        if self.trainer is None:
            raise RuntimeError("the prompts are tokenised by a run; pass the datamodule to trainer.fit or .validate")
        module = self.trainer.lightning_module
        if not isinstance(module, Algorithm):
            raise TypeError(f"a PromptDataModule feeds an algorithm of rlframework, not {type(module).__name__}")
        return module


class _Splits(dict[str, Any]):
    """What there is by split, with a word to whoever asks for another."""

    def __missing__(self, split: str) -> Any:
        raise KeyError(f"this data has no {split!r} split, only {' and '.join(map(repr, self))}")


# What `LocalFile` reads, and other endings that files of rows have and names on the hub do not.
_FILES = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
_OTHER_FILES = (".ndjson", ".txt", ".xlsx", ".arrow", ".feather", ".pkl", ".gz", ".bz2", ".xz", ".zst", ".zip")
_HUB_SPLITS = {"train": "train", "validation": "test", "test": "test"}
_SPLITS_OF_STAGES = {"fit": {"train", "validation"}, "validate": {"validation"}}


def _refuse_path(name: str) -> None:
    """Refuse a file, and a path to nothing, which would be looked for on the hub."""
    if Path(name).is_file() or Path(name).suffix.lower() in _FILES + _OTHER_FILES:
        raise ValueError(
            f"{name!r} is a file, and a string names a data set of the hub here; "
            f"pass LocalFile({name!r}, prompt=..., answer=...) of rlframework.data, which reads {', '.join(_FILES)}"
        )
    if name.startswith((".", "/", "~")) and not Path(name).exists():
        raise FileNotFoundError(
            f"there is no folder {name} (looked for in {Path.cwd()}); pass one as load_dataset reads it, a list of "
            "rows, or a LocalFile of rlframework.data"
        )


def _refuse_opened_working(template: AnswerTemplate, prompt: str) -> None:
    """Refuse a prompt that opens the working where completions are to open it: none of them would have the layout."""
    ends = opens_working(prompt) or prompt.rstrip().endswith(template.start_working)
    if not template.working_opened_by_prompt and ends:
        raise ValueError(
            f"the chat template ends a prompt with {prompt[-60:]!r}, and the answer template has every completion open "
            f"with {template.start_working!r}; pass "
            "AnswerTemplate(start_working=..., working_opened_by_prompt=True) with the tag that is there"
        )


def _not_empty(split: str, source: Rows | Source | str | None) -> bool:
    if source is not None and not isinstance(source, (str, Source)) and len(source) == 0:
        raise ValueError(f"the {split} data set is empty")
    return source is not None
