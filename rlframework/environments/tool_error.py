"""The error with which a tool tells the policy of a mistake; by itself, so that a worker loads nothing else."""

from __future__ import annotations


class ToolError(Exception):
    """Raised by a tool to tell the policy of a mistake of its own: the message is what it reads."""
