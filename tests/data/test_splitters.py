"""Golds out of worked solutions."""

import time

import pytest

from rlframework.data import after_hashes, last_boxed


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("6 - 2 = <<6-2=4>>4\n#### 4", "4"),
        ("...\n####1,250 ", "1,250"),
        ("#### 3\nNo, that was wrong.\n#### -4.50", "-4.50"),
        ("The answer is 4.", None),
        ("The answer is ### 4.", None),
        ("####  \n", None),
        ("", None),
    ],
)
def test_after_hashes(text: str, gold: str | None) -> None:
    assert after_hashes(text) == gold


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (r"So $x = \boxed{10}.$", "10"),
        (r"$\boxed{1}$, no, $\boxed{2}$", "2"),
        (r"$\boxed{\frac{1}{\sqrt{2}}}$", r"\frac{1}{\sqrt{2}}"),
        (r"$\boxed{\text{even}}$ and {more}", r"\text{even}"),
        (r"$\boxed{\left\{x : x > 0\right.}$", r"\left\{x : x > 0\right."),
        (r"$\boxed{\{1,2\}}$", r"\{1,2\}"),
        (r"$\boxed{a \\}$", r"a \\"),
        (r"$\fbox{7}$", "7"),
        (r"$\boxed 7$", "7"),
        (r"$\boxed7.$", "7"),
        (r"$\boxed  {7}$", "7"),
        ("$\\boxed{\n 1 \\\\\n 2 }$", "1 \\\\\n 2"),
        (r"a box in a box: $\boxed{\boxed{3}}$", "3"),
        (r"$\boxed{7}$ and a torn $\boxed{8", None),
        (r"$\boxed{\{7}$", r"\{7"),
        (r"$\boxed{}$", None),
        (r"$\boxed$", None),
        (r"$\boxedfoo{7}$", None),
        ("The answer is 7.", None),
        ("", None),
    ],
)
def test_last_boxed(text: str, gold: str | None) -> None:
    assert last_boxed(text) == gold


@pytest.mark.parametrize("unit", [r"\boxed{", r"\boxed ", "{", "}", r"\boxed{}", "\\boxed{" + "{" * 50])
def test_last_boxed_takes_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    assert last_boxed(text) in (None, "\\boxed")
    assert time.process_time() - started < 2.0
