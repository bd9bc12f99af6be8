from .bubblewrap import BubblewrapSandbox
from .cases import CallCase, Case, CaseError, StdinCase, cases_from_asserts, read_assert, read_cases
from .limits import Limits
from .plain import PlainSandbox
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
