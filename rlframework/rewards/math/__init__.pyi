from .grading import gold_is_verifiable, grade, grade_all, grade_answer
from .reward import MathCheck

__all__ = ["MathCheck", "gold_is_verifiable", "grade", "grade_all", "grade_answer"]
