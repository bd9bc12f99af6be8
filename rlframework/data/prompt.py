from rlframework.prompt import Prompt  # noqa: F401
