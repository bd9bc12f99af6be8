from .algorithms.kit import check_algorithm
from .environments import check_environment
from .report import CheckError, CheckReport, Finding
from .rewards import check_reward
from .snapshot_sampler import SnapshotSampler
from .table import TablePolicy
from .tiny import letter_prompts, letter_rows, letter_tokenizer, tiny_policy, tiny_qwen3

__all__ = [
    "CheckError",
    "CheckReport",
    "Finding",
    "SnapshotSampler",
    "TablePolicy",
    "check_algorithm",
    "check_environment",
    "check_reward",
    "letter_prompts",
    "letter_rows",
    "letter_tokenizer",
    "tiny_policy",
    "tiny_qwen3",
]
