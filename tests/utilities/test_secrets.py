"""Secrets by name and by form, and what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.utilities.secrets import command_without_secrets, without_secrets


@pytest.mark.parametrize(
    "name", ["token", "hf_token", "use_auth_token", "api_key", "apikey", "HF_TOKEN", "password", "client_secret"]
)
def test_an_argument_of_this_name_is_hidden(name: str) -> None:
    assert without_secrets({"init_args": [{name: "abc", "other": "abc"}]}) == {
        "init_args": [{name: "***", "other": "abc"}]
    }
    option = name.replace("_", "-")
    assert command_without_secrets([f"--{option}", "abc", f"--{option}=abc"]) == [
        f"--{option}",
        "***",
        f"--{option}=***",
    ]


@pytest.mark.parametrize(
    "name", ["pad_token", "eos_token", "max_tokens", "tokenizer", "token_file", "keys", "token_weights"]
)
def test_an_argument_of_this_name_is_none(name: str) -> None:
    assert without_secrets({name: "abc"}) == {name: "abc"}
    assert command_without_secrets([f"--{name}", "abc", f"--{name}=abc"]) == [f"--{name}", "abc", f"--{name}=abc"]


@pytest.mark.parametrize("value", [None, True, 3, 0.5, "", "a text", ["@", "me@host"], "http://host/@handle"])
def test_what_holds_no_secret_stays(value: Any) -> None:
    assert without_secrets(value) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pa:ss@host:1/x and http://you@b", "https://***@host:1/x and http://***@b"),
        ("hf_abcdefghijklmnopqrstuv", "***"),
        ("authorization: Bearer abc.def", "authorization: ***"),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_an_option_without_value_hides_no_other_option() -> None:
    assert command_without_secrets(["--use-auth-token", "--seed", "1"]) == ["--use-auth-token", "--seed", "1"]
