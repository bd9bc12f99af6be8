"""``rlframework fit``, ``validate``, ``test`` and ``predict``: Lightning's command line; mistakes in short."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NoReturn

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import BasePredictionWriter
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException

import rlframework.algorithms
import rlframework.callbacks
import rlframework.rewards
import rlframework.samplers
from rlframework.cli.settings import Refused, Setting, read_settings
from rlframework.data import PromptDataModule
from rlframework.loggers import AppendingCSVLogger
from rlframework.loop.algorithm import Algorithm
from rlframework.report.samples import write_samples
from rlframework.utilities.distributed import replica_rank
from rlframework.utilities.imports import require
from rlframework.utilities.known_warnings import LOFTQ, without
from rlframework.utilities.paths import writable_folder

# `--model GRPO`: short names are those of classes that are imported, which these do when they are asked.
for _home in (rlframework.algorithms, rlframework.callbacks, rlframework.rewards, rlframework.samplers):
    for _name in _home.__all__:
        getattr(_home, _name)
# What a setting can be blamed for; anything else is a fault of the program, and shown with where it happened.
BLAMED = (ImportError, KeyError, MisconfigurationException, OSError, RuntimeError, TypeError, ValueError)
# Lightning's functions that a batch goes through.
_AT_WORK = {"advance", "_evaluation_step", "_predict_step"}
_LINES, _WIDTH = 4, 400


class RecipeParser(LightningArgumentParser):
    """Lightning's parser, which hands on what it refuses and remembers which class refused its arguments."""

    failed: tuple[type, dict[str, Any], Exception] | None = None

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message, for `RecipeCLI` to say in words.

        Args:
            message: By the parser, about its search for a type that fits.
            ex: What it was raised from.

        Raises:
            Refused: Always, but of a parser that was asked for an exception of jsonargparse.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        raise Refused(message) from ex

    def add_instantiator(self, instantiator: Callable[..., Any], class_type: type, **options: Any) -> None:
        """Add what constructs the objects of a class, and watch it.

        Args:
            instantiator: Called with the class and its arguments.
            class_type: The class.
            **options: As of jsonargparse.
        """

        @wraps(instantiator)
        def watched(kind: type, *args: Any, **kwargs: Any) -> Any:
            try:
                return instantiator(kind, *args, **kwargs)
            except Exception as error:
                self.failed = self.failed or (kind, kwargs, error)
                raise

        super().add_instantiator(watched, class_type, **options)


