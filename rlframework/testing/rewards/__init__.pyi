from .kit import check_reward

__all__ = ["check_reward"]
