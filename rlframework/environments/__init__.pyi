from .base import Environment, Episode, Observation, ToolError
from .calling import Caller, DirectCaller, Job, Outcome
from .calls import CallFormat
from .glue import Glue, PlainGlue
from .hermes_calls import HermesCalls
from .template_glue import TemplateGlue
from .toolbox import Toolbox, ToolEpisode

__all__ = [
    "CallFormat",
    "Caller",
    "DirectCaller",
    "Environment",
    "Episode",
    "Glue",
    "HermesCalls",
    "Job",
    "Observation",
    "Outcome",
    "PlainGlue",
    "TemplateGlue",
    "ToolEpisode",
    "ToolError",
    "Toolbox",
]