class RecipeCLI(LightningCLI):
    """LightningCLI over any algorithm, `SFT` too, and any `PromptDataModule`.

    What is wrong in a YAML file or an option ends with status 2 and a few lines: the place, the name, what was meant.

    Args:
        args: Arguments instead of those of the process; or all settings, as a YAML file has them.
        **options: For ``LightningCLI``.
    """

    def __init__(self, args: list[str] | dict[str, Any] | None = None, **options: Any) -> None:
        self.settings = Setting({}, "the command line")
        words = sys.argv[1:] if args is None else args
        self.command = next((word for word in words if word in LightningCLI.subcommands()), None)
        if not options.get("run", True):
            self.command = None
        super().__init__(
            Algorithm,
            PromptDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=args,
            **{"parser_class": RecipeParser, **options},
        )

    def prog(self) -> str:
        """Return the command as it is called."""
        return f"rlframework {self.command or ''}".rstrip()

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Return the command that was given, as the arguments of each take a quarter of a second; else all of them."""
        known = LightningCLI.subcommands()
        return known if self.command is None else {self.command: known[self.command]}

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the arguments, and end with what is wrong with them, if anything is.

        Args:
            parser: With the commands.
            args: Instead of the arguments of the process.
        """
        words = sys.argv[1:] if args is None else args
        try:
            self.settings = read_settings(words if isinstance(words, Sequence) else [])
        except Refused as refusal:
            end(self.prog(), refusal.message)
        try:
            # Lightning's own warns of arguments that are given in place of those of the process.
            self.config = parser.parse_args(args) if isinstance(words, list) else parser.parse_object(args)
        except (Exception, Refused) as refusal:
            from rlframework.cli.mistakes import arguments_in, mistake

            known = arguments_in(self._parser(self.command)).items()
            roots = {name: one for name, one in known if name.partition(".")[0] not in ("config", "trainer")}
            for name in ("model", "data"):
                roots[name] = roots[name]._replace(required=True)
            found = mistake(self.settings, roots, {"trainer": Trainer})
            if found is None and not isinstance(refusal, Refused):
                raise
            end(self.prog(), found or shortened(str(refusal)))

    def _add_instantiators(self) -> None:
        super()._add_instantiators()
        if isinstance(self.parser, RecipeParser):  # of all other classes, to watch them
            self.parser.add_instantiator(lambda kind, *args, **kwargs: kind(*args, **kwargs), object)

    def _checkpoint(self) -> str | None:
        """Return the checkpoint that a command is to load, if it is a file here."""
        command = self.config.get("subcommand")
        path = self.config[command].get("ckpt_path") if command else None
        return path if path and os.path.isfile(path) else None

    def _parse_ckpt_path(self) -> None:
        """Let the command line have the last word: Lightning would put a checkpoint's settings in place of its own."""

    def instantiate_classes(self) -> None:
        """Construct the policy, the algorithm, the data module and the Trainer, and end with what one refuses."""
        try:
            with without(LOFTQ):  # PEFT's warning of a default nobody set
                super().instantiate_classes()
        except Exception as error:
            kind, given, cause = getattr(self.parser, "failed", None) or (None, {}, error)
            if not isinstance(cause, BLAMED):
                raise cause from None
            from rlframework.cli.mistakes import place_of

            place = place_of(self.settings, said(cause), kind, given)
            end(self.prog(), f"{place}:\n  {said(cause)}" if place else said(cause))
        path = self._checkpoint()
        for logger in self.trainer.loggers:
            if path and self.subcommand == "fit" and isinstance(logger, AppendingCSVLogger):
                logger.resume(path)

    def predict(self, **options: Any) -> None:
        """Run ``trainer.predict``, and write what it returns where no callback does: ``predictions.jsonl``.

        Args:
            **options: Of ``trainer.predict``.
        """
        parts = self.trainer.predict(**options)
        if not parts or any(isinstance(one, BasePredictionWriter) for one in self.trainer.callbacks):  # type: ignore[attr-defined]
            return
        rank, replicas = replica_rank(self.trainer)
        folder = writable_folder(self.trainer.log_dir or self.trainer.default_root_dir)
        rows = [row for part in parts for row in part]
        # An algorithm of one's own may return bare completions.
        scored = [getattr(part, "scores", {}) for part in parts]
        names = dict.fromkeys(name for scores in scored for name in scores)
        totals = {name: torch.cat([scores[name].total.flatten() for scores in scored if scores]) for name in names}
        name = "predictions.jsonl" if replicas == 1 else f"predictions-{rank}.jsonl"
        print(write_samples(folder / name, rows, totals, getattr(self.datamodule, "template", None)))

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            with warnings.catch_warnings():
                if subcommand != "fit":
                    # Lightning would measure the untrained policy, with a warning.
                    warnings.filterwarnings("error", message=".*no last checkpoint available")
                super()._run_subcommand(subcommand)
        except UserWarning as warning:
            if "no last checkpoint available" not in str(warning):
                raise
            # Not the Trainer's log_dir, for which ranks wait for each other, and here may be one alone.
            where = getattr(self.trainer.logger, "log_dir", None) or self.trainer.default_root_dir
            end(self.prog(), f"--ckpt_path last: there is none in {where}, the folder of this command; give its path")
        except BLAMED as error:
            # Before the first batch it is about what was set; afterwards about what happened, and where.
            if _AT_WORK & {frame.name for frame in traceback.extract_tb(error.__traceback__)}:
                raise
            end(self.prog(), said(error))


def main(args: list[str] | None = None, **options: Any) -> RecipeCLI:
    """Run Lightning's command line; the configuration is saved next to the logs.

    Args:
        args: Arguments instead of those of the process: a subcommand, then its options.
        **options: For ``LightningCLI``.

    Raises:
        ImportError: jsonargparse is not installed.
        SystemExit: Of status 2, after a few lines that say what is wrong in a file or an option.
    """
    require("jsonargparse", "cli")
    usual = {"save_config_kwargs": {"overwrite": True}, "parser_kwargs": {"prog": "rlframework"}}
    return RecipeCLI(args, **{**usual, **options})


def end(prog: str, why: str) -> NoReturn:
    """Print why a command cannot be carried out, and end with status 2.

    Args:
        prog: The command.
        why: In few lines.
    """
    print(f"{prog}: error: {why}", file=sys.stderr)
    raise SystemExit(2)


def said(error: BaseException) -> str:
    """Return what an exception says, in few lines: a KeyError without its quotes.

    Example:
        >>> said(KeyError("no column 'prompt'"))
        "no column 'prompt'"
    """
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error) or type(error).__name__
    return shortened(text)


def shortened(message: str) -> str:
    r"""Return a message without the values that a parser repeats, which may be a whole file, and without its search.

    Example:
        >>> shortened("Parser key 'x':\n  Does not validate against any of the Union subtypes\n  Given value: {1: 2}")
        "Parser key 'x':"
    """
    lines = message.partition("Given value")[0].splitlines()
    kept = [line for line in lines if line.strip() and "Union subtypes" not in line and "Subtypes:" not in line]
    return "\n".join(line if len(line) <= _WIDTH else f"{line[:_WIDTH]} ..." for line in kept[:_LINES])
