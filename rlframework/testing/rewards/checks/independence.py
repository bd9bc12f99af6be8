"""Independence of a score from chance, from the order of rows and groups, and from the rest of the batch."""

from __future__ import annotations

import copy

import torch

from rlframework.completions import Completion, Completions
from rlframework.testing.report import Violation
from rlframework.testing.rewards.cases import answered
from rlframework.testing.rewards.subject import Subject, first_difference


def determinism(subject: Subject) -> str:
    """The same completions get the same scores again, also in a fresh process."""
    completions = subject.batch()
    first = subject.scores(copy.deepcopy(completions))
    for _ in range(2):
        apart = first_difference(first, subject.scores(copy.deepcopy(completions)), completions)
        if apart:
            raise Violation(
                f"asked again, {apart}",
                "take random numbers from a generator that is seeded by the text, and keep no state between calls",
            )
    if not subject.elsewhere.reachable:
        return "the same three times; not tried in a fresh process, see process_safety"
    outcome = subject.elsewhere.judge(completions)
    if outcome.failure:
        return "the same three times; it fails in a fresh process, see process_safety"
    apart = first_difference(first, torch.tensor(outcome.value.scores).view_as(first), completions)
    if apart:
        raise Violation(
            f"in a fresh process {apart}",
            "hash() of a text, the order of a set, and what earlier calls left behind differ from process to process",
        )
    return "the same three times, and in a fresh process"


def order_independence(subject: Subject) -> str:
    """Groups in another order, and rows in another order within each, get the same scores."""
    completions = subject.batch()
    groups = list(completions.groups())
    plain = subject.scores(copy.deepcopy(completions))
    # Every group is turned by another step: columns of (N, G) mean nothing either.
    turned = [group[1 + i % 3 :] + group[: 1 + i % 3] for i, group in enumerate(groups)]
    for what, changed in {"its rows turned": turned, "the groups reversed": groups[::-1]}.items():
        rows = [row for group in changed for row in group]
        scores = subject.scores(copy.deepcopy(Completions(rows, completions.group_size))).flatten()
        places = {id(row): place for place, row in enumerate(rows)}
        back = torch.stack([scores[places[id(row)]] for row in completions]).view_as(plain)
        apart = first_difference(plain, back, completions)
        if apart:
            raise Violation(
                f"with {what}, {apart}",
                "treat all rows alike: none is first, and a score stands where its completion stood",
            )
    return f"scores follow their rows and their {len(groups)} groups"


def batch_independence(subject: Subject) -> str:
    """A completion alone gets the score that it gets among others; with compares_rows, a group does."""
    completions = subject.batch()
    group_size = completions.group_size if subject.compares_rows else 1
    rows = completions.rows
    alone = torch.cat(
        [
            subject.scores(copy.deepcopy(Completions(rows[start : start + group_size], group_size))).flatten()
            for start in range(0, len(rows), group_size)
        ]
    )
    for company, others in _company(completions).items():
        crowd = copy.deepcopy(Completions(rows + others, completions.group_size))
        together = subject.scores(crowd).flatten()[: len(rows)]
        apart = first_difference(together, alone, completions)
        if apart and subject.compares_rows:
            raise Violation(
                f"among {company}, and with its group alone, {apart}",
                "compare the rows of a group and no others: how groups are cut into batches and ranks must not matter",
            )
        if apart:
            raise Violation(
                f"among {company}, and alone, {apart}",
                "judge each row for itself; or, if rows of a group are meant to be compared, say compares_rows=True",
            )
    who = "each group" if subject.compares_rows else f"each of {len(rows)} rows"
    return f"{who} alone is scored as among the others, beside empty texts and long ones"


def _company(completions: Completions) -> dict[str, list[Completion]]:
    """Return groups to stand beside all others, unlike them in whatever a batch could be measured by."""
    prompt, longest = completions.rows[0].prompt, max((row.text for row in completions), key=len)
    count = completions.group_size
    return {
        "the others": [],
        "the others and a group of empty texts": [answered(prompt, "")] * count,
        "the others and a group of long texts": [answered(prompt, (longest or "word ") * 50)] * count,
    }
