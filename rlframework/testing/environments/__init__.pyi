from .kit import check_environment

__all__ = ["check_environment"]
