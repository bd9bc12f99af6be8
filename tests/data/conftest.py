"""Folders like those that a data set is downloaded to from the hub: Parquet or JSON files, and a card naming them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset

Splits = Mapping[str, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test loads is cached in its own folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def hub_folder(tmp_path: Path) -> Callable[..., str]:
    """Return a maker of folders: ``hub_folder({config: {split: rows}}, name=..., ending=".parquet")``."""

    def make(configs: Mapping[str, Splits], name: str = "folder", ending: str = ".parquet") -> str:
        card = ["---", "configs:"]
        for config, splits in configs.items():
            card += [f"- config_name: {config}", "  data_files:"]
            for split, rows in splits.items():
                file = tmp_path / name / config / f"{split}-00000-of-00001{ending}"
                file.parent.mkdir(parents=True, exist_ok=True)
                if ending == ".parquet":
                    Dataset.from_list(rows).to_parquet(file)
                else:
                    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
                card += [f"  - split: {split}", f"    path: {config}/{split}-*"]
        (tmp_path / name / "README.md").write_text("\n".join([*card, "---", ""]))
        return str(tmp_path / name)

    return make
