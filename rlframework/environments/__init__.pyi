from .base import Environment, Episode, Observation, ToolError
from .calling import Caller, DirectCaller, Job, Outcome
from .calls import CallFormat
from .glue import Glue, PlainGlue
from .hermes_calls import HermesCalls
from .llama_calls import LlamaCalls
from .step_environment import ActionWords, StepEnvironment, StepEpisode
from .template_calls import TemplateCalls
from .template_glue import TemplateGlue
from .toolbox import Toolbox, ToolEpisode

__all__ = [
    "ActionWords",
    "CallFormat",
    "Caller",
    "DirectCaller",
    "Environment",
    "Episode",
    "Glue",
    "HermesCalls",
    "Job",
    "LlamaCalls",
    "Observation",
    "Outcome",
    "PlainGlue",
    "StepEnvironment",
    "StepEpisode",
    "TemplateCalls",
    "TemplateGlue",
    "ToolEpisode",
    "ToolError",
    "Toolbox",
]
