"""The command ``rlframework``: what it can do, listed at once; what is asked for is imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

LIGHTNING = ("fit", "validate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework COMMAND``: fit, validate, probe, export or reward-report.

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
    if given and given[0] in COMMANDS:
        # A YAML file names classes of the working folder; last on the path, so that none hides one of ours.
        sys.path.append(os.getcwd())
        return COMMANDS[given[0]][0](given)
    options = parser()
    options.parse_args(given)  # --help, --version, and what is wrong end here.
    options.print_help()
    return 2


def parser() -> argparse.ArgumentParser:
    """Return what is said of all commands."""
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


def _reward_report(given: list[str]) -> int:
    from rlframework.cli.reward_report import main as report

    return report(given[1:])


def _probe(given: list[str]) -> int:
    from rlframework.cli.probe import main as probe

    return probe(given[1:])


def _export(given: list[str]) -> int:
    from rlframework.cli.export import main as export

    return export(given[1:])


def _lightning(given: list[str]) -> int:
    from rlframework.cli.lightning import main as run

    # Lightning warns of arguments that are given beside those of the process, even if they are the same.
    run(None if given == sys.argv[1:] else given)
    return 0


COMMANDS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "fit": (_lightning, "train by a YAML file or by options, as Lightning's command line does"),
    "validate": (_lightning, "measure on the held-out prompts, likewise"),
    "probe": (_probe, "what there is to reinforce, before any training, by the YAML file of `fit`"),
    "export": (_export, "what a run has learned, for other libraries: adapter, merged, GGUF"),
    "reward-report": (_reward_report, "what a reward pays for, before any training"),
}

if __name__ == "__main__":
    sys.exit(main())
