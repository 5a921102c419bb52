"""What fine-tuning guides print or write, held against what is so today, where no other test does."""

import inspect
import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.errors import HarnessError, ModelProblem
from harness.quiet import quiet
from tests.tiny import make_base, make_tokenizer
from trainers.adapt import adapt
from trainers.arguments import LOADER_WORKERS, USE_CACHE, arguments
from trainers.bases import load_base
from trainers.config import Quantization, TrainConfig
from trainers.merge import merge
from trainers.planning.shapes import GROUPS, known_shapes
from trainers.sections import Lora
from trainers.sft import train

SHAPES = known_shapes()
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("rank", "total"), [(16, 8_072_204_288), (8, 8_051_232_768)])
def test_totals_of_an_8b_with_its_adapter(rank, total):
    """Base and adapter on all linear layers together; one guide prints the second for rank 16, one a third number."""
    shape = SHAPES["Llama-3.1-8B"]
    assert shape.parameters + shape.adapter_parameters(rank, GROUPS["all-linear"]) == total


@pytest.mark.parametrize(
    ("model", "rank", "group", "percent"),
    [
        ("Llama-3.2-3B", 16, "all-linear", 0.75),
        ("Llama-3.1-8B", 16, "all-linear", 0.52),
        ("Llama-3.1-8B", 16, "attention", 0.17),
        ("Llama-2-7b", 16, "all-linear", 0.59),
        ("Llama-2-7b", 8, "qv", 0.06),
    ],
)
def test_shares_of_trained_parameters(model, rank, group, percent):
    """Whether a guide's 0.1, 0.26 or 1 % is right depends on rank and targets, which most leave out."""
    trained = SHAPES[model].adapter_parameters(rank, GROUPS[group])
    assert round(100 * trained / (SHAPES[model].parameters + trained), 2) == percent


def test_all_linear_layers_train_more_than_twice_what_attention_does():
    """On a 3B the ratio is 2.65 and not 2; an adapter on all of an 8B's layers trains 191 times fewer numbers."""
    small, large = SHAPES["Llama-3.2-3B"], SHAPES["Llama-3.1-8B"]
    ratio = small.adapter_parameters(16, GROUPS["all-linear"]) / small.adapter_parameters(16, GROUPS["attention"])
    assert round(ratio, 2) == 2.65
    assert round(large.parameters / large.adapter_parameters(16, GROUPS["all-linear"])) == 191


def test_half_the_alpha_at_twice_the_rate_makes_the_same_first_step_only(config, tmp_path):
    """Adam's first step does not grow with the gradient, so scale times rate decides it; later steps differ."""
    for steps in (1, 3):
        deltas = []
        for alpha, rate in ((8, 0.01), (4, 0.02)):
            values = config.model_dump() | {
                "steps": steps,
                "lora": {"rank": 4, "alpha": alpha},
                "optim": {"learning_rate": rate, "warmup": 0, "schedule": "constant"},
            }
            out = tmp_path / f"{alpha}-{steps}"
            train(TrainConfig.model_validate(values), out)
            weights = load_file(out / "adapter_model.safetensors")
            deltas += [
                alpha / 4 * weights[name.replace("lora_A", "lora_B")] @ weights[name]
                for name in sorted(weights)
                if "layers.0.self_attn.q_proj.lora_A" in name
            ]
        one, other = deltas
        assert torch.allclose(one, other, rtol=0.02, atol=1e-5) == (steps == 1)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
def test_every_setting_of_the_recipe_reaches_trl(config, tmp_path):
    """No release's default decides: rate, schedule, warm-up, decay, clipping, batch, packing, checkpointing, length."""
    values = config.model_dump() | {
        "optim": {
            "learning_rate": 3e-4,
            "schedule": "linear",
            "warmup": 0.03,
            "weight_decay": 0.01,
            "max_grad_norm": 0.3,
            "name": "paged_adamw_8bit",
        },
        "epochs": 2,
        "batch_size": 2,
        "accumulation": 8,
        "packing": True,
        "gradient_checkpointing": True,
        "max_length": 512,
        "seed": 7,
    }
    told = arguments(TrainConfig.model_validate(values), tmp_path)
    assert (told.learning_rate, told.lr_scheduler_type, told.warmup_steps) == (3e-4, "linear", 0.03)
    assert (told.weight_decay, told.max_grad_norm, told.optim) == (0.01, 0.3, "paged_adamw_8bit")
    assert (told.per_device_train_batch_size, told.gradient_accumulation_steps, told.num_train_epochs) == (2, 8, 2)
    assert (told.packing, told.packing_strategy, told.max_length) == (True, "bfd", 512)
    assert (told.gradient_checkpointing, told.seed, told.report_to) == (True, 7, [])
    plain = arguments(config, tmp_path)
    assert (plain.gradient_checkpointing, plain.packing, plain.bf16, plain.logging_steps) == (False, False, False, 1)
    assert (plain.dataloader_num_workers, plain.use_cache, plain.tf32) == (LOADER_WORKERS, USE_CACHE, None)


