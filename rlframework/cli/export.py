"""``rlframework export``: the policy of a run as adapter, merged model and GGUF."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

DESCRIPTION = """\
Write what a run has learned so that other libraries read it: FOLDER/adapter (PEFT, vLLM), FOLDER/merged (a whole model:
transformers, vLLM and others) and FOLDER/model-f16.gguf (llama.cpp, Ollama), the last one if llama.cpp's converter is
there. Each is read back and held against the policy before it is put in its place, and the folders get a model card
(README.md): what was measured, how it was trained, licence, how to load it."""

EPILOG = """\
A checkpoint of an adapter names the model under it and knows it by its weights; if it has moved, say where: --base.
The exit status is 1 if something that was written is not the policy, and is then not left there, or if the converter
fails; 2 if the command cannot be carried out; else 0."""


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework export``."""
    options = argparse.ArgumentParser(
        prog="rlframework export",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="a .ckpt file by ModelCheckpoint, or a folder by SavePolicy")
    add("folder", metavar="FOLDER", help="where to write")
    add(
        "--only",
        action="append",
        choices=["adapter", "merged", "gguf"],
        help="write this alone; may be given several times",
    )
    add("--base", metavar="MODEL", help="the model under the adapter: a folder, a GGUF file or a hub name")
    add("--tokenizer", metavar="FOLDER", help="by default the one of the run")
    add("--dtype", choices=["float32", "bfloat16", "float16"], help="of the merged model; by default as in the run")
    add("--converter", metavar="PATH", help="llama.cpp's convert_hf_to_gguf.py, or the folder that has it")
    add("--gguf-type", default="f16", choices=["f32", "f16", "bf16", "q8_0"], help="of the GGUF file (by default f16)")
    add(
        "--measured",
        action="append",
        metavar="FILE",
        help="a summary.json, as of `rlframework eval`, for the model card; beside what lies at the checkpoint",
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework export``: write a run's policy as adapter, merged model and GGUF.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0, or 1 if what was written is not the policy or the converter failed.
    """
    options = parser()
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.export.write import export

    try:
        export(
            given.checkpoint,
            given.folder,
            forms=given.only,
            base=given.base,
            tokenizer=given.tokenizer,
            dtype=given.dtype,
            converter=given.converter,
            gguf_type=given.gguf_type,
            measured=given.measured or (),
        )
    except RuntimeError as error:
        print(f"error: {error}")
        return 1
    except (ImportError, OSError, ValueError) as error:
        options.error(" ".join(str(error).split()))
    return 0
