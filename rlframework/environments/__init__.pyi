from .base import Environment, Episode, Observation, ToolError
from .calls import CallFormat
from .glue import Glue, PlainGlue

__all__ = [
    "CallFormat",
    "Environment",
    "Episode",
    "Glue",
    "Observation",
    "PlainGlue",
    "ToolError",
]
