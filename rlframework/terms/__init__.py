"""Terms of the objective that any algorithm can add: KL penalty, entropy bonus, sampler correction."""

from rlframework.terms.entropy import AdaptiveEntropyBonus, EntropyBonus
from rlframework.terms.kl import KLInLoss, KLInReward, KLTerm
from rlframework.terms.sampler_correction import (
    SamplerCorrection,
    SamplerRatio,
    SequenceMask,
    SequenceTruncation,
    TokenMask,
    TokenTruncation,
)

__all__ = [
    "AdaptiveEntropyBonus",
    "EntropyBonus",
    "KLInLoss",
    "KLInReward",
    "KLTerm",
    "SamplerCorrection",
    "SamplerRatio",
    "SequenceMask",
    "SequenceTruncation",
    "TokenMask",
    "TokenTruncation",
]
