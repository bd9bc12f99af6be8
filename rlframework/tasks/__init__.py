"""Tasks that run anywhere: their problems, and a base model that is made on the spot."""

from rlframework.tasks import chain_sums, truth_tables
from rlframework.tasks.ready_made import ChainSumsData, ChainSumsPolicy, TruthTablesData, TruthTablesPolicy
from rlframework.tasks.tiny.base import BasePaths, create_base
from rlframework.tasks.tiny.recipe import BaseRecipe
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer

__all__ = [
    "BasePaths",
    "BaseRecipe",
    "ChainSumsData",
    "ChainSumsPolicy",
    "TruthTablesData",
    "TruthTablesPolicy",
    "chain_sums",
    "create_base",
    "tiny_tokenizer",
    "truth_tables",
]
