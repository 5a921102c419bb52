"""Which points of a sweep are trained together."""

import json

import pytest

from tests.tiny import make_base
from trainers.config import TrainConfig
from trainers.packed.plan import group, hindrance


def changed(config, **values):
    """The same configuration with some values replaced; sections are merged."""
    old = config.model_dump()
    return TrainConfig.model_validate(
        old
        | {key: old[key] | value if isinstance(value, dict) and old[key] else value for key, value in values.items()}
    )


ALONE = {
    "method full": {"method": "full"},
    "method orpo": {"method": "orpo"},
    "variant dora": {"lora": {"variant": "dora"}},
    "variant pissa": {"lora": {"variant": "pissa"}},
    "variant olora": {"lora": {"variant": "olora"}},
    "variant eva": {"lora": {"variant": "eva"}},
    "variant loftq": {"lora": {"variant": "loftq"}, "quantization": {"kind": "nf4"}},
    "optimiser adamw_8bit": {"optim": {"name": "adamw_8bit"}},
    "early stopping": {"early_stopping": {"suite": "suites/test_x.py"}},
    "rows set aside to look at": {"evaluation": {"share": 0.1}},
    "adapters kept from along the way": {"checkpoints": {"keep": 2}},
    "rows joined into blocks": {"packing": True},
    "experiment trackers": {"report_to": ["wandb"]},
    "dtype bfloat16, which on a CPU is another arithmetic": {"dtype": "bfloat16"},
    "backend unsloth": {"backend": "unsloth"},
    "an interpreter of its own": {"interpreter": "/opt/python"},
}


@pytest.mark.parametrize(("reason", "settings"), ALONE.items())
def test_what_cannot_be_packed_is_told_why(config, reason, settings):
    """Each kind of training that is none of a pack's goes by itself, with its reason."""
    assert hindrance(changed(config, **settings)) == reason


def test_an_architecture_that_is_not_known_is_not_packed(config, tmp_path):
    """Experts, for one, mix rows; only decoders like Llama are packed."""
    folder = make_base(tmp_path / "other")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"model_type": "mixtral"}))
    assert "not known to keep rows apart" in hindrance(config.model_copy(update={"model": str(folder)}))
    assert not hindrance(config)


def test_points_that_agree_but_for_the_adapter_and_its_updates_are_trained_together(config, base):
    """Ranks, layers, scales, dropouts, rates and schedules share a pack; seed, rows, batch and steps part them."""
    configs = {
        "r2": changed(config, lora={"rank": 2}),
        "mlp": changed(config, lora={"target_modules": "mlp", "dropout": 0.1, "variant": "rslora"}),
        "slow": changed(
            config, optim={"learning_rate": 1e-4, "schedule": "linear", "weight_decay": 0.1, "warmup": 0.5}
        ),
        "often": changed(config, checkpoints={"seconds": 1}),
        "seed1": changed(config, seed=1),
        "seed1-r2": changed(config, seed=1, lora={"rank": 2}),
        "long": changed(config, epochs=2),
        "dora": changed(config, lora={"variant": "dora"}),
    }
    packs, alone = group(configs, base)
    assert packs == (("r2", "mlp", "slow", "often"), ("seed1", "seed1-r2"), ("long",))
    assert alone == {"dora": "variant dora"}


def test_a_base_that_drops_out_by_itself_is_not_packed(config, tmp_path):
    """Its masks come from one stream, so they would be others in other company."""
    folder = make_base(tmp_path / "dropping", attention_dropout=0.1)
    packs, alone = group({"a": config, "b": changed(config, lora={"rank": 2})}, folder)
    assert packs == ()
    assert alone == {"a": "the base's own attention_dropout", "b": "the base's own attention_dropout"}
