"""``rlframework reward-report``: the answers that a reward accepts, tried before any training."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rlframework.cli.arguments import add_reward, add_rows, count, rows_of, score, share

DESCRIPTION = """\
Score completions whose verdict is known beforehand, made from rows of your data: the expected answer in several
writings, wrong answers, hedged ones, answers in the wrong place, none at all, and cut ones. Prints how many wrong ones
are accepted and how many right ones refused, and writes reward_report.json and reward_report.html."""

EPILOG = """\
A score accepts if it is above --accept-above. By default that is halfway between what the expected answer gets and what
another row's answer gets in the same layout (medians), which is 0.5 for a reward of 0 and 1.
The exit status is 1 if a wrong answer is accepted, if a larger share of right ones than --max-false-refusals is
refused, if the reward fails on a completion, or if it judges the right answers of too few rows (--max-unverifiable);
2 if the command cannot be carried out; else 0."""


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework reward-report``."""
    options = argparse.ArgumentParser(
        prog="rlframework reward-report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add_reward(options)
    add_rows(options, "a .jsonl, .json, .csv, .tsv or .parquet file, or module:attribute of rows")
    add("--rows", type=count, default=200, metavar="N", help="take so many rows, evenly spaced (by default 200)")
    add("--accept-above", type=score, metavar="SCORE", help="a score above it accepts")
    add("--max-false-refusals", type=share, default=0.0, metavar="SHARE", help="to put up with (by default 0)")
    add(
        "--max-unverifiable",
        type=share,
        metavar="SHARE",
        help="of rows without a usable or checkable answer, to put up with (by default 0.2, as in a run)",
    )
    add("--out", default="reward_report", metavar="FOLDER", help="where to write (by default ./reward_report)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Report on a reward.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0 if the reward is fit for training, 1 if it is not.
    """
    options = parser()
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.reward_report.saving import save_reward_report
    from rlframework.reward_report.scoring import reward_report
    from rlframework.reward_report.sources import read_layout, read_reward
    from rlframework.reward_report.table import print_reward_report
    from rlframework.rewards.failure_limits import RewardLimits
    from rlframework.utilities.paths import writable_folder

    try:
        template = read_layout(given.layout) if given.layout else None
        rows, prompt, answer = rows_of(given)
        reward = read_reward(given.reward)
        writable_folder(given.out)
        report = reward_report(
            reward,
            rows,
            template=template,
            prompt_column=prompt,
            answer_column=answer,
            accept_above=given.accept_above,
            max_rows=given.rows,
            limits=None if given.max_unverifiable is None else RewardLimits(unverifiable=given.max_unverifiable),
        )
        paths = save_reward_report(report, given.out)
    except (KeyError, TypeError, ValueError, PermissionError) as error:
        options.error(" ".join(str(error.args[0] if isinstance(error, KeyError) else error).split()))
    print_reward_report(report, given.max_false_refusals)
    print("\n".join(map(str, paths)))
    return 0 if report.ok(given.max_false_refusals) else 1
