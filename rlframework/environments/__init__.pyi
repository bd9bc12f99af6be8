from .base import Environment, Episode, Observation
from .calling import Caller, DirectCaller, Job, Outcome
from .calls import CallFormat
from .glue import Glue, PlainGlue
from .hermes_calls import HermesCalls
from .llama_calls import LlamaCalls
from .python_tool import PythonTool
from .shared_tools import SharedTools
from .step_environment import ActionWords, StepEnvironment, StepEpisode
from .template_calls import TemplateCalls
from .template_glue import TemplateGlue
from .tool_error import ToolError
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
    "PythonTool",
    "SharedTools",
    "StepEnvironment",
    "StepEpisode",
    "TemplateCalls",
    "TemplateGlue",
    "ToolEpisode",
    "ToolError",
    "Toolbox",
]
