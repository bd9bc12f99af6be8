"""Settings with their places: files, options over them, and what of both is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.cli.settings import Refused, read_file, read_settings

OPTIONS = "-c mine.yaml --config=second.yaml --model.sampler.max_tokens 8 --model DAPO"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("mine.yaml")


def test_options_win_over_files_and_init_args_is_understood(file: Path) -> None:
    file.write_text("model:\n  class_path: GRPO\n  init_args: {clip_low: 0.1, sampler: Sampler}\n")
    Path("second.yaml").write_text("model:\n  init_args:\n    clip_low: 0.2\n")
    settings = read_settings(
        ["-c", "mine.yaml", "--config=second.yaml", "--model.sampler.max_tokens", "8", "--model", "DAPO"]
    )
    assert settings.plain() == {
        "model": {
            "class_path": "DAPO",
            "init_args": {"clip_low": 0.2, "sampler": {"class_path": "Sampler", "init_args": {"max_tokens": 8}}},
        }
    }
    arguments = settings.value["model"].value["init_args"].value
    assert arguments["clip_low"].place == "second.yaml, line 3"
    assert arguments["sampler"].value["init_args"].value["max_tokens"].place == "the command line"


def test_values_of_options_are_read_as_yaml_reads_them() -> None:
    settings = read_settings(["--a", "-1", "--b=[1, {c: 2}]", "--flag", "--d", "x: : y"])
    assert settings.plain() == {"a": -1, "b": [1, {"c": 2}], "flag": True, "d": "x: : y"}


def test_what_is_added_to_a_list_has_arguments_of_its_own(file: Path) -> None:
    file.write_text("trainer:\n  callbacks:\n  - ProgressBar\n")
    added = "--trainer.callbacks+=SavePolicy --trainer.callbacks.folder here"
    assert read_settings(["-c", "mine.yaml", *added.split()]).plain()["trainer"]["callbacks"] == [
        "ProgressBar",
        {"class_path": "SavePolicy", "init_args": {"folder": "here"}},
    ]


def test_anchors_and_merges_are_no_repetition(file: Path) -> None:
    file.write_text("base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n")
    assert read_file("mine.yaml").plain()["mine"] == {"a": 1, "b": 3}


@pytest.mark.parametrize("text", ["rewards: {a: 1, a: 2}", "x:\n- {b: 1}\n- {a: 1, b: 2, a: 3}"])
def test_a_name_that_stands_twice_is_refused_wherever_it_is(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(Refused, match="'a' stands in line") as refused:
        read_file("mine.yaml")
    assert refused.value.code == 2


def test_an_empty_file_sets_nothing(file: Path) -> None:
    file.write_text("")
    assert read_file("mine.yaml").plain() == {}


def test_what_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00model")
    with pytest.raises(Refused, match=r"mine\.yaml is no UTF-8"):
        read_file("mine.yaml")
