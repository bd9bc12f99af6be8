"""``rlframework probe``: is there something to reinforce? Measured before any training."""

from __future__ import annotations

import json
import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from pytorch_lightning.cli import LightningArgumentParser

from rlframework.cli.lightning import BLAMED, RecipeCLI, end, said
from rlframework.report.probing.measure import probe
from rlframework.report.probing.table import print_probe
from rlframework.utilities.imports import require
from rlframework.utilities.paths import writable_folder

PROG = "rlframework probe"


class ProbeCLI(RecipeCLI):
    """Reads what ``rlframework fit`` reads; of the Trainer only device and precision are used."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of a probe, and those that ``fit`` takes as well."""
        add = parser.add_argument
        add("--prompts", type=int, default=64, help="how many prompts to ask (by default 64)")
        add("--group_size", type=int | None, default=None, help="answers to a prompt (by default the sampler's)")
        add("--output", type=str | None, default=None, help="a file of JSON to write the figures to")
        add("--ckpt_path", type=str | None, default=None, help="a checkpoint to probe")
        add("--weights_only", type=bool | None, default=None, help="of a configuration for fit; not used")

    def before_instantiate_classes(self) -> None:
        """Refuse what cannot be carried out; leave aside what a run writes, and how many processes it has.

        Raises:
            OSError: There is no such checkpoint, or the output cannot be written.
            ValueError: A number of prompts or of answers below 1.
        """
        _check(self.config)
        for name, value in _ASIDE.items():
            self.config.trainer[name] = value

    def parse(self, parser: LightningArgumentParser, args: Any) -> None:
        """Read the arguments; Lightning's own would warn that those of the process begin with the command's name."""
        self.config = parser.parse_args(args)

    def prog(self, command: str | None = None) -> str:
        """Return the command as it is called."""
        return PROG


_ASIDE = {
    "logger": False,
    "callbacks": None,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "fast_dev_run": False,
    "limit_predict_batches": None,
}


def _check(config: Any) -> None:
    """Refuse before a model is loaded and sampled what would end the probe after it."""
    if config.prompts < 1:
        raise ValueError(f"--prompts {config.prompts}: at least one has to be asked")
    if config.group_size is not None and config.group_size < 1:
        raise ValueError(f"--group_size {config.group_size}: at least one answer to a prompt has to be sampled")
    # Lightning knows some by a word (best, last) or an address.
    path = config.ckpt_path
    if path is not None and os.path.splitext(path)[1] and "://" not in path and not Path(path).exists():
        raise FileNotFoundError(f"--ckpt_path {path}: there is no such checkpoint (looked for in {Path.cwd()})")
    if config.output is not None:
        output = Path(config.output)
        writable_folder(output.parent)
        if output.is_dir() or (output.exists() and not os.access(output, os.W_OK)):
            kind = "is a folder" if output.is_dir() else "may not be written"
            raise PermissionError(f"--output {output} {kind}; name a file to write the figures to")


def main(arguments: list[str] | None = None) -> int:
    """Probe what a configuration would train.

    Args:
        arguments: Instead of those of the process, without the command's name.

    Returns:
        The exit status: 0 if there is something to reinforce, 1 if no group has spread.

    Raises:
        ImportError: jsonargparse or rich is not installed.
        SystemExit: Of status 2, after a line that says why the command cannot be carried out.
    """
    require("jsonargparse", "cli")
    require("rich", "report")
    try:
        cli: Any = ProbeCLI(
            arguments,
            save_config_callback=None,
            run=False,
            parser_kwargs={"prog": PROG, "description": __doc__},
        )
        config = cli.config
        report = probe(cli.model, cli.datamodule, config.prompts, config.group_size, cli.trainer, config.ckpt_path)
        print_probe(report)
        if config.output is not None:
            Path(config.output).write_text(json.dumps(report.figures(), indent=2) + "\n", encoding="utf-8")
    except UnpicklingError:  # torch advises to read it at one's own risk
        end(
            PROG,
            f"{config.ckpt_path} is no checkpoint, or holds more than tensors and plain values, which could run code",
        )
    except (EOFError, *BLAMED) as error:
        end(PROG, said(error))
    return 0 if report.fit else 1
