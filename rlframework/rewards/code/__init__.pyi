from .bubblewrap import BubblewrapSandbox
from .cases import CallCase, Case, CaseError, StdinCase, cases_from_asserts, read_assert, read_cases
from .plain import PlainSandbox
from .resource_limits import Limits
from .reward import CodeTests, judge
from .sandbox import CaseOutput, Launch, Sandbox, SandboxError, SandboxUnavailableError

__all__ = [
    "BubblewrapSandbox",
    "CallCase",
    "Case",
    "CaseError",
    "CaseOutput",
    "CodeTests",
    "Launch",
    "Limits",
    "PlainSandbox",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailableError",
    "StdinCase",
    "cases_from_asserts",
    "judge",
    "read_assert",
    "read_cases",
]
