"""Configurations written for axolotl: what is understood, what is not, and that both are said."""

import tomllib

import pytest
from typer.testing import CliRunner

from harness.errors import BadSpec
from trainers.__main__ import app
from trainers.axolotl import translate
from trainers.config import load_config, parse

GUIDE = """
base_model: meta-llama/Meta-Llama-3-8B-Instruct
load_in_4bit: true
adapter: lora
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_modules: [q_proj, k_proj, v_proj, o_proj]
datasets:
  - path: rows.jsonl
    type: alpaca
val_set_size: 0.05
sequence_len: 2048
sample_packing: true
micro_batch_size: 2
gradient_accumulation_steps: 8
num_epochs: 3
optimizer: paged_adamw_8bit
lr_scheduler: cosine
learning_rate: 2e-4
warmup_ratio: 0.03
bf16: true
gradient_checkpointing: true
wandb_project: demo
output_dir: ./out
flux_capacitor: 3
"""


@pytest.fixture
def guide(tmp_path):
    """The file of a guide, with the fields that guides name."""
    path = tmp_path / "axolotl.yaml"
    path.write_text(GUIDE, encoding="utf-8")
    return path


def test_a_guide_s_file_becomes_a_valid_configuration_of_ours(guide):
    """Every field that decides the training arrives; 4 bits with `adapter: lora` are trained as QLoRA."""
    (guide.parent / "ours.toml").write_text(translate(guide, parse(guide)).toml, encoding="utf-8")
    config = load_config(guide.parent / "ours.toml")
    assert config.model == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert config.data == guide.parent / "rows.jsonl"
    assert (config.method, config.quantization.kind, config.quantization.double) == ("sft", "nf4", True)
    assert (config.lora.rank, config.lora.effective_scale, config.lora.dropout) == (16, 2.0, 0.05)
    assert config.lora.target_modules == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert (config.batch_size, config.accumulation, config.epochs, config.max_length) == (2, 8, 3.0, 2048)
    assert (config.optim.name, config.optim.learning_rate, config.optim.warmup) == ("paged_adamw_8bit", 2e-4, 0.03)
    assert (config.packing, config.gradient_checkpointing, config.dtype) == (True, True, "bfloat16")
    assert config.report_to == ("wandb",)


def test_every_key_is_accounted_for(guide):
    """Mapped or left, no key of the file goes unmentioned, and what is left has a reason."""
    values = parse(guide)
    found = translate(guide, values)
    named = {line.partition(":")[0] for line in (*found.mapped, *found.left)}
    assert named == {*values, "datasets.type"}
    assert 'learning_rate: "2e-4" -> optim.learning_rate = 0.0002' in found.mapped
    assert "adapter: lora with load_in_4bit -> trained as qlora is" in found.mapped
    assert 'output_dir: "./out" (give --out)' in found.left
    assert "flux_capacitor: 3 (off, or without a counterpart here)" in found.left


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("", "method", "full"),
        ("adapter: qlora\nload_in_4bit: true\nlora_target_linear: true", "lora", {"target_modules": "all-linear"}),
        ("adapter: lora\nrl: orpo\norpo_alpha: 0.2", "orpo_beta", 0.2),
        ("adapter: lora\npeft_use_dora: true", "lora", {"variant": "dora"}),
        ("adapter: lora\nload_in_8bit: true", "quantization", {"kind": "int8"}),
    ],
)
def test_what_decides_the_method_is_understood(tmp_path, text, key, value):
    """No adapter is full fine-tuning; preferences, DoRA and 8 bits have their own keys."""
    path = tmp_path / "a.yml"
    path.write_text(f"base_model: m\ndatasets: [{{path: org/rows}}]\n{text}\n")
    ours = tomllib.loads(translate(path, parse(path)).toml)
    assert ours[key] == value
    assert ours["data"] == {"hub": "org/rows", "split": "train"}


def test_a_file_that_gives_no_valid_configuration_says_which_key(tmp_path):
    """Without rows there is nothing to train on; a rank of 0 is out of range."""
    path = tmp_path / "a.yml"
    path.write_text("base_model: m\nadapter: lora\n")
    with pytest.raises(BadSpec, match="key 'data' is missing"):
        translate(path, parse(path))
    path.write_text("base_model: m\nadapter: lora\nlora_r: 0\ndatasets: [{path: x.json}, {path: y.json}]\n")
    with pytest.raises(BadSpec, match=r"'lora\.rank' = 0"):
        translate(path, parse(path))


def test_the_command_prints_ours_and_lists_the_rest(guide):
    """Standard output is the new file and nothing else."""
    done = CliRunner().invoke(app, ["import-axolotl", str(guide)])
    assert done.exit_code == 0
    assert tomllib.loads(done.stdout)["lora"]["rank"] == 16
    assert 'not mapped: output_dir: "./out" (give --out)' in done.stderr
    assert "mapped: lora_r: 16 -> lora.rank = 16" in done.stderr


def test_training_on_the_file_itself_says_how_to_translate_it(guide):
    """One line with the command to type."""
    with pytest.raises(BadSpec, match=r"is written for axolotl; `python -m trainers import-axolotl .*` translates it"):
        load_config(guide)
