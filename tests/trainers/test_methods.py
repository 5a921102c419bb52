"""Training a whole model, and training on preferences."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from harness.errors import BadExamples, BadSpec
from harness.models import identify
from harness.quiet import quiet
from trainers.config import TrainConfig
from trainers.sft import train


def changed(config, **values):
    """The same configuration with some values replaced; sections are merged."""
    old = config.model_dump()
    new = {key: old[key] | value if isinstance(value, dict) else value for key, value in values.items()}
    return TrainConfig.model_validate(old | new)


def curve(folder):
    """The points in a product's training.json."""
    return json.loads((folder / "training.json").read_text())["curve"]


def test_full_fine_tuning_makes_a_model_folder(config, base, tmp_path):
    """Every weight is trained; the folder is measured as a model of its own, and the loss falls."""
    trained = train(changed(config, method="full", epochs=4, optim={"learning_rate": 1e-3}), tmp_path / "out")
    assert (trained.model.base, trained.model.adapter) == (str(tmp_path / "out"), None)
    known = identify(trained.model)
    assert known.digests["tokenizer"] == identify(type(known)(name="base", base=str(base))).digests["tokenizer"]
    models = [AutoModelForCausalLM.from_pretrained(folder) for folder in (base, tmp_path / "out")]
    before, after = (dict(model.named_parameters()) for model in models)
    assert not [name for name in before if before[name].equal(after[name])]
    points = curve(tmp_path / "out")
    assert points[-1]["loss"] < points[0]["loss"] - 0.5
    summary = json.loads((tmp_path / "out" / "training.json").read_text())
    assert summary["trainable_parameters"] == sum(tensor.numel() for tensor in models[0].parameters())


def test_a_whole_model_that_does_not_move_is_refused(config, tmp_path):
    """A run that changes nothing is no product, adapter or not."""
    from harness.errors import ModelProblem

    still = changed(config, method="full", steps=1, optim={"schedule": "linear", "warmup": 0.99})
    with pytest.raises(ModelProblem, match="still those of the start"):
        train(still, tmp_path / "out")


@pytest.fixture
def preferences(tmp_path):
    """Twelve prompts with a preferred answer and another one."""
    path = tmp_path / "pairs.jsonl"
    words = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "yew"]
    rows = [{"input": f"Say {word}.", "chosen": word, "rejected": word[::-1] * 2} for word in words]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def preferred(base, adapter, pairs):
    """Mean log-probability a token of the chosen answers less that of the rejected ones."""
    from peft import PeftModel

    from harness.chat import load_tokenizer
    from trainers.bases import stop_ids
    from trainers.encode import encode
    from trainers.rows import read_rows

    tokenizer = load_tokenizer(base)
    rows = encode(read_rows(pairs), tokenizer, stop_ids=stop_ids(base, tokenizer), max_length=256)
    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter:
        with quiet():
            model = PeftModel.from_pretrained(model, adapter)

    def likelihood(row):
        ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
        with torch.inference_mode():
            return -float(model(ids, labels=labels).loss)

    return sum(likelihood(row) - likelihood(row.rejected) for row in rows) / len(rows)


def test_orpo_moves_the_model_towards_the_chosen_answers(config, base, tmp_path, preferences):
    """The gap between chosen and rejected answers widens, and the product is an adapter like any other."""
    orpo = changed(config, method="orpo", data=preferences, epochs=8, orpo_beta=0.5)
    trained = train(orpo, tmp_path / "out")
    identify(trained.model)
    assert preferred(base, tmp_path / "out", preferences) > preferred(base, None, preferences) + 0.5


def test_orpo_leaves_the_prompt_out_of_the_loss_and_counts_each_pair_once(config, base, tmp_path, preferences):
    """Its first loss is that of the definition, computed by hand; accumulation makes the same step."""
    one = changed(config, method="orpo", data=preferences, batch_size=12, orpo_beta=0.3)
    train(one, tmp_path / "one")
    train(changed(one, batch_size=3, accumulation=4), tmp_path / "four")
    (first,), (four,) = curve(tmp_path / "one"), curve(tmp_path / "four")
    assert first["loss"] == pytest.approx(by_hand(base, preferences, beta=0.3), rel=1e-4)
    assert four["loss"] == pytest.approx(first["loss"], rel=1e-4)
    assert four["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-3)


def by_hand(base, pairs, *, beta):
    """ORPO's loss on the base: -log p(chosen) - beta * log sigmoid(log odds ratio), each a mean over tokens."""
    from harness.chat import load_tokenizer
    from trainers.bases import stop_ids
    from trainers.encode import encode
    from trainers.rows import read_rows

    tokenizer = load_tokenizer(base)
    rows = encode(
        read_rows(pairs, system="Answer with JSON."), tokenizer, stop_ids=stop_ids(base, tokenizer), max_length=256
    )
    model = AutoModelForCausalLM.from_pretrained(base).double()
    total = 0.0
    for row in rows:
        with torch.inference_mode():
            good, bad = (
                -model(torch.tensor([side.input_ids]), labels=torch.tensor([side.labels])).loss
                for side in (row, row.rejected)
            )
        odds = (good - torch.log1p(-good.exp())) - (bad - torch.log1p(-bad.exp()))
        total += float(-good - beta * torch.nn.functional.logsigmoid(odds))
    return total / len(rows)


def test_rows_and_method_must_fit(config, tmp_path, preferences):
    """ORPO needs pairs, and pairs need ORPO: neither is trained as the other."""
    with pytest.raises(BadExamples, match=r"rows.jsonl:1: method 'orpo' learns from chosen and rejected answers"):
        train(changed(config, method="orpo"), tmp_path / "out")
    with pytest.raises(BadExamples, match=r"pairs.jsonl:1: method 'sft' learns from one answer a row"):
        train(changed(config, data=preferences), tmp_path / "out")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"method": "full", "quantization": {"kind": "nf4"}},
            "trains the weights that 'quantization.kind' would freeze",
        ),
        ({"method": "orpo", "packing": True}, "knows neither 'packing' nor 'replay_data'"),
        ({"lora": {"variant": "loftq"}}, "makes up for 4-bit rounding; set 'quantization.kind' to 'nf4'"),
        ({"lora": {"variant": "pissa"}, "quantization": {"kind": "nf4"}}, "must then not be rounded"),
        ({"lora": {"variant": "olora"}, "checkpoints": {"keep": 2}}, "needs weights that are saved as they are"),
        ({"lora": {"alpha": 3, "scale": 3}}, "give 'lora.alpha' or 'lora.scale', not both"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, values, said):
    """Before anything is read, with the keys that are in each other's way."""
    from trainers.config import load_config

    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"data": "d"} | values))
    with pytest.raises(BadSpec, match=said):
        load_config(path)
