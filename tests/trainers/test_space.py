"""Room on the disk: what a training writes is foreseen, and one that has no room for it does not begin."""

import json
from types import SimpleNamespace

import pytest

from harness import disk
from harness.errors import UsageProblem
from harness.models import locate
from tests.tiny import make_base
from trainers.packed.train import Wanted, train_pack
from trainers.sft import Watcher, train
from trainers.space import training_bytes


def changed(config, **settings):
    """The configuration with other settings."""
    return type(config).model_validate({**config.model_dump(), **settings})


def test_the_forecast_is_what_training_writes(config, base, tmp_path):
    """A checkpoint after every step and two kept adapters: what the disk holds at most is foreseen, roughly."""
    config = changed(config, epochs=3, checkpoints={"keep": 2, "seconds": 0})
    most = 0

    def step(*_state):
        nonlocal most
        weights = ("*.safetensors", "optimizer.pt")
        files = {path for name in weights for path in tmp_path.rglob(name)}
        most = max(most, sum(path.stat().st_size for path in files))

    train(config, tmp_path / "out", watcher=Watcher(step=step))
    product = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.safetensors"))
    foreseen = training_bytes(config, base)
    assert 0.5 * foreseen < most + product < 1.5 * foreseen


def test_every_weight_takes_more_room_than_an_adapter(config, base):
    """Full fine-tuning writes whole models and their optimiser's states; kept adapters are written twice."""
    plain = training_bytes(config, base)
    full = training_bytes(changed(config, method="full"), base)
    kept = training_bytes(changed(config, checkpoints={"keep": 5}), base)
    assert plain < kept < full


def test_a_training_without_room_does_not_begin(config, tmp_path, monkeypatch):
    """One line, no product, and the same command goes on once there is room."""
    with monkeypatch.context() as patch:
        patch.setattr(disk.shutil, "disk_usage", lambda _place: SimpleNamespace(free=1000))
        with pytest.raises(UsageProblem, match=r"may be written there, and 0 MB are free; .*choose another --out"):
            train(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert train(config, tmp_path / "out").fresh


def test_a_shape_that_is_not_known_is_said(config, tmp_path):
    """Nobody guesses: training goes on, and says that nobody looked."""
    base = make_base(tmp_path / "other")
    values = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**values, "model_type": "unheard-of"}))
    assert training_bytes(config, base) is None


def test_a_pack_without_room_does_not_begin(config, tmp_path, monkeypatch):
    """What all its points may write counts together: room for one is none for two."""
    base = locate(config.model, config.revision)
    wanted = [Wanted(changed(config, seed=seed), tmp_path / f"r{seed}") for seed in range(2)]
    one = training_bytes(config, base)
    with monkeypatch.context() as patch:
        patch.setattr(disk.shutil, "disk_usage", lambda _place: SimpleNamespace(free=int(1.5 * one)))
        with pytest.raises(UsageProblem, match="may be written there"):
            train_pack(wanted, Watcher())
    assert not any(each.out.exists() for each in wanted)
