"""``rlframework probe``: what there is to reinforce, before any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytorch_lightning.cli import LightningArgumentParser

from rlframework.algorithms import PolicyModule
from rlframework.data import PromptDataModule
from rlframework.optional import require
from rlframework.recipe_cli import RecipeCLI
from rlframework.report.probe_measure import probe
from rlframework.report.probe_table import print_probe


class ProbeCLI(RecipeCLI):
    """Reads what ``rlframework fit`` reads; of the Trainer only device and precision are used."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what a probe can be told, and what ``fit`` takes besides."""
        add = parser.add_argument
        add("--prompts", type=int, default=64, help="how many prompts to ask (by default 64)")
        add("--group_size", type=int | None, default=None, help="answers to a prompt (by default the sampler's)")
        add("--output", type=str | None, default=None, help="a file of JSON to write the figures to")
        add("--ckpt_path", type=str | None, default=None, help="a checkpoint to probe")
        add("--weights_only", type=bool | None, default=None, help="of a configuration for fit; not used")

    def before_instantiate_classes(self) -> None:
        """Leave aside what a run writes, and how many processes it has."""
        for name, value in _ASIDE.items():
            self.config.trainer[name] = value

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Read the arguments; Lightning's own would warn that those of the process begin with the command's name."""
        self.config = parser.parse_args(args)


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


def main(arguments: list[str] | None = None) -> int:
    """Probe what a configuration would train.

    Args:
        arguments: Instead of those of the process, without the command's name.

    Returns:
        The exit status: 0 if there is something to reinforce, 1 if no group has spread.

    Raises:
        ImportError: jsonargparse or rich is not installed.
    """
    require("jsonargparse", "cli")
    require("rich", "report")
    cli: Any = ProbeCLI(
        PolicyModule,
        PromptDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=None,
        run=False,
        args=arguments,
        parser_kwargs={"prog": "rlframework probe", "description": __doc__},
    )
    asked = cli.config
    report = probe(cli.model, cli.datamodule, asked.prompts, asked.group_size, cli.trainer, asked.ckpt_path)
    print_probe(report)
    if asked.output:
        Path(asked.output).write_text(json.dumps(report.figures(), indent=2) + "\n")
    return 0 if report.fit else 1
