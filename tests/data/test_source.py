"""Loading by `datasets.load_dataset`, and what is said when that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rlframework.data import GSM8K, PromptDataModule, Source
from rlframework.testing import letter_tokenizer


def test_a_folder_is_read_by_config_and_split(hub_folder) -> None:
    path = hub_folder({"main": {"train": [{"a": "1"}], "test": [{"a": "2"}]}, "other": {"train": [{"a": "3"}]}})
    assert list(Source(path, ("main",), "test").load()) == [{"a": "2"}]
    assert list(Source(path, ("main", "other")).load()) == [{"a": "1"}, {"a": "3"}]


def test_options_reach_the_loader(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a;b\n1;2\n")
    assert list(Source("csv", options={"data_files": str(file), "sep": ";"}).load()) == [{"a": 1, "b": 2}]


def test_an_unknown_config_or_split_names_those_there_are(hub_folder) -> None:
    path = hub_folder({"main": {"train": [{"a": "1"}]}, "other": {"train": [{"a": "3"}]}})
    with pytest.raises(ValueError, match=r"'wrong' not found.*main.*other"):
        Source(path, ("wrong",)).load()
    with pytest.raises(ValueError, match='Unknown split "test"'):
        Source(path, ("main",), "test").load()


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/folder"):
        Source("/no/such/folder").load()


def explains(message: str) -> bool:
    return all(
        part in message
        for part in (
            "'openai/gsm8k' cannot be fetched",
            "hf download openai/gsm8k --repo-type dataset --local-dir gsm8k",
            "path='gsm8k'",
            "HF_HUB_OFFLINE",
        )
    )


def test_a_hub_that_is_not_to_be_asked_is_explained(monkeypatch) -> None:
    # What HF_HUB_OFFLINE=1 sets when the libraries are imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError) as caught:
        GSM8K().rows("train")
    assert explains(str(caught.value))


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_is_explained(tmp_path) -> None:
    # A port on which nothing listens. Slow, because the hub's client tries again for half a minute.
    load = "from rlframework.data import GSM8K; GSM8K().rows('train')"
    setting = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", load], env={**os.environ, **setting}, capture_output=True, text=True, timeout=200
    )
    assert explains(run.stderr[run.stderr.rindex("\nConnectionError") :])


def test_a_plain_data_module_takes_a_folder_by_its_name(hub_folder) -> None:
    path = hub_folder({"default": {"train": [{"prompt": "ab"}], "test": [{"prompt": "cd"}]}})
    data = PromptDataModule(path, path)
    assert [prompt.text for prompt in data.tokenize("train", letter_tokenizer())] == ["ab"]
    assert [prompt.text for prompt in data.tokenize("validation", letter_tokenizer())] == ["cd"]
