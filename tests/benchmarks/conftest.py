"""The benchmarks are scripts, and import each other by name."""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
collect_ignore = [] if find_spec("trl") and find_spec("matplotlib") else ["test_benchmarks.py"]
