from .kit import check_algorithm
from .report import AlgorithmError, AlgorithmReport, Finding
from .rewards import RewardCheckError, RewardCheckReport, check_reward
from .table import TablePolicy
from .tiny import letter_prompts, letter_rows, letter_tokenizer, tiny_policy

__all__ = [
    "AlgorithmError",
    "AlgorithmReport",
    "Finding",
    "RewardCheckError",
    "RewardCheckReport",
    "TablePolicy",
    "check_algorithm",
    "check_reward",
    "letter_prompts",
    "letter_rows",
    "letter_tokenizer",
    "tiny_policy",
]
