"""The verdict of a probe in a sentence: is there something to reinforce?"""

from __future__ import annotations

from collections.abc import Mapping

# Below FEW of the groups, nearly every prompt of a rollout is sampled for nothing; at ENOUGH a third teaches something.
FEW, ENOUGH = 0.1, 0.3
MOSTLY_CUT = 0.5
HARD, EASY = 0.2, 0.8


def verdict(
    *,
    spread: float,
    truncated: float,
    max_tokens: int,
    group_size: int,
    measure: str | None,
    pass_1: float | None,
    pass_all: float | None,
    components: Mapping[str, float],
    judged: float = 1.0,
) -> str:
    """Say whether there is something to reinforce, and what to try if not.

    Args:
        spread: Share of groups whose rewards differ.
        truncated: Share of completions that the token budget ended.
        max_tokens: That budget.
        group_size: Completions of a prompt, ``G``.
        measure: Name of what says right or wrong; None if nothing does.
        pass_1: Its pass@1.
        pass_all: Its pass@G.
        components: Share of groups with spread by reward component.
        judged: Share of completions that the reward did not abstain on.

    Example:
        >>> verdict(spread=0.06, truncated=0.0, max_tokens=64, group_size=8, measure="accuracy", pass_1=0.01,
        ...         pass_all=0.05, components={})
        '6 % of the groups have spread, and 5 % of the prompts are solved by any of 8 answers: too hard; try easier
        prompts, worked examples in the prompt, a reward with parts that can be had one by one, or priming by SFT.'
    """
    groups = f"{_percent(spread)} of the groups have spread"
    if judged == 0:
        return "The reward abstained on every completion: check the columns of the data and what the reward expects."
    cut = truncated >= MOSTLY_CUT
    if cut and spread < ENOUGH:
        return (
            f"{_percent(truncated)} of the completions were cut at max_tokens={max_tokens} before they had ended: "
            "raise it, or ask for shorter answers, and probe again."
        )
    if measure is None or pass_1 is None or pass_all is None:
        return f"{groups}: {_without_measure(spread)}"
    solved = f"{_percent(pass_all)} of the prompts are solved by any of {group_size} answers"
    if spread >= FEW and pass_all == 0:
        differing = [name for name, share in components.items() if share > 0]
        learned = ", ".join(differing) or "reward"
        return (
            f"{groups}, but no prompt is solved by any of {group_size} answers ({measure}): it would learn "
            f"{learned} and nothing of the task; try easier prompts, worked examples in the prompt, or priming by SFT."
        )
    if spread >= ENOUGH:
        though = f", though {_percent(truncated)} of the completions were cut at max_tokens={max_tokens}" if cut else ""
        return f"{groups}, and {solved}: there is something to reinforce{though}."
    return f"{groups}, and {solved}: {_why_little(spread, measure, pass_1, pass_all, group_size)}"


def _without_measure(spread: float) -> str:
    tell = "a measure of 0 and 1 in validation={...} would tell too hard from too easy."
    return "there is something to reinforce." if spread >= ENOUGH else f"little to reinforce; {tell}"


def _why_little(spread: float, measure: str, pass_1: float, pass_all: float, group_size: int) -> str:
    if pass_1 >= EASY:
        return "too easy; try harder prompts, or leave out those that are always solved (DynamicSampling)."
    if pass_all <= HARD:
        return (
            "too hard; try easier prompts, worked examples in the prompt, a reward with parts that can be had one by "
            "one, or priming by SFT."
        )
    if spread >= FEW:
        return (
            f"it would learn, slowly; a DynamicSampling that is handed {round(1 / spread)} prompts for each group it "
            f"keeps, or more than {group_size} answers a prompt, fills the rollouts."
        )
    # A group of which some answers are right and some wrong counts in pass@G, and with its share in pass@1.
    if pass_all - pass_1 > FEW:
        return (
            f"{measure} tells right answers from wrong ones to the same prompt, and the reward pays them alike; look "
            "at what it reads and pays (rlframework reward-report)."
        )
    return f"the answers to a prompt are nearly all alike; try a higher temperature, or more than {group_size} of them."


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
