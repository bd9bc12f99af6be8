"""The audit of reasoning-gym's scorers: every task of version 0.1.25, read and tried with junk answers."""

from __future__ import annotations


def _each(meaning: str, tasks: str) -> dict[str, str]:
    return dict.fromkeys(tasks.split(), meaning)


# And what a score of exactly 1.0 means there.
EXACT: dict[str, str] = {
    **_each(
        "the answer is the expected text, but for case and blanks",
        """
        ab acre aiw arc_1d base_conversion basic_arithmetic bf binary_alternation caesar_cipher circuit_logic
        color_cube_rotation count_bits count_primes course_schedule dice emoji_mystery family_relationships gcd
        isomorphic_strings knights_knaves largest_island lcm leg_counting letter_counting list_functions
        mahjong_puzzle maze modulo_grid needle_haystack number_filtering number_sequence path_star ransom_note
        rotten_oranges self_reference sentence_reordering simple_equations simple_geometry string_manipulation
        string_splitting string_synthesis tsumego word_sequence_reversal zebra_puzzles
        """,
    ),
    **_each(
        "the answer is exactly the expected number",
        "bitwise_arithmetic chain_sum decimal_chain_sum products rectangle_count",
    ),
    **_each(
        "the answer is the expected grid",
        "arc_agi futoshiki manipulate_matrix mini_sudoku rearc rotate_matrix sudoku survo",
    ),
    **_each(
        "the answer keeps the rules of the puzzle, which are checked step by step",
        """
        cryptarithm graph_color group_anagrams jugs kakurasu knight_swap palindrome_generation
        palindrome_partitioning quantum_lock rush_hour shortest_path sokoban tower_of_hanoi word_ladder
        """,
    ),
}

EXECUTES = "its scorer executes the answer as a program"
HEDGE = "'A or B' scores 1.0"

REFUSED: dict[str, str] = {
    "binary_matrix": f"{EXECUTES} (eval)",
    "countdown": f"{EXECUTES} (sympy's parse_expr)",
    "intermediate_integration": f"{EXECUTES} (sympy's parse_expr), and {HEDGE}",
    "n_queens": f"{EXECUTES} (eval)",
    "polynomial_multiplication": f"{EXECUTES} (sympy's parse_expr), and {HEDGE}",
    "puzzle24": f"{EXECUTES} (sympy's parse_expr), and it ignores which numbers were given",
    "simple_integration": f"{EXECUTES} (sympy's parse_expr), and {HEDGE}",
    "spiral_matrix": f"{EXECUTES} (eval)",
    "string_insertion": f"{EXECUTES} (eval)",
    "advanced_geometry": "whatever follows the second coordinate is ignored, and rounded numbers pass",
    "boxnet": "its scorer raises on JSON that is not a plan",
    "calendar_arithmetic": "wrong numbers score above 1 where the expected one is negative",
    "codeio": "a program's result passes by a similarity of JSON, in which 1, 1.0 and true are the same",
    "coin_flip": "the first digit of the right number scores 1.0",
    "complex_arithmetic": "'nan' scores 1.0 on every item",
    "composite": "a mixture scores by the tasks in it; name those",
    "decimal_arithmetic": "a wrong last digit scores 1.0",
    "figlet_font": "ten right letters score 1.0, whatever follows",
    "fraction_simplification": HEDGE,
    "game_of_life": "surplus rows and cells are ignored, and its scorer raises on other JSON",
    "game_of_life_halting": "any answer scores 1.0",
    "gsm_symbolic": f"only the first number counts, so that {HEDGE}, and the sign is ignored",
    "letter_jumble": HEDGE,
    "number_format": "a number within 0.01 scores 1.0",
    "number_sorting": "numbers up to 1 away score 1.0",
    "polynomial_equations": "any text without a number scores 1.0 where there is no real root",
    "pool_matrix": "numbers within 1 percent score 1.0",
    "power_function": "three significant digits score 1.0",
    "prime_factorization": "its scorer raises on anything but numbers",
    "propositional_logic": "the copy of a premise scores 1.0; use rlframework.rewards.logic.Entailment",
    "rubiks_cube": "a count such as U99999999 is written out in memory",
    "spell_backward": "text after the right word scores above 1",
    "syllogism": "'Yes' is right in 70 percent of the items; use rlframework.rewards.logic.EntailmentQuestion",
    "time_intervals": "only the first number of a count of days is read, whatever its unit",
    "word_sorting": "surplus words after the right ones score 1.0",
}

# Some scorers look for an answer anywhere in a text, or skip what is no legal move. Those get an answer and nothing
# else; and a walk that is much longer than a solution, which could cover the board by chance, is cut off.
_ROLE = r"[A-Za-z]+ is an? [a-z]+"
FORMS: dict[str, str] = {
    "kakurasu": r"[01\s]+",
    "knights_knaves": rf"{_ROLE}(?:(?:, and |, | and |\n){_ROLE})*\.?",
    "quantum_lock": r"[A-C](?:\s*(?:→|->|,)?\s*[A-C])*",
    "rush_hour": r"(?:[A-Z][+-]\d(?:[\s,]+|$))+",
    "sokoban": r"[LRUD]+",
    "survo": r"[\d\s]+",
}
