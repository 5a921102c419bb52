"""Training itself, on a tiny base: what changes, what must not, and what stops it."""

import json

import pytest
from safetensors import safe_open

from harness.errors import BadExamples, BadRunDirectory, BadSpec, ModelProblem
from harness.fingerprint import adapter_digest, weights_digest
from harness.models import identify
from harness.pins import read_pins
from harness.quiet import quiet
from tests.tiny import make_tokenizer
from trainers.bases import linear_names, load_base
from trainers.config import Quantization, TrainConfig
from trainers.product import COMPLETE
from trainers.sft import Watcher, train


def changed(config, **values):
    """The same configuration with some values replaced; sections are merged."""
    old = config.model_dump()
    new = {key: old[key] | value if isinstance(value, dict) else value for key, value in values.items()}
    return TrainConfig.model_validate(old | new)


@pytest.fixture
def adapter(config, tmp_path):
    """A trained adapter."""
    train(config, tmp_path / "adapter")
    return tmp_path / "adapter"


def logits(base, adapter=None):
    """What the base, or the base with an adapter, says after a few tokens."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    with quiet(), torch.inference_mode():
        if adapter:
            model = PeftModel.from_pretrained(model, adapter)
        return model.eval()(torch.tensor([[1, 20, 30, 40]])).logits


def test_training_changes_the_adapter_and_leaves_the_base_alone(base, adapter):
    """The base's files keep their digest, the adapter holds LoRA factors only, and it changes what is said."""
    assert read_pins(adapter).base_digest == weights_digest(base)
    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        assert all("lora_A" in name or "lora_B" in name for name in file.keys())  # noqa: SIM118  # no mapping
    assert not logits(base).equal(logits(base, adapter))


def test_the_base_s_weights_in_memory_are_untouched(config, base, tmp_path):
    """Training on a base and taking the adapter off gives the base, bit for bit."""
    import torch

    from trainers.encode import EncodedRow
    from trainers.fit import Task, fit

    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
    ids = torch.tensor([[1, 20, 30, 40]])
    rows = [EncodedRow(input_ids=(1, 5, 9, 2), labels=(-100, -100, 9, 2))]
    with torch.inference_mode():
        before = model.eval()(ids).logits
    task = Task(config, rows, make_tokenizer(), base, tmp_path, "job")
    fitted = fit(model, task, on_step=lambda *_: None, say=lambda _: None)
    with quiet(), torch.inference_mode(), fitted.model.eval().disable_adapter():
        assert fitted.model(ids).logits.equal(before)


def test_the_folder_pins_what_measuring_must_be_like(adapter):
    """System text, prompt ids, configuration and versions lie beside the weights; the machine's folders do not."""
    pins = read_pins(adapter)
    assert pins.system == "Answer with JSON."
    assert pins.golden_prompt_ids[0] == 1
    assert pins.train_config["lora"]["rank"] == 4
    assert pins.train_config["data"] == "rows.jsonl"
    assert {"torch", "trl", "peft", "device"} <= set(pins.environment)
    settings = {"float32_products": "ieee", "loader_workers": 0, "use_cache": False}
    assert settings.items() <= pins.environment.items()
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "tunegate.json",
        "training.json",
        COMPLETE,
    }


def test_the_curve_has_every_step_and_the_loss_falls(config, tmp_path):
    """Each step is kept and told as it happens, and training on twelve rows for some epochs learns them in part."""
    seen, shown = [], []
    watcher = Watcher(
        step=lambda done, total, point: seen.append((done, total, point.loss)),
        example=lambda *parts: shown.append(parts),
    )
    train(changed(config, epochs=8), tmp_path / "out", watcher=watcher)
    summary = json.loads((tmp_path / "out" / "training.json").read_text())
    losses = [point["loss"] for point in summary["curve"]]
    assert seen == [(step, 24, loss) for step, loss in enumerate(losses, start=1)]
    assert losses[-1] < losses[0] - 0.5
    assert summary["rows_per_second"] > 0
    assert [(kind, learned) for kind, _, learned in shown] == [("task", '{"word": "ash", "length": 3}<|end|>')]