def test_dropout_is_on_the_adapter_s_input(base, tmp_path):
    """The configured rate is that of every adapted layer, and there is none unless asked for."""
    for rate in (0.0, 0.05):
        model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
        wrapped = adapt(model, Lora(rank=4, dropout=rate), rows=[], base=base, seed=0, start=tmp_path)
        found = [part.p for part in wrapped.modules() if isinstance(part, torch.nn.Dropout)]
        assert set(found) == ({rate} if rate else set())


def test_names_in_the_guides_code_that_are_gone():
    """Why the guides' scripts stop: each argument and class below is what the current libraries no longer have."""
    import trl

    trainer = inspect.signature(trl.SFTTrainer.__init__).parameters
    settings = inspect.signature(trl.SFTConfig.__init__).parameters
    assert not {"tokenizer", "max_seq_length", "packing"} & set(trainer)
    assert not {"max_seq_length", "evaluation_strategy", "warmup_ratio"} & set(settings)
    assert {"max_length", "eval_strategy", "warmup_steps", "packing"} <= set(settings)
    assert "processing_class" in trainer
    assert not hasattr(trl, "DataCollatorForCompletionOnlyLM")
    assert not hasattr(trl, "ORPOTrainer")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"  # which these libraries ask for, too


def test_a_rendered_prompt_is_no_tensor():
    """`apply_chat_template(return_tensors="pt")` gives a mapping today, whose `shape` the guides' code asks for."""
    found = make_tokenizer().apply_chat_template([{"role": "user", "content": "Hi"}], return_tensors="pt")
    assert not isinstance(found, torch.Tensor)
    assert found["input_ids"].shape[0] == 1


def test_weights_that_are_not_quantised_keep_their_format(base):
    """Embeddings and norms stay in bfloat16; PEFT's preparation would copy them to float32, which takes memory."""
    from peft import prepare_model_for_kbit_training

    model = load_base(base, dtype="bfloat16", quantization=Quantization(kind="nf4"), device="cpu")

    def census():
        return {str(tensor.dtype) for tensor in model.parameters()}

    assert census() == {"torch.bfloat16", "torch.uint8"}
    with quiet():
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    assert census() == {"torch.float32", "torch.uint8"}


def test_no_attention_of_another_package_is_asked_for(base):
    """The guides' flash_attention_2 stops where that package is missing; torch's own attention is always there."""
    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
    assert model.config._attn_implementation == "sdpa"  # transformers has no other name for it


def test_code_in_a_model_folder_is_never_run(tmp_path):
    """A checkpoint that brings its own modelling code is refused, and its code leaves no trace."""
    folder = make_base(tmp_path / "base")
    trace = tmp_path / "was_run"
    (folder / "modeling_own.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Own: ...\n")
    values = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "modeling_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
    (folder / "config.json").write_text(json.dumps(values | {"model_type": "own", "auto_map": own}))
    with pytest.raises(ModelProblem, match="cannot be loaded"):
        load_base(folder, dtype="float32", quantization=Quantization(), device="cpu")
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_is_put_on_once(config, base, tmp_path):
    """TRL refuses a model that has an adapter together with `peft_config`, which the guides' code gives."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTTrainer

    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
    wrapped = adapt(model, Lora(rank=4), rows=[], base=base, seed=0, start=tmp_path)
    rows = Dataset.from_dict({"input_ids": [[1, 5, 2]], "labels": [[-100, 5, 2]]})
    with pytest.raises(ValueError, match="peft_config"):
        SFTTrainer(
            model=wrapped,
            args=arguments(config, tmp_path),
            train_dataset=rows,
            processing_class=make_tokenizer(),
            peft_config=LoraConfig(r=4),
        )


def test_a_checkpoint_that_is_not_there_is_not_merged(base, tmp_path):
    """The guides merge folders that nothing has written, such as `checkpoint-final`; here that is one line."""
    with pytest.raises(HarnessError, match="checkpoint-final") as caught:
        merge(tmp_path / "checkpoint-final", tmp_path / "merged", model=str(base))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "merged").exists()
