"""A replay in the terminal: verdict, figures, coloured tokens, and nothing that acts on the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rlframework.replay import Pair, Replay, print_replay
from tests.replay.replays import replayed


def printed(found: Replay, colours: bool = False, **options: object) -> str:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=colours, color_system="truecolor" if colours else None, width=120, highlight=False
    )
    print_replay(found, console=console, **options)  # type: ignore[arg-type]
    return out.getvalue()


def test_it_says_what_differs() -> None:
    said = printed(replayed())
    assert (
        "Not as it was recorded: 1 of 2 figures of the log differ, and rewards or advantages of 0 of 4 completions."
        in said
    )
    [kl] = [[cell.strip() for cell in line.split("│")[1:5]] for line in said.splitlines() if "kl" in line]
    assert kl == ["kl", "0.25", "0.75", "0.5"]
    assert "Weights: those of <last>.ckpt." in said


def test_equal_figures_are_said_to_be_equal() -> None:
    found = replayed(figures={"kl": Pair(0.25, 0.25 + 1e-7), "new": Pair(None, 1.0)})
    assert (
        "Equal to the record to 1e-06: 1 figures of the log, and rewards and advantages of 4 completions."
        in printed(found)
    )
    assert "no figure, as the log has none of this step" in printed(replayed(figures={"new": Pair(None, 1.0)}))


def test_nothing_that_a_policy_wrote_acts_on_the_terminal() -> None:
    said = printed(replayed())
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\u202e" not in said
    for text in ("<script>alert(1)</script>", "\\x1b[2J", "\\u202egnp.exe", "[bold red]markup[/]", "⏎"):
        assert text in said.replace("\n", "") or text in said


def test_tokens_have_the_colour_of_the_term() -> None:
    by_advantage, by_ratio = (printed(replayed(), colours=True, term=term) for term in ("advantage", "ratio"))
    assert "\x1b[48;2;26;127;75m" in by_advantage  # the strongest green, of advantage 2
    assert "\x1b[48;2;97;26;22m" in by_advantage  # half of red, of advantage -1
    assert "\x1b[4;48;2;194;53;43ma" in by_ratio  # a ratio of 0.5, clipped
    assert "\x1b[2mb" in by_ratio  # given by the environment
    with pytest.raises(ValueError, match="have no 'kl'; they have advantage, clip_fraction_high"):
        printed(replayed(), term="kl")


def test_the_rest_of_the_groups_is_counted() -> None:
    assert "1 more groups" in printed(replayed(), groups=1)
    assert "more groups" not in printed(replayed(), groups=2)
