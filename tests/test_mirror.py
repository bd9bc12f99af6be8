"""Every file of rlframework/ has its test in the same place under tests/, or stands here with where it is tested."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
# Files of a folder that are tested together, or on the way of something larger, by the test that does it.
ELSEWHERE = {
    ("cli", "cli/test_commands.py"): "help",
    ("cli", "cli/test_reward_report.py"): "arguments",
    ("callbacks/sentinels", "callbacks/sentinels/test_truncation.py"): "share",
    ("callbacks/sentinels", "callbacks/sentinels/test_no_spread.py"): "reward_range",
    ("cli", "export/test_write.py"): "export",
    ("cli", "report/probing/test_measure.py"): "probe",
    ("cli", "test_recipes.py"): "lightning",
    ("data", "data/test_reasoning_gym.py"): "gym_items",
    ("environments", "environments/test_callers.py"): "calling shared_tools tool_error",
    ("environments", "environments/test_hermes_calls.py"): "calls json_calls",
    ("environments", "samplers/test_episodes.py"): "base glue",
    ("export", "export/test_write.py"): "check read",
    ("from_trl", "from_trl/test_conversion.py"): "algorithm",
    ("from_trl", "from_trl/test_script.py"): "found",
    ("functional", "loop/test_memory.py"): "memory",
    ("functional", "cli/test_plan.py"): "step_seconds",
    ("report", "cli/test_plan.py"): "plan plan_table",
    ("loop", "distributed/test_reducer.py"): "optimizer_step",
    ("loop", "loop/test_rollout_algorithm.py"): "callback",
    ("loop", "loop/test_flags.py"): "accumulation",
    ("loop", "loop/test_lightning.py"): "algorithm optimizer",
    ("metrics", "metrics/test_pass_at_k.py"): "at_k majority paired_bootstrap score share_bound",
    ("policies", "policies/test_causal_lm.py"): "base forward loading",
    ("policies", "policies/scoring/test_shared_prefix.py"): "wrappers",
    ("policies", "policies/test_lora.py"): "adapters",
    ("policies", "policies/test_rewriting.py"): "adapter_state",
    ("policies", "policies/test_saving.py"): "read_back",
    ("policies", "tasks/test_word_problems.py"): "precision",
    ("policies", "trl/test_router.py"): "router_loss",
    ("policies", "unsloth/test_behaviour.py"): "unsloth",
    ("policies/decoding", "policies/decoding/test_fused_step.py"): "base",
    ("policies/decoding", "samplers/test_cached_conversation.py"): "kept_rows",
    ("policies/decoding", "samplers/test_shared_prefix.py"): "group_cache kv_cache rows_apart",
    ("policies/scoring", "policies/scoring/test_right_padded.py"): "base",
    ("policies/scoring", "policies/scoring/test_shared_prefix.py"): "prefix_tree tree_attention",
    ("policies/scoring", "policies/test_lm_head.py"): "fused_gradient",
    ("replay", "replay/test_rescoring.py"): "rescoring_table",
    ("replay", "replay/test_running.py"): "result",
    ("report", "report/probing/test_measure.py"): "before_training",
    ("report", "report/test_comparison.py"): "curves summary table",
    ("report", "test_recipes.py"): "hacking",
    ("report", "tasks/test_word_problems.py"): "usage",
    ("report/probing", "report/probing/test_measure.py"): "table verdict",
    ("reward_report", "cli/test_reward_report.py"): "sources",
    ("reward_report", "reward_report/test_scoring.py"): (
        "layout layout_probes page probes result right_probes saving table wrong_probes"
    ),
    ("reward_report", "rewards/math/test_equation.py"): "equation_layouts",
    ("rewards", "rewards/test_answer.py"): "against_gold",
    ("rewards", "rewards/test_base.py"): "judgement",
    ("rewards", "rewards/test_event_loop.py"): "waiting",
    ("rewards", "rewards/test_failure_limits.py"): "verdict verified",
    ("rewards", "rewards/test_number_check.py"): "numerals",
    ("rewards", "rewards/test_pool.py"): "worker",
    ("rewards/code", "rewards/code/test_bubblewrap.py"): "process resource_limits sandbox",
    ("rewards/code", "rewards/code/test_cases.py"): "values",
    ("rewards/code", "rewards/code/test_reward.py"): "plain program",
    ("rewards/code", "rewards/code/test_system_calls.py"): "seccomp",
    ("rewards/logic", "rewards/logic/test_gym.py"): "gym_scorer gym_tasks",
    ("rewards/logic", "rewards/logic/test_knights.py"): "base",
    ("rewards/math", "data/test_splitters.py"): "boxed",
    ("rewards/math", "rewards/math/test_grading.py"): "math_verify_worker reward",
    # The grader is held to labelled answers; what reads and compares them has examples in its docstrings.
    ("rewards/math", "rewards/math/test_labelled.py"): (
        "angles answers chains choices compare congruences constants cursor derivatives equivalence exact expressions "
        "extremes families functions_of intervals latex latex_text linear named_points normalize number_words "
        "parameters parser piecewise plus_minus ratios real_sets siunitx solutions spelled_numbers syntax systems "
        "tokens unit_names unit_vectors units wordings"
    ),
    ("samplers", "samplers/test_cached_conversation.py"): "conversation read_again",
    ("samplers", "unsloth/test_behaviour.py"): "unsloth",
    ("samplers/vllm", "samplers/vllm/test_failures.py"): "errors fleet",
    ("samplers/vllm", "samplers/vllm/test_client.py"): "patience",
    ("tasks", "tasks/test_word_problems.py"): "smollm2 smollm2_policy",
    ("tasks", "test_qwen3_math.py"): "math_run",
    ("tasks", "test_recipes.py"): "ready_made",
    ("tasks/tiny", "tasks/tiny/test_base.py"): "recipe task training",
    ("tasks/tiny", "test_recipes.py"): "run",
    ("testing", "testing/algorithms/test_kit.py"): "report running",
    ("testing", "loop/test_lightning.py"): "tiny",
    ("testing/algorithms", "testing/algorithms/test_planted_faults.py"): "script trial",
    ("testing/algorithms/checks", "testing/algorithms/test_planted_faults.py"): (
        "divergence invariance observation option ratio response slope training"
    ),
    ("testing/environments", "testing/environments/test_kit.py"): "hostile subject",
    ("testing/environments/checks", "testing/environments/test_kit.py"): (
        "contract gold independence resources safety"
    ),
    ("testing/rewards", "testing/rewards/test_kit.py"): "cases child elsewhere hostile subject",
    ("testing/rewards/checks", "testing/rewards/test_kit.py"): "contract gold independence safety time_limits",
    ("utilities", "testing/rewards/test_kit.py"): "errors",
    ("utilities", "callbacks/test_save_policy.py"): "whole_folder",
    ("utilities", "distributed/test_distributed.py"): "distributed",
    ("utilities", "policies/test_fingerprint.py"): "digest",
    ("utilities", "cli/test_replay.py"): "lightning_log",
    ("utilities", "report/probing/test_measure.py"): "peak_memory",
    ("utilities", "report/test_comparison.py"): "versions",
    ("utilities", "utilities/test_arguments.py"): "other_names ways_out",
    ("utilities", "data/test_openings.py"): "thinking_tags",
    ("utilities", "samplers/test_episodes.py"): "random_fence",
    ("", "utilities/test_moved.py"): "collect",
    ("", "cli/test_commands.py"): "commands",
    ("", "data/test_tokenize.py"): "prompt",
    ("", "samplers/test_episodes.py"): "turns",
    ("", "unsloth/test_behaviour.py"): "unsloth_cli",
}
# Tests of no file in particular, by folder: whole folders first.
FOLDERS = ("benchmarks", "dist", "distributed", "docs_site", "docs_site", "real", "trl", "unsloth")
OTHERS = {
    "": "docs figures import_order lazy mirror pictures public_names qwen3_math recipes release rooms scale_recipes"
    " site troubleshooting versions",
    "run_report": "browser",
    "data": "openings",
    "loop": "ahead_ends ahead_killed flags golds killed lightning observations old_logprobs precision resume"
    " sampler_ratio",
    "policies/scoring": "loss_tokens",
    "policies": "architectures lora own_model qlora vocabulary",
    "rewards": "pool_clock returns",
    "rewards/code": "attacks forgery",
    "rewards/math": "hard_pairs labelled",
    "samplers": "episode_threads",
    "samplers/vllm": "changing_fleet failures held over_http ranks real_model server tied versions",
    "testing/algorithms": "planted_faults sound_designs",
    "testing/rewards": "sound_designs",
}

FILES = {
    path.relative_to(ROOT / "rlframework")
    for path in (ROOT / "rlframework").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
}
TESTS = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
STATED = {
    Path(folder, f"{name}.py"): Path(test) for (folder, test), names in ELSEWHERE.items() for name in names.split()
}


def mirrored(file: Path) -> Path:
    return file.with_name(f"test_{file.name}")


def shown(paths: set[Path]) -> list[str]:
    return sorted(map(str, paths))


def test_every_file_has_its_test() -> None:
    without = {file for file in FILES if mirrored(file) not in TESTS}
    assert shown(without - STATED.keys()) == [], "write tests/a/test_b.py, or state in ELSEWHERE where it is tested"
    assert shown(STATED.keys() - without) == [], "these have gone, or have a test of their own by now"


def test_every_test_that_is_named_is_there() -> None:
    assert shown(set(STATED.values()) - TESTS) == []


def test_every_other_test_is_of_a_file() -> None:
    others = {Path(folder, f"test_{name}.py") for folder, names in OTHERS.items() for name in names.split()}
    without = {test for test in TESTS - {mirrored(file) for file in FILES} if test.parts[0] not in FOLDERS}
    assert shown(without - others) == [], "name it as the file that it tests, or put it among OTHERS"
    assert shown(others - without) == [], "these have gone, or are of a file by now"
