"""Listeners of warnings, which begin and end in any order, among others that show warnings otherwise."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from rlframework.utilities.warned import end_listening, listen


@pytest.mark.filterwarnings("always")
def test_each_hears_until_it_ends_and_nothing_stays_behind() -> None:
    before = warnings.showwarning
    first: list[str] = []
    second: list[str] = []

    def hear_first(category: type[Warning], text: str) -> None:
        first.append(f"{category.__name__} {text}")

    def hear_second(category: type[Warning], text: str) -> None:
        second.append(text)

    listen(hear_first)
    listen(hear_second)
    warnings.warn("one", RuntimeWarning, stacklevel=1)
    end_listening(hear_first)
    warnings.warn("two", stacklevel=1)
    end_listening(hear_second)
    end_listening(hear_second)
    warnings.warn("three", stacklevel=1)
    assert (first, second) == (["RuntimeWarning one"], ["one", "two"])
    assert warnings.showwarning is before


@pytest.mark.filterwarnings("always")
def test_what_took_its_place_and_calls_it_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def hear(category: type[Warning], text: str) -> None:
        heard.append(text)

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    listen(hear)
    ours = warnings.showwarning

    def wrapped(*args: Any, **options: Any) -> None:
        ours(*args, **options)

    warnings.showwarning = wrapped
    end_listening(hear)
    assert warnings.showwarning is wrapped
    listen(hear)
    warnings.warn("once", stacklevel=1)
    end_listening(hear)
    assert heard == ["once"]
