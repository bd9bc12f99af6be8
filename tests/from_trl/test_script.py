"""Scripts of TRL: what stands in them is found, and what only the running script knows is listed with its line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from rlframework.from_trl.found import FoundReward, NotReadError, Rows, TRLRun
from rlframework.from_trl.script import read_script

HEAD = """
    import re
    import torch
    from datasets import Dataset, load_dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
    from trl.rewards import accuracy_reward, get_soft_overlong_punishment

    import my_rewards

    def first(completions, **kwargs):
        return [1.0 for text in completions]
"""
LINES = len(dedent(HEAD).splitlines())


@pytest.fixture
def read(tmp_path: Path):
    def reader(script: str) -> TRLRun:
        path = tmp_path / "train.py"
        path.write_text(dedent(HEAD) + dedent(script))
        return read_script(path)

    return reader


def trainer(arguments: str) -> str:
    return f"GRPOTrainer(model='m', reward_funcs=first, train_dataset=load_dataset('d', split='train'), {arguments})"


def missed(run: TRLRun) -> list[str]:
    return [str(one) for one in run.missed]


def test_settings_stand_with_their_lines_however_they_are_written(read) -> None:
    run = read("""
        GROUP = 4
        common = dict(beta=0.04)
        args = GRPOConfig(
            "out",
            num_generations=GROUP,
            per_device_train_batch_size=2 * GROUP,
            **common,
        )
        GRPOTrainer("m", first, args, load_dataset("d", split="train")).train()
    """)
    assert {name: one.value for name, one in run.settings.items()} == {
        "output_dir": "out",
        "num_generations": 4,
        "per_device_train_batch_size": 8,
        "beta": 0.04,
    }
    assert run.settings["num_generations"].place == f"train.py, line {LINES + 6}"
    assert (run.kind, run.model, run.train) == ("grpo", "m", Rows("d"))
    assert run.rewards == [FoundReward("first", ".first")]
    assert run.missed == []


def test_inside_a_function_and_under_another_name(read) -> None:
    run = read("""
        import trl as t
        def main():
            config = t.RLOOConfig(beta=0.1)
            rows = load_dataset("d", split="train")
            t.RLOOTrainer(model="m", args=config, reward_funcs=my_rewards.right, train_dataset=rows)
        if __name__ == "__main__":
            main()
    """)
    assert (run.kind, run.settings["beta"].value, run.rewards) == (
        "rloo",
        0.1,
        [FoundReward("right", "my_rewards.right")],
    )


def test_imports_and_settings_inside_of_functions(read) -> None:
    run = read("""
        def settings():
            rate = 1e-5
            print("making it")
            return Config(learning_rate=rate, seed=args.seed)

        def main():
            try:
                from trl import GRPOConfig as Config, GRPOTrainer as Trainer
            except ImportError as error:
                raise SystemExit(error)
            trainer = Trainer(model="m", reward_funcs=first, args=settings(), train_dataset=rows())

        def rows():
            return load_dataset("d", split="train")

        from trl import GRPOConfig as Config
    """)
    assert {name: one.value for name, one in run.settings.items()} == {"learning_rate": 1e-5}
    assert run.unread == {"seed"}
    assert run.train == Rows("d")


def test_a_function_that_may_return_this_or_that_is_not_followed(read) -> None:
    run = read(f"""
        def settings():
            if debug:
                return GRPOConfig(seed=1)
            return GRPOConfig(seed=2)

        {trainer("args=settings()")}
    """)
    assert run.settings == {}
    assert "args=settings()" in missed(run)[0]


def test_what_only_the_running_script_knows_is_listed_and_its_default_is_named(read) -> None:
    run = read(f"""
        import os, sys
        options = load(sys.argv)
        seed = int(os.environ["SEED"])
        config = GRPOConfig(learning_rate=options.lr, seed=seed, output_dir=f"runs/{{options.name}}", **options.rest)
        {trainer("args=config")}
    """)
    assert run.settings == {}
    assert run.unread == {"learning_rate", "seed", "output_dir"}
    said = missed(run)
    assert len(said) == 4
    assert all(f"train.py, line {LINES + 5}" in one for one in said)
    assert any("learning_rate=options.lr" in one and "Set model.learning_rate" in one for one in said)
    assert any("**options.rest of the configuration" in one and "any argument may be in it" in one for one in said)


def test_a_setting_after_the_configuration_is_not_taken_and_listed(read) -> None:
    run = read(f"""
        config = GRPOConfig(beta=0.1, seed=3)
        config.beta = 0.2
        {trainer("args=config")}
    """)
    assert set(run.settings) == {"seed"}
    assert "beta=0.2" in missed(run)[0]
    assert f"line {LINES + 3}" in missed(run)[0]


def test_a_configuration_from_a_parser_points_to_the_file(read) -> None:
    run = read(f"""
        from trl import TrlParser
        script_args, training_args = TrlParser((GRPOConfig,)).parse_args_and_config()
        {trainer("args=training_args")}
    """)
    assert "rlframework from-trl config.yaml" in missed(run)[0]


@pytest.mark.parametrize(
    ("expression", "model", "dtype"),
    [
        ("AutoModelForCausalLM.from_pretrained('q', dtype=torch.bfloat16, device_map='auto')", "q", "bfloat16"),
        ("AutoModelForCausalLM.from_pretrained('q')", "q", "auto"),
        (
            "get_peft_model(AutoModelForCausalLM.from_pretrained('q', torch_dtype='float32'), LoraConfig(r=4))",
            "q",
            "float32",
        ),
    ],
)
def test_models_that_the_script_loads(read, expression: str, model: str, dtype: str) -> None:
    run = read(f"""
        model = {expression}
        GRPOTrainer(model, first, train_dataset=load_dataset("d", split="train"))
    """)
    assert (run.model, run.dtype, run.missed) == (model, dtype, [])
    assert (run.lora is not None) is ("peft" in expression)


def test_settings_of_a_model_that_cannot_be_carried_are_listed(read) -> None:
    run = read("""
        model = AutoModelForCausalLM.from_pretrained("q", attn_implementation="flash_attention_2", revision=main())
        GRPOTrainer(model, first, train_dataset=load_dataset("d", split="train"))
    """)
    assert [one.partition(": ")[2].partition(" of")[0] for one in missed(run)] == [
        "attn_implementation='flash_attention_2'",
        "revision=main()",
    ]


def test_adapter_quantization_and_tokenizer(read) -> None:
    run = read(f"""
        tokenizer = AutoTokenizer.from_pretrained("t", padding_side="left")
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.chat_template = "..."
        lora = LoraConfig(r=8, lora_alpha=rank(), target_modules=["q_proj"], task_type="CAUSAL_LM")
        four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
        {trainer("peft_config=lora, quantization_config=four, processing_class=tokenizer")}
    """)
    assert run.lora == {"class_path": "peft.LoraConfig", "init_args": {"r": 8, "target_modules": ["q_proj"]}}
    assert run.quantization == {"load_in_4bit": True, "bnb_4bit_compute_dtype": "bfloat16"}
    assert run.tokenizer == "t"
    said = missed(run)
    assert len(said) == 2
    assert any("lora_alpha=rank()" in one for one in said)
    assert any("tokenizer.chat_template" in one for one in said)


def test_rewards_of_every_kind(read) -> None:
    run = read("""
        PATTERN = re.compile("a")

        async def second(completions, **kwargs):
            return [float(bool(PATTERN.search(text))) for text in completions]

        functions = [first, second, accuracy_reward, my_rewards.right, "org/reward-model",
                     lambda completions, **k: [0.0],
                     get_soft_overlong_punishment(max_completion_len=64, soft_punish_cache=16), first]
        GRPOTrainer(model="m", reward_funcs=functions, train_dataset=load_dataset("d", split="train"))
    """)
    assert run.rewards == [
        FoundReward("first", ".first"),
        FoundReward("second", ".second"),
        FoundReward("accuracy_reward", "trl.rewards.accuracy_reward"),
        FoundReward("right", "my_rewards.right"),
        FoundReward("reward_4", ".reward_4"),
        FoundReward("reward_5", ".reward_5"),
        FoundReward("soft_overlong", soft_overlong={"max_tokens": 64, "margin": 16}),
        FoundReward("first_7", ".first"),
    ]
    assert len(run.missed) == 1
    assert "'org/reward-model' is a reward model" in missed(run)[0]
    module: dict = {}
    exec("\n".join(run.code), module)
    assert module["reward_5"](["x"]) == [0.0]
    with pytest.raises(NotImplementedError, match="'org/reward-model' was not carried over; write it here"):
        module["reward_4"](["x"])
    assert {"first", "second", "PATTERN"} <= module.keys()
    assert "GRPOTrainer(" not in "\n".join(run.code)


def test_a_module_that_is_imported_in_one_of_two_ways(read) -> None:
    run = read("""
        try:
            from . import scores
        except ImportError:
            import scores
        GRPOTrainer(model="m", reward_funcs=scores.right, train_dataset=load_dataset("d", split="train"))
    """)
    assert (run.rewards, run.missed) == ([FoundReward("right", "scores.right")], [])
    run = read("""
        from . import scores
        GRPOTrainer(model="m", reward_funcs=scores.right, train_dataset=load_dataset("d", split="train"))
    """)
    assert "relative to the script" in missed(run)[0]


def test_a_reward_that_needs_a_part_of_the_training_is_listed(read) -> None:
    run = read("""
        def with_state(completions, **kwargs):
            return [float(trainer.state.global_step) for text in completions]

        trainer = GRPOTrainer(model="m", reward_funcs=[with_state], train_dataset=load_dataset("d", split="train"))
    """)
    assert run.rewards == [FoundReward("reward_0", ".reward_0")], "left to be written, so that no run goes without it"
    assert "NotImplementedError" in run.code[-1]
    assert f"needs what line {LINES + 5} makes" in missed(run)[0]


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("load_dataset('d', 'c', split='train[:5]')", Rows("d", ("c",), "train[:5]")),
        ("load_dataset('d')['test']", Rows("d", split="test")),
        ("load_dataset('json', data_files='a.jsonl', split='train')", Rows("json", options={"data_files": "a.jsonl"})),
        ("Dataset.from_json('a.jsonl')", Rows("json", options={"data_files": "a.jsonl"})),
        ("load_dataset('d', split='train').select(range(100)).shuffle(seed=1)", Rows("d", split="train[:100]")),
        ("load_dataset('d', split='train').rename_column('question', 'prompt')", Rows("d", prompt_column="question")),
    ],
)
def test_rows_that_are_named(read, expression: str, rows: Rows) -> None:
    run = read(f"""
        dataset = {expression}
        dataset = dataset.shuffle()
        GRPOTrainer(model="m", reward_funcs=first, train_dataset=dataset)
    """)
    assert (run.train, run.missed) == (rows, [])


@pytest.mark.parametrize(
    "expression",
    [
        "load_dataset('d', split='train').map(lambda row: row)",
        "load_dataset('d', split='train').shuffle().select(range(5))",
        "load_dataset('d')",
        "Dataset.from_list([{'prompt': 'a'}])",
        "load_dataset(name, split='train')",
        "load_dataset('d', split='train').train_test_split(0.1)['train']",
    ],
)
def test_rows_that_the_script_makes_are_asked_for_as_a_file(read, expression: str) -> None:
    run = read(f"GRPOTrainer(model='m', reward_funcs=first, train_dataset={expression})")
    assert run.train == Rows("json", options={"data_files": "train.jsonl"})
    assert 'DATASET.to_json("train.jsonl")' in missed(run)[0]


def test_parts_of_the_trainer_are_listed_with_where_they_are_here(read) -> None:
    run = read("""
        class Mine(GRPOTrainer):
            def _compute_loss(self, model, inputs):
                return super()._compute_loss(model, inputs)

        rows = load_dataset("d", split="train")
        trainer = Mine(model="m", reward_funcs=first, train_dataset=rows, callbacks=[Watch()],
                       tools=[search], optimizers=(None, None))
        trainer.add_callback(Watch())
        trainer.train(resume_from_checkpoint=True)
        trainer.save_model("out")
    """)
    said = "\n".join(missed(run))
    for part in (
        "class Mine, which overrides _compute_loss",
        "callbacks=",
        "tools=",
        "optimizers=",
        "add_callback",
        "train(",
    ):
        assert part in said
    assert run.saves_model


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("", "found none"),
        ("GRPOTrainer(model='a')\nRLOOTrainer(model='b')", "found 2, in the lines"),
        ("class A:\n    def f(self):\n        GRPOTrainer(model='a')", "inside a class"),
        ("def (:", "this is no Python"),
    ],
)
def test_a_script_without_one_trainer_is_refused(read, script: str, why: str) -> None:
    with pytest.raises(NotReadError, match=why):
        read(script)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [("\ufeff", "utf-8"), ("# -*- coding: latin-1 -*-\n# \u00e9\n", "latin-1")],
    ids=["mark", "cookie"],
)
def test_the_encoding_that_a_script_names(head: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes((head + dedent(HEAD) + trainer("args=GRPOConfig(beta=0.25)")).encode(encoding))
    assert read_script(path).settings["beta"].value == 0.25


@pytest.mark.parametrize(
    ("script", "why"),
    [("# coding: nonsense\n", "nonsense"), ("x = '\0'", "null bytes"), (f"x = {'-' * 5000}1", "nested too deeply")],
    ids=["encoding", "nul", "deep"],
)
def test_what_python_itself_cannot_read_is_refused(script: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(script)
    with pytest.raises(NotReadError, match=why):
        read_script(path)
