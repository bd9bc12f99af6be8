"""``rlframework rescore``: what another reward would have paid in a past run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rlframework.cli.arguments import add_reward, score

DESCRIPTION = """\
Score every completion that a run has on record by another reward: which completions change sides, which groups gain or
lose the spread that a group-relative algorithm learns from, and how far the order of advantages stays."""

EPILOG = """\
RUN is a folder with rollouts.jsonl, as RolloutWriter writes it. Advantages are rewards normalised within their group,
as GRPO does, of both rewards. With another reward the policy would have gone elsewhere: this is about the completions
that it had.
The exit status is 1 if a check of the reward failed, or it has a score for no completion; 2 if the command cannot be
carried out; else 0."""


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework rescore``."""
    options = argparse.ArgumentParser(
        prog="rlframework rescore",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("run", metavar="RUN", help="folder of the run, or one above it, whose newest version is taken")
    add_reward(options)
    add("--paid-above", type=score, default=0.0, metavar="SCORE", help="a reward above it pays (by default 0)")
    add(
        "--examples", type=int, default=3, metavar="N", help="show so many completions, the most changed (by default 3)"
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework rescore``: a past run under another reward.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0, or 1 if a check of the reward failed or it has a score for no completion.
    """
    options = parser()
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.replay.rescoring import rescore
    from rlframework.replay.rescoring_table import print_rescoring
    from rlframework.reward_report.sources import read_reward

    try:
        found = rescore(given.run, read_reward(given.reward))
    except (ImportError, KeyError, OSError, TypeError, ValueError) as error:
        options.error(" ".join(str(error.args[0] if isinstance(error, KeyError) else error).split()))
    print_rescoring(found, given.paid_above, given.examples)
    return 1 if found.failures or found.now.isnan().all() else 0
