"""Tasks that run anywhere: their problems, and a base model that is made on the spot."""

from rlframework.tasks import chain_sums, lookup, truth_tables
from rlframework.tasks.lookup_base import create_lookup_base
from rlframework.tasks.ready_made import (
    ChainSumsData,
    ChainSumsPolicy,
    LookupData,
    LookupPolicy,
    LookupTools,
    TruthTablesData,
    TruthTablesPolicy,
)
from rlframework.tasks.tiny.base import BasePaths, create_base
from rlframework.tasks.tiny.recipe import BaseRecipe
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer

__all__ = [
    "BasePaths",
    "BaseRecipe",
    "ChainSumsData",
    "ChainSumsPolicy",
    "LookupData",
    "LookupPolicy",
    "LookupTools",
    "TruthTablesData",
    "TruthTablesPolicy",
    "chain_sums",
    "create_base",
    "create_lookup_base",
    "lookup",
    "tiny_tokenizer",
    "truth_tables",
]
