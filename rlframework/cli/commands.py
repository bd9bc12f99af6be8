"""The command ``rlframework``: its subcommands are listed at once, and each is imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from rlframework.cli.help import ABOUT, short_help

COMMANDS = {
    "fit": ("lightning", "train by a YAML file or by options, as Lightning's command line does"),
    "validate": ("lightning", "measure on the held-out prompts, by the same file and options"),
    "test": ("lightning", "measure on the test split, by the same file and options"),
    "predict": ("lightning", "sample completions and score them, by the same file and options"),
    "eval": ("eval", "accuracy, pass@k and maj@k of a checkpoint, a folder or a hub model on a data set"),
    "probe": ("probe", "what there is to reinforce, before any training, by the YAML file of `fit`"),
    "check": ("check", "prove an algorithm of your own: its gradients, denominators and options"),
    "serve": ("serve", "start a vLLM server for rollouts, and the receiver of its weights"),
    "doctor": ("doctor", "try what a run needs here: versions, devices, servers, ranks, one step"),
    "export": ("export", "what a run has learned, for other libraries: adapter, merged, GGUF"),
    "report": ("report", "what a run was and learned, as one HTML page; several runs side by side"),
    "reward-report": ("reward_report", "what a reward pays for, before any training"),
    "replay": ("replay", "a step of a past run again, token by token, held against its log"),
    "rescore": ("rescore", "what another reward would have paid in a past run"),
    "watch": ("watch", "a run in the terminal, from its folder: does it live, curves, completions, sentinels"),
    "from-trl": ("from_trl", "the YAML file of `fit` from a script or a configuration of TRL"),
    "plan": ("plan", "memory of each device, ways to make it fit and seconds per step, before anything is loaded"),
}
"""By the name of a command: the module that runs it, and what is said of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework COMMAND``: fit, eval, probe, plan, serve, doctor, export, report, and the others of `COMMANDS`.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status.

    Example:
        >>> main(["--version"])
        Traceback (most recent call last):
        ...
        SystemExit: 0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        options = parser()
        options.parse_args(given)  # --help, --version, and what is wrong end here.
        options.print_help()
        return 2
    if given[0] in ABOUT:
        if given[1:] in (["--help"], ["-h"], []):
            print(short_help(given[0]), end="")
            return 0 if given[1:] else 2
        given = ["--help" if word == "--help-all" else word for word in given]
    # A YAML file names classes of the working folder; last on the path, so that none hides one of ours.
    sys.path.append(os.getcwd())
    module, _ = COMMANDS[given[0]]
    if module in ("lightning", "probe"):
        from rlframework.cli.unsloth_first import import_unsloth_first

        import_unsloth_first(given)
    run = import_module(f"rlframework.cli.{module}").main
    if module != "lightning":
        return int(run(given[1:]))
    run(given)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the argument parser that lists the commands."""
    options = argparse.ArgumentParser(
        prog="rlframework",
        description="Reinforcement learning on verifiable rewards for language models.",
        epilog="`rlframework COMMAND --help` says more about one.",
    )
    options.add_argument("--version", action="version", version=f"rlframework {version('rlframework')}")
    commands = options.add_subparsers(title="commands", metavar="COMMAND")
    for name, (_, about) in COMMANDS.items():
        commands.add_parser(name, help=about, add_help=False)
    return options


if __name__ == "__main__":
    sys.exit(main())
