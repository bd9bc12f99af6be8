from .base import Environment, Episode, Observation, ToolError
from .calls import CallFormat
from .glue import Glue, PlainGlue
from .step_environment import ActionWords, StepEnvironment, StepEpisode

__all__ = [
    "ActionWords",
    "CallFormat",
    "Environment",
    "Episode",
    "Glue",
    "Observation",
    "PlainGlue",
    "StepEnvironment",
    "StepEpisode",
    "ToolError",
]
