from .answer_reader import AnswerReader
from .grading import gold_is_verifiable, grade, grade_all, grade_answer
from .lenient import LenientMathCheck, MathAnywhere
from .reward import MathCheck

__all__ = [
    "AnswerReader",
    "LenientMathCheck",
    "MathAnywhere",
    "MathCheck",
    "gold_is_verifiable",
    "grade",
    "grade_all",
    "grade_answer",
]
