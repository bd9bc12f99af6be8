"""``rlframework replay``: an optimizer step of a past run again, token by token, held against its log."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlframework.cli.arguments import count

if TYPE_CHECKING:
    from rlframework.cli.lightning import RecipeCLI

DESCRIPTION = """\
Go through an optimizer step of a past run again: the completions on record are judged, weighed and learned from by the
run's own algorithm, with the weights that it had. Prints the figures beside those of the log, and the completions with
each token in the colour of its advantage, its ratio or another term of the loss."""

EPILOG = """\
RUN is the folder that `rlframework fit` has left: config.yaml, rollouts.jsonl (RolloutWriter), metrics.csv and
checkpoints. It is built again from config.yaml, so call it from where the run was started if that names files. The
weights are those of the checkpoint at the step; without one they are learned again from the last one before it, without
sampling. A run of a Python script is replayed by rlframework.replay.replay.
The exit status is 1 if a figure is not that of the log, except with --nearest; 2 if the command cannot be carried out;
else 0."""
# Settings of a command, which say nothing of the run.
_OF_FIT = ("ckpt_path", "weights_only", "verbose")


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework replay``."""
    options = argparse.ArgumentParser(
        prog="rlframework replay",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("run", metavar="RUN", help="folder of the run, or one above it, whose newest version is taken")
    add("--step", type=int, required=True, metavar="N", help="optimizer steps done before it, as in metrics.csv")
    add("--nearest", action="store_true", help="take the weights of the nearest checkpoint; quick, and not exact")
    add(
        "--by",
        default="advantage",
        metavar="TERM",
        help="colours the tokens: ratio, slope, kl, entropy, ... (by default advantage)",
    )
    add("--groups", type=count, metavar="N", help="show so many groups (by default 2 in the terminal, 16 in a page)")
    add("--html", metavar="FILE", help="write a page, too, with every term on hover")
    add("--config", metavar="FILE", help="instead of the config.yaml of the run")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework replay``: a step of a past run again.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0, or 1 if the step is not as it was logged.
    """
    options = parser()
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.replay.page import save_page
    from rlframework.replay.running import replay
    from rlframework.replay.terminal import print_replay
    from rlframework.runs import RunFolder
    from rlframework.utilities.lightning_log import lightning_log

    try:
        folder = RunFolder(given.run)
        config = Path(given.config) if given.config else folder.path / "config.yaml"
        if not config.is_file():
            raise FileNotFoundError(
                f"there is no {config}: the run was not started by `rlframework fit`. Name its file by --config, or "
                "call rlframework.replay.replay with what your script makes"
            )
        # Lightning says at each start what devices there are.
        with lightning_log(logging.WARNING):
            built = build(config)
            trainer, algorithm, data = built.trainer, built.model, built.datamodule
            replayed = replay(trainer, algorithm, data, folder.path, given.step, nearest=given.nearest)
        print_replay(replayed, given.by, given.groups or 2)
        if given.html:
            print(save_page(replayed, given.html, given.groups or 16))
    except (ImportError, LookupError, OSError, TypeError, ValueError) as error:
        options.error(" ".join(str(error.args[0] if isinstance(error, LookupError) else error).split()))
    return 0 if replayed.same or given.nearest else 1


def build(config: Path) -> RecipeCLI:
    """Return algorithm, data and Trainer of a run, made again from its file, without what logs.

    Args:
        config: As ``rlframework fit`` has saved it.

    Raises:
        ValueError: It is no such file.
    """
    import yaml

    from rlframework.cli.lightning import RecipeCLI

    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    if not isinstance(settings, Mapping) or not {"model", "data", "trainer"} <= settings.keys():
        raise ValueError(f"{config} is no file of `rlframework fit`: it has no model, data and trainer")
    return RecipeCLI(on_one_device(settings), run=False, save_config_callback=None)


def on_one_device(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run for one process that logs nothing.

    Args:
        settings: Of ``rlframework fit``.

    Example:
        >>> on_one_device({"ckpt_path": None, "trainer": {"devices": 8, "max_steps": 5}})
        {'trainer': {'devices': 1, 'max_steps': 5, 'num_nodes': 1, 'strategy': 'auto', 'logger': False}}
    """
    alone = {"devices": 1, "num_nodes": 1, "strategy": "auto", "logger": False}
    kept = {name: value for name, value in settings.items() if name not in _OF_FIT}
    return {**kept, "trainer": {**settings["trainer"], **alone}}
