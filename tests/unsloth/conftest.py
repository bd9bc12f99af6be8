"""Keeps Unsloth out of the process of the tests: doctests are looked for in every file, by importing it."""

collect_ignore = ["runs.py", "real_run.py"]
