"""Rows that are set aside: which they are, that their loss is that of the model, and that looking changes nothing."""

import json
from dataclasses import replace

import pytest
import torch

from harness.errors import BadExamples, BadSpec
from harness.fingerprint import adapter_digest
from trainers.bases import load_base
from trainers.config import Quantization, TrainConfig, load_config
from trainers.encode import IGNORED_LABEL, EncodedRow
from trainers.held_out import set_aside
from trainers.material import gather, job_of
from trainers.sft import Watcher, train

ROWS = [EncodedRow((1, 2, index), (IGNORED_LABEL, IGNORED_LABEL, index)) for index in range(3, 203)]


def looking(config, *, share=0.3, every=2, **values):
    """The configuration with rows set aside, dropout, and a checkpoint after every step."""
    lora = config.lora.model_dump() | {"dropout": 0.2}
    further = {"evaluation": {"share": share, "every": every}, "checkpoints": {"seconds": 0}, "lora": lora}
    return TrainConfig.model_validate(config.model_dump() | further | values)


def summary(folder):
    """What a product says of its training."""
    return json.loads((folder / "training.json").read_text())


def test_each_row_stands_on_one_side():
    """About the share that was asked for, in order; the same for the same seed, and others for another."""
    learned, held = set_aside(ROWS, 0.25, 0)
    assert sorted((*learned, *held), key=ROWS.index) == ROWS
    assert list(held) == sorted(held, key=ROWS.index)
    assert 30 < len(held) < 70
    assert set_aside(ROWS, 0.25, 0) == (learned, held)
    assert set_aside(ROWS, 0.25, 1)[1] != held


def test_equal_rows_stand_on_one_side():
    """A row that is there twice is not both learned and looked at."""
    twice = [replace(row) for row in ROWS for _ in range(2)]
    learned, held = set_aside(twice, 0.25, 0)
    assert not set(learned) & set(held)


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    """With the counts, and what to do."""
    with pytest.raises(BadExamples, match=r"sets aside \d+ of 200 rows; give a share"):
        set_aside(ROWS, share, 0)


def test_rows_are_set_aside_and_their_loss_is_told(config, base, tmp_path):
    """Before the first step it is the base's own; then every second step and after the last; fewer rows are learned."""
    config = looking(config, epochs=3)
    train(config, tmp_path / "out")
    found = summary(tmp_path / "out")
    material = gather(config, base, config.system)
    assert (found["rows"], found["held_out"]["rows"]) == (len(material.rows), len(material.held))
    assert len(material.rows) + len(material.held) == 12
    assert not set(material.rows) & set(material.held)
    steps = [point["step"] for point in found["held_out"]["losses"]]
    assert steps == sorted({0, *range(2, found["steps"] + 1, 2), found["steps"]})
    assert found["held_out"]["losses"][0]["loss"] == pytest.approx(own_loss(base, material.held), rel=1e-4)
    assert found["held_out"]["losses"][-1]["loss"] < found["held_out"]["losses"][0]["loss"]
    assert found["held_out"]["tokens"] == sum(label != IGNORED_LABEL for row in material.held for label in row.labels)


def own_loss(base, rows):
    """By transformers' own loss, one row at a time."""
    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu").eval()
    nats = tokens = 0
    for row in rows:
        count = sum(label != IGNORED_LABEL for label in row.labels)
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss
        nats, tokens = nats + float(loss) * count, tokens + count
    return nats / tokens


def test_looking_changes_nothing_that_is_learned(config, tmp_path):
    """With dropout on: the same weights, however often the rows are looked at."""
    for every, name in ((1, "often"), (1000, "seldom")):
        train(looking(config, every=every, epochs=3), tmp_path / name)
    assert adapter_digest(tmp_path / "often") == adapter_digest(tmp_path / "seldom")


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_resumed_run_knows_what_was_measured_before(config, tmp_path):
    """Each step once, with the losses of an unbroken run."""
    config = looking(config, epochs=10)
    train(config, tmp_path / "whole")

    def die(done, _total, _point):
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        train(config, tmp_path / "broken", watcher=Watcher(step=die))
    train(config, tmp_path / "broken")
    assert summary(tmp_path / "broken")["resumed_at"] > 0
    assert summary(tmp_path / "broken")["held_out"] == summary(tmp_path / "whole")["held_out"]


def test_without_it_a_job_is_what_it_was(config, base):
    """No key that is not used makes another job; a share does, for it takes rows away."""
    plain = job_of(config, base, "")
    assert job_of(TrainConfig.model_validate(config.model_dump() | {"evaluation": None}), base, "") == plain
    shares = [TrainConfig.model_validate(config.model_dump() | {"evaluation": {"share": each}}) for each in (0.1, 0.2)]
    assert len({plain, *(job_of(each, base, "") for each in shares)}) == 3


def test_unsloth_has_none(tmp_path):
    """Its model is patched for training, and nobody has seen it looked at in between."""
    file = tmp_path / "train.toml"
    file.write_text('data = "rows.jsonl"\nbackend = "unsloth"\n[evaluation]\nshare = 0.1\n')
    with pytest.raises(BadSpec, match="change 'evaluation'"):
        load_config(file)