def test_the_adapter_starts_as_the_identity(config, base, tmp_path):
    """Before the first update the model with adapter says exactly what the base says."""
    import torch

    from trainers.adapt import adapt
    from trainers.encode import EncodedRow

    ids = torch.tensor([[1, 20, 30, 40]])
    row = EncodedRow(input_ids=tuple(range(1, 31)), labels=tuple(range(1, 31)))
    for variant in ("lora", "rslora", "dora", "eva", "pissa", "olora"):
        model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
        with quiet(), torch.inference_mode():
            lora = changed(config, lora={"variant": variant}).lora
            wrapped = adapt(model, lora, rows=[row], base=base, seed=0, start=tmp_path / variant)
            assert torch.allclose(wrapped.eval()(ids).logits, logits(base), atol=1e-3, rtol=0)


def test_our_loss_is_trls_loss(config, tmp_path, monkeypatch):
    """Logits only where an answer is learned, padded batches: the same first loss and gradient as TRL's own loss."""
    from trl import SFTTrainer

    import trainers.fit
    from trainers.objectives import sft_trainer

    def theirs(**settings):
        """TRL's loss, rows in our order."""
        ours = sft_trainer(**settings)
        return type("Theirs", (ours,), {"compute_loss": SFTTrainer.compute_loss})

    train(config, tmp_path / "ours")
    monkeypatch.setattr(trainers.fit, "sft_trainer", theirs)
    train(config, tmp_path / "theirs")
    for ours, theirs in zip(*(curve(tmp_path / name) for name in ("ours", "theirs")), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)


def curve(folder):
    """The points in a product's training.json."""
    return json.loads((folder / "training.json").read_text())["curve"]


