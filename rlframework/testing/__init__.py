"""Small real parts for tests and examples, and the proof kit for an algorithm of one's own."""

from rlframework.testing.kit import check_algorithm
from rlframework.testing.report import AlgorithmError, AlgorithmReport, Finding
from rlframework.testing.table import TablePolicy
from rlframework.testing.tiny import letter_prompts, letter_rows, letter_tokenizer, tiny_policy

__all__ = [
    "AlgorithmError",
    "AlgorithmReport",
    "Finding",
    "TablePolicy",
    "check_algorithm",
    "letter_prompts",
    "letter_rows",
    "letter_tokenizer",
    "tiny_policy",
]
