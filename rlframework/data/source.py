"""Source of rows: a split of a data set on the hub, or of a folder with the same files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets, load_dataset
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub.errors import HfHubHTTPError


@dataclass(frozen=True)
class Source:
    """Source of rows: a data set, its configurations and one split.

    Args:
        path: Name of a data set on the hub, a folder that it was downloaded to, or with ``options`` the name of one of
            the formats of ``datasets.load_dataset``.
        configs: Configurations, whose rows follow each other; without any the only or the default one.
        split: Name of the split.
        options: For ``datasets.load_dataset``.

    Example:
        >>> Source("openai/gsm8k", ("main",), "test").split
        'test'
    """

    path: str
    configs: tuple[str, ...] = ()
    split: str = "train"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the data for messages: the file, where a format of files is loaded, else the data set."""
        return str(self.options.get("data_files", self.path))

    def load(self) -> Dataset:
        """Load the rows of the split, from the hub or from disk.

        Raises:
            ConnectionError: The hub cannot be reached, or is not to be asked; the message says what to do.
            FileNotFoundError: There is no such data set, folder or file.
        """
        try:
            parts = [
                load_dataset(self.path, config, split=self.split, **self.options) for config in self.configs or (None,)
            ]
        except DatasetNotFoundError as error:
            raise FileNotFoundError(
                f"the hub has no data set {self.path!r} that you may read, and there is no such folder. Check the "
                f"name; for a gated data set accept its terms and run `hf auth login`. ({error})"
            ) from error
        except (ConnectionError, HfHubHTTPError) as error:
            raise ConnectionError(
                f"the data set {self.path!r} cannot be fetched from the hub: {error}. Where it can be reached, run\n"
                f"    hf download {self.path} --repo-type dataset --local-dir {Path(self.path).name}\n"
                f"and pass that folder in place of the name (path={Path(self.path).name!r}). If HF_HUB_OFFLINE is set "
                "and this machine is online, unset it"
            ) from error
        return parts[0] if len(parts) == 1 else concatenate_datasets(parts)
