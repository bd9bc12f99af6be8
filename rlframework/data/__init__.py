"""What is asked."""

from rlframework.data.module import PromptDataModule

__all__ = ["PromptDataModule"]
