from .base import LogicReward, UnverifiableError
from .brute_force import count_models, entails, equivalent, is_tautology, satisfiable, truth_column
from .entailment import Entailment, EntailmentQuestion
from .formula import Formula, FormulaError, parse_formula
from .gym import ReasoningGym
from .knights import KnightsKnaves
from .truth import TruthTable, TruthValue, read_values

__all__ = [
    "Entailment",
    "EntailmentQuestion",
    "Formula",
    "FormulaError",
    "KnightsKnaves",
    "LogicReward",
    "ReasoningGym",
    "TruthTable",
    "TruthValue",
    "UnverifiableError",
    "count_models",
    "entails",
    "equivalent",
    "is_tautology",
    "parse_formula",
    "read_values",
    "satisfiable",
    "truth_column",
]
