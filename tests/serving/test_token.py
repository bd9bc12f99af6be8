"""The token of receivers."""

from __future__ import annotations

import pytest

from rlframework.serving.token import VARIABLE, read_token


def test_a_file_comes_before_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "of the environment")
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    assert read_token(file) == "0123456789abcdef"


@pytest.mark.parametrize("token", ["", "short", "0123456789 abcdef", "0123456789abcdeé", "0123456789\nabcdef"])
def test_one_that_is_none_is_refused_and_not_shown(token, monkeypatch):
    monkeypatch.setenv(VARIABLE, token)
    with pytest.raises(ValueError, match=f"holds a token of {len(token)} characters.*openssl rand") as caught:
        read_token()
    assert not token or token not in str(caught.value)
