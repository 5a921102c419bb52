"""Unsloth in the place of transformers and PEFT: it loads the base, puts the adapter on, and patches what TRL calls.

Rows, masks, order, checks, loop and product are those of every other training, so that the two differ in nothing else.
Unsloth wants other versions of TRL, transformers and datasets than the gate, so it lives in an environment of its own,
which a configuration names by `interpreter`.
"""

import os
import sys
import tempfile
from pathlib import Path

from harness.errors import ModelProblem
from harness.quiet import quiet
from trainers.bases import Model, linear_names
from trainers.config import TrainConfig
from trainers.sections import Quantization

__all__ = ["adapt", "load_base", "prepare"]


def prepare() -> None:
    """Import Unsloth, which has to come before everything that it patches.

    Raises:
        ModelProblem: this Python has no Unsloth, or Unsloth does not start here.
    """
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")  # it would fetch a file from the Hub to count its users
    if "UNSLOTH_COMPILE_LOCATION" not in os.environ:  # it runs what lies there, so the folder is nobody else's
        os.environ["UNSLOTH_COMPILE_LOCATION"] = tempfile.mkdtemp(prefix="tunegate-unsloth-")
    try:
        import unsloth  # type: ignore[import-not-found,unused-ignore]  # noqa: F401  # not in our environment
    except ImportError as error:
        raise ModelProblem(
            f"backend 'unsloth': {sys.executable} cannot import it ({error}); make an environment with unsloth, "
            "jsonschema and typer, and name its python in 'interpreter'"
        ) from error
    except (NotImplementedError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelProblem(f"backend 'unsloth' does not start here ({reason}); it needs a GPU that it knows") from error


def load_base(folder: Path, *, dtype: str, quantization: Quantization, device: str, config: TrainConfig) -> Model:
    """As `trainers.bases.load_base`, by Unsloth's loader.

    Raises:
        ModelProblem: Unsloth cannot load this base.
    """
    import torch
    from unsloth import FastLanguageModel

    try:
        with quiet():
            model, _ = FastLanguageModel.from_pretrained(
                model_name=str(folder),
                max_seq_length=config.max_length,
                dtype=getattr(torch, dtype),
                load_in_4bit=quantization.kind == "nf4",
                device_map={"": device},
                use_gradient_checkpointing="unsloth" if config.gradient_checkpointing else False,
                trust_remote_code=False,
            )
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelProblem(f"{folder}: Unsloth cannot load it ({reason}); take backend 'trl'") from error
    return model


def adapt(model: Model, config: TrainConfig) -> Model:
    """As `trainers.adapt.adapt`, with Unsloth's layers.

    Args:
        model: from `load_base`.
        config: the run.

    Raises:
        BadSpec: `lora.target_modules` names what the model has not.
    """
    from unsloth import FastLanguageModel

    names = linear_names(model, config.lora.target_modules)
    with quiet():
        return FastLanguageModel.get_peft_model(
            model,
            r=config.lora.rank,
            lora_alpha=config.lora.effective_alpha,
            lora_dropout=config.lora.dropout,
            target_modules=_layers(model) if isinstance(names, str) else names,
            bias="none",
            use_gradient_checkpointing="unsloth" if config.gradient_checkpointing else False,
            use_rslora=config.lora.variant == "rslora",
            random_state=config.seed,
            max_seq_length=config.max_length,
        )


def _layers(model: Model) -> list[str]:
    """The last names of all linear layers but the output; Unsloth takes `all-linear` for something wider."""
    output = model.get_output_embeddings()
    linear = [name for name, part in model.named_modules() if getattr(part, "in_features", 0) and part is not output]
    return sorted({name.rpartition(".")[2] for name in linear})
