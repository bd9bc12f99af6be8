"""``rlframework reward-report``: what a reward pays for, before any training."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

DESCRIPTION = """\
Score completions whose verdict is known beforehand, made from rows of your data: the expected answer in several
writings, wrong answers, hedged ones, answers in the wrong place, none at all, and cut ones. Prints how many wrong ones
are accepted and how many right ones refused, and writes reward_report.json and reward_report.html."""

EPILOG = """\
A score accepts if it is above --accept-above. By default that is halfway between what the expected answer gets and what
another row's answer gets in the same layout (medians), which is 0.5 for a reward of 0 and 1.
The exit status is 1 if a wrong answer is accepted, if a larger share of right ones than --max-false-refusals is
refused, or if the reward fails on a completion; 2 if the command cannot be carried out; else 0."""


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(
        prog="rlframework reward-report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add(
        "--reward",
        action="append",
        required=True,
        metavar="NAME",
        help="module:attribute, file.py:attribute, package.Class, or a name from rlframework.rewards: a reward, its "
        "class, or a function; may be a sum such as 'A + 0.5 * B', and be given several times, which adds up",
    )
    add("--data", required=True, help="a .jsonl, .json, .csv or .parquet file, or module:attribute that gives rows")
    add("--prompt-column", default="prompt", metavar="NAME", help="by default: prompt")
    add("--answer-column", default="answer", metavar="NAME", help="by default: answer")
    add("--layout", metavar="NAME", help="'bare' for a reward that reads no tags, or module:attribute of a template")
    add("--rows", type=int, default=200, metavar="N", help="take so many rows, evenly spaced (by default 200)")
    add("--accept-above", type=float, metavar="SCORE", help="a score above it accepts")
    add("--max-false-refusals", type=_share, default=0.0, metavar="SHARE", help="to put up with (by default 0)")
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
    asked = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.report.reward_layout import BareLayout
    from rlframework.report.reward_scoring import reward_report
    from rlframework.report.reward_sources import find, read_reward, read_rows
    from rlframework.report.reward_table import print_reward_report

    try:
        template = BareLayout() if asked.layout == "bare" else find(asked.layout) if asked.layout else None
        report = reward_report(
            read_reward(asked.reward),
            read_rows(asked.data),
            template=template() if isinstance(template, type) else template,
            prompt_column=asked.prompt_column,
            answer_column=asked.answer_column,
            accept_above=asked.accept_above,
            max_rows=asked.rows,
        )
        paths = report.save(asked.out)
    except (ValueError, PermissionError) as error:
        options.error(str(error))
    print_reward_report(report, asked.max_false_refusals)
    print("\n".join(map(str, paths)))
    return 0 if report.ok(asked.max_false_refusals) else 1


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text}")
    return share
