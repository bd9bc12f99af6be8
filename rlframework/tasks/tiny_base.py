"""A base model that is made in seconds: it can do the arithmetic, but does not know how it is asked to answer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import chain_sums, tiny_tokenizer

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class BaseRecipe:
    """How the base is made. Every number is part of the cache key."""

    hidden_size: int = 64
    intermediate_size: int = 192
    layers: int = 2
    heads: int = 2
    head_dim: int = 32
    # At this width the usual 0.02 learns much more slowly.
    initializer_range: float = 0.08
    batch_size: int = 32
    pretraining_lr: float = 5e-3
    pretraining_loss: float = 0.006
    pretraining_max_steps: int = 900
    bridged: float = 0.5
    priming_lr: float = 1.5e-3
    priming_steps: int = 50
    gate_problems: int = 64
    gate_pass_at_8: float = 0.9


class BasePaths(NamedTuple):
    """Where the two models are, each with its tokenizer."""

    base: Path
    primed: Path