def test_accumulation_is_the_same_as_one_large_batch(config, tmp_path, data):
    """Four passes of four rows make the step that one pass of sixteen makes, though the rows differ in length."""
    more = "".join(f'{{"input": "Say it {"again " * n}.", "output": "{"yes " * n}."}}\n' for n in (1, 2, 5, 9))
    data.write_text(data.read_text() + more)
    for name, sizes in {"one": (16, 1), "four": (4, 4), "sixteen": (1, 16)}.items():
        train(changed(config, batch_size=sizes[0], accumulation=sizes[1]), tmp_path / name)
    (one,), (four,), (sixteen,) = (curve(tmp_path / name) for name in ("one", "four", "sixteen"))
    assert four["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert four["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
    assert sixteen["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)


def test_the_prompt_is_not_in_the_loss(config, base, tmp_path, data):
    """The first loss is the base's mean over the tokens of the answers, worked out row by row; no prompt token."""
    import torch
    from transformers import AutoModelForCausalLM

    from harness.chat import load_tokenizer
    from trainers.bases import stop_ids
    from trainers.encode import encode
    from trainers.rows import read_rows

    train(changed(config, batch_size=12), tmp_path / "out")
    tokenizer, model = load_tokenizer(base), AutoModelForCausalLM.from_pretrained(base)
    rows = encode(read_rows(data, system=config.system), tokenizer, stop_ids=stop_ids(base, tokenizer), max_length=256)
    total, count = 0.0, 0
    for row in rows:
        answer = sum(label != -100 for label in row.labels)
        with torch.inference_mode():
            scores = model(torch.tensor([row.input_ids])).logits[0].log_softmax(dim=-1)
        places = range(len(row.input_ids) - answer, len(row.input_ids))
        total -= sum(float(scores[place - 1, row.input_ids[place]]) for place in places)
        count += answer
    assert curve(tmp_path / "out")[0]["loss"] == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize("optimiser", ["adamw_8bit", "paged_adamw_8bit", "paged_adamw"])
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_qlora_with_double_quantisation_and_8_bit_or_paged_adamw_ends_in_an_adapter(config, tmp_path, optimiser):
    """The whole recipe of the guides on a CPU: the loss falls, and the harness takes what comes out."""
    recipe = changed(
        config, quantization={"kind": "nf4", "double": True}, optim={"name": optimiser}, lora={"rank": 8}, epochs=4
    )
    trained = train(recipe, tmp_path / "out")
    assert identify(trained.model).quantization == "nf4"
    points = curve(tmp_path / "out")
    assert points[-1]["loss"] < points[0]["loss"] - 0.5


def test_packing_isolates_its_rows(config, tmp_path):
    """Rows joined into one block give the loss that they give one by one."""
    train(changed(config, batch_size=12), tmp_path / "padded")
    train(changed(config, batch_size=12, packing=True), tmp_path / "packed")
    (padded,), (packed,) = curve(tmp_path / "padded"), curve(tmp_path / "packed")
    assert packed["loss"] == pytest.approx(padded["loss"], rel=1e-4)
    assert packed["grad_norm"] == pytest.approx(padded["grad_norm"], rel=1e-3)


def test_equal_jobs_give_equal_adapters_and_another_seed_another_one(config, tmp_path):
    """The seed decides everything that is drawn."""
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        train(changed(config, seed=seed), tmp_path / name)
    first, second, third = (adapter_digest(tmp_path / name) for name in "abc")
    assert first == second != third


def test_a_second_run_trains_nothing(config, tmp_path, data):
    """Equal contents are the same job wherever the files lie; other contents are another job."""
    assert train(config, tmp_path / "out").fresh
    moved = data.rename(tmp_path / "moved.jsonl")
    assert not train(changed(config, data=moved), tmp_path / "out").fresh
    moved.write_text(moved.read_text().replace("cedar", "alder"))
    with pytest.raises(BadRunDirectory, match="adapter of another configuration, data or base"):
        train(changed(config, data=moved), tmp_path / "out")


def test_a_run_that_is_not_finite_leaves_nothing(config, tmp_path, overflowing_base):
    """A base whose weights overflow ends in an error at the first step, not in an adapter and a clean curve."""
    with pytest.raises(ModelProblem, match=r"stopped at step 1: loss .* gradient norm nan are not both finite"):
        train(changed(config, model=str(overflowing_base)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_learns_nothing_is_refused(config, tmp_path):
    """With a rate too small to move fp32 numbers the adapter stays the identity, which is no product."""
    with pytest.raises(ModelProblem, match="still those of the start"):
        train(changed(config, optim={"schedule": "linear", "warmup": 0.99}, steps=1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_replayed_rows_are_mixed_in_without_the_task_s_system_text(config, tmp_path):
    """Four of sixteen rows are general; the system text belongs to the task."""
    general = tmp_path / "general.jsonl"
    general.write_text("".join(f'{{"input": "Count {n}.", "output": "{n}"}}\n' for n in range(9)))
    said, shown = [], []
    mixed = changed(config, replay_data=general, replay_fraction=0.25)
    watcher = Watcher(say=said.append, example=lambda *parts: shown.append(parts))
    train(mixed, tmp_path / "out", watcher=watcher)
    assert "16 rows (4 replayed)" in said[0]
    assert shown[1][0] == "replay"
    assert shown[1][1].startswith("<|begin|><|user|>Count")


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_qlora_trains_on_a_quantised_base_on_cpu(config, tmp_path, kind):
    """The 4-bit and 8-bit paths end in an adapter, with 8-bit optimiser states."""
    train(changed(config, quantization={"kind": kind}, optim={"name": "adamw_8bit"}), tmp_path / "out")
    assert curve(tmp_path / "out")


def test_target_modules_are_named_groups_or_checked_names(base):
    """A misspelt name among right ones is refused; PEFT would train without it."""
    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
    assert linear_names(model, "qv") == ["q_proj", "v_proj"]
    assert linear_names(model, ("o_proj",)) == ["o_proj"]
    with pytest.raises(BadSpec, match=r"no linear layer qproj; it has down_proj, .*, v_proj"):
        linear_names(model, ("v_proj", "qproj"))
    with pytest.raises(BadSpec, match="no linear layer lm_head"):
        linear_names(model, ("lm_head",))


def test_a_folder_without_a_model_is_said_at_once(config, tmp_path):
    """The key to look at is named, and no adapter folder is made."""
    with pytest.raises(ModelProblem, match=r"holds no model .* check the key 'model'"):
        train(changed(config, model=str(tmp_path)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_the_harness_accepts_what_was_trained(config, tmp_path, variant):
    """Pins, keys and shapes are those that measuring checks, and the configuration is found again."""
    trained = train(changed(config, lora={"variant": variant}), tmp_path / "out")
    known = identify(trained.model)
    assert known.digests["pins"] != "absent"
    assert known.train_config["lora"]["variant"] == variant


def test_bad_rows_stop_before_anything_is_loaded(config, tmp_path, data):
    """The rows are checked first, and the folder is not made."""
    data.write_text(data.read_text() + "{}\n")
    with pytest.raises(BadExamples, match=r"rows\.jsonl:13: keys"):
        train(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
