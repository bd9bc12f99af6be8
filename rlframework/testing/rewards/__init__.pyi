from .kit import check_reward
from .report import RewardCheckError, RewardCheckReport

__all__ = ["RewardCheckError", "RewardCheckReport", "check_reward"]
