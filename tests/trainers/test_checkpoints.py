"""Interrupted trainings: they go on from the newest whole checkpoint, and end in the weights of an unbroken run."""

import json

import pytest
import torch

from harness.errors import ModelProblem
from harness.fingerprint import adapter_digest, weights_digest
from trainers.checkpoints import newest, spent_seconds
from trainers.config import TrainConfig
from trainers.product import COMPLETE, seal
from trainers.sft import Watcher, train


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def changed(config, **values):
    """The same configuration with some values replaced, and a checkpoint after every step."""
    old = config.model_dump() | {"checkpoints": {"seconds": 0}}
    new = {key: old[key] | value if isinstance(value, dict) else value for key, value in values.items()}
    return TrainConfig.model_validate(old | new)


def killed_at(step, config, out):
    """Train until a step has been taken, and die."""

    def die(done, _total, _point):
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        train(config, out, watcher=Watcher(step=die))


def kept(out):
    """The folder with the checkpoints of an unfinished product."""
    (folder,) = out.parent.glob(f".{out.name}.*.checkpoints")
    return next(folder.glob("*x*"))


@pytest.mark.parametrize(
    ("values", "step"),
    [
        pytest.param({"epochs": 3}, 3, id="last-step-of-an-epoch"),
        pytest.param({"epochs": 3}, 5, id="middle-of-second-epoch"),
        pytest.param({"epochs": 4, "lora": {"dropout": 0.2}, "batch_size": 2, "accumulation": 2}, 8, id="dropout"),
        pytest.param({"epochs": 4, "packing": True, "batch_size": 2}, 3, id="packed"),
        pytest.param({"epochs": 3, "lora": {"variant": "pissa"}}, 5, id="pissa"),
        pytest.param({"epochs": 3, "optim": {"name": "adamw_8bit"}, "quantization": {"kind": "nf4"}}, 5, id="qlora"),
    ],
)
def test_a_resumed_training_ends_in_the_same_adapter(config, tmp_path, values, step):
    """Bit for bit: rows in the same order, the same random numbers, the same optimiser."""
    config = changed(config, **values)
    train(config, tmp_path / "whole")
    killed_at(step, config, tmp_path / "broken")
    said, steps = [], []
    train(config, tmp_path / "broken", watcher=Watcher(said.append, lambda done, *_: steps.append(done)))
    assert f"going on from step {step - 1}" in said
    assert steps[0] == step
    assert adapter_digest(tmp_path / "broken") == adapter_digest(tmp_path / "whole")
    curves = [json.loads((tmp_path / name / "training.json").read_text())["curve"] for name in ("whole", "broken")]
    assert curves[0] == curves[1]


def test_a_resumed_full_fine_tuning_ends_in_the_same_model(config, tmp_path):
    """The checkpoints of whole models are used as those of adapters are."""
    config = changed(config, method="full", epochs=2, optim={"learning_rate": 1e-3})
    train(config, tmp_path / "whole")
    killed_at(4, config, tmp_path / "broken")
    train(config, tmp_path / "broken")
    assert weights_digest(tmp_path / "broken") == weights_digest(tmp_path / "whole")


def checkpoint(folder, step):
    """A whole checkpoint of two files."""
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "weights").write_bytes(b"weights of this step")
    (path / "optimizer").write_bytes(b"states of this step")
    seal(path, "job")
    return path


def damage(path, how):
    """Harm a checkpoint as a crash or a disk would."""
    match how:
        case "no-marker":
            (path / COMPLETE).unlink()
        case "half-marker":
            (path / COMPLETE).write_text((path / COMPLETE).read_text()[:40])
        case "cut":
            (path / "weights").write_bytes(b"weights of this ste")
        case "flipped":
            (path / "optimizer").write_bytes(b"states of thas step")
        case "gone":
            (path / "optimizer").unlink()


@pytest.mark.parametrize("how", ["no-marker", "half-marker", "cut", "flipped", "gone"])
def test_a_checkpoint_that_is_not_whole_is_put_aside_and_the_one_before_used(tmp_path, how):
    """It is never trusted in part, it is not deleted, and a line says what happened."""
    older, newer = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    damage(newer, how)
    said = []
    assert newest(tmp_path, "job", said.append) == older
    assert len(said) == 1
    assert said[0].startswith("checkpoint-10 is not used: ")
    assert [path.name.rpartition("-")[0] for path in (tmp_path / "quarantine").iterdir()] == ["checkpoint-10"]


def test_the_newest_whole_checkpoint_of_the_job_is_found_by_its_number(tmp_path):
    """Step 10 comes after step 9, though not in the alphabet; another job's checkpoint is none."""
    checkpoint(tmp_path, 9)
    ten = checkpoint(tmp_path, 10)
    assert newest(tmp_path, "job", print) == ten
    assert newest(tmp_path / "missing", "job", print) is None
    assert newest(tmp_path, "other", lambda _: None) is None


def test_a_training_goes_on_from_the_checkpoint_before_a_damaged_one(config, tmp_path):
    """The result is that of an unbroken run."""
    config = changed(config, epochs=2)
    train(config, tmp_path / "whole")
    killed_at(5, config, tmp_path / "broken")
    (kept(tmp_path / "broken") / "checkpoint-4" / "optimizer.pt").write_bytes(b"half")
    said = []
    train(config, tmp_path / "broken", watcher=Watcher(said.append))
    assert "going on from step 3" in said
    assert adapter_digest(tmp_path / "broken") == adapter_digest(tmp_path / "whole")


def test_another_configuration_does_not_go_on_from_these_checkpoints(config, tmp_path):
    """Other settings are another job, which starts at the beginning and leaves the first one's checkpoints alone."""
    killed_at(3, changed(config, epochs=2), tmp_path / "out")
    said = []
    train(changed(config, epochs=2, seed=1), tmp_path / "out", watcher=Watcher(said.append))
    assert not any("going on" in line for line in said)
    assert kept(tmp_path / "out").is_dir()


def test_a_finished_training_leaves_no_checkpoints(config, tmp_path):
    """Nothing hidden is left beside the product but its lock."""
    train(changed(config), tmp_path / "runs" / "out")
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"out", ".out.lock"}


def test_two_checkpoints_are_kept_and_know_how_long_training_took(config, tmp_path):
    """Disk use does not grow with the steps, and the seconds of earlier processes are not lost."""
    killed_at(6, changed(config, epochs=3), tmp_path / "out")
    folder = kept(tmp_path / "out")
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-5"]
    assert spent_seconds(folder / "checkpoint-5") > spent_seconds(folder / "checkpoint-4") > 0


def test_checkpoints_are_not_written_before_their_time(config, tmp_path):
    """A minute apart unless told otherwise, so that short runs write none."""
    slow = changed(config, epochs=2, checkpoints={"seconds": 60})
    killed_at(4, slow, tmp_path / "out")
    assert list(kept(tmp_path / "out").glob("checkpoint-*")) == []


def test_weights_from_along_the_way_are_part_of_the_product(config, tmp_path):
    """Two adapters at a third and two thirds of nine steps, each with its pins, so that each can be measured."""
    train(changed(config, epochs=3, checkpoints={"keep": 2, "seconds": 60}), tmp_path / "out")
    folders = sorted((tmp_path / "out" / "checkpoints").iterdir())
    assert [path.name for path in folders] == ["step-000003", "step-000006"]
    assert all((path / "tunegate.json").is_file() for path in folders)
    assert len({adapter_digest(path) for path in (*folders, tmp_path / "out")}) == 3


@pytest.fixture
def small_memory(monkeypatch):
    """A machine on which more than two rows do not fit; the sizes that were tried are listed."""
    import trainers.fit
    from trainers.objectives import sft_trainer

    tried = []

    def limited(**settings):
        class Limited(sft_trainer(**settings)):
            def compute_loss(self, model, inputs, *args, **kwargs):
                tried.append(len(inputs["input_ids"]))
                if tried[-1] > limited.most:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore")
                return super().compute_loss(model, inputs, *args, **kwargs)

        return Limited

    limited.most = 2
    monkeypatch.setattr(trainers.fit, "sft_trainer", limited)
    return limited, tried


def test_out_of_memory_halves_the_batch_and_makes_the_same_steps(config, tmp_path, small_memory):
    """Eight rows a step stay eight rows a step, the losses are those of a large machine, and it is said."""
    limited, tried = small_memory
    wide = changed(config, batch_size=8, epochs=2)
    said = []
    train(wide, tmp_path / "small", watcher=Watcher(said.append))
    assert (tried[0], tried[1], max(tried[2:])) == (8, 4, 2)
    cause = "which makes the same steps (CUDA out of memory. Tried to allocate 2.00 GiB)"
    assert [line for line in said if line.startswith("out of memory")] == [
        f"out of memory at 8x1 rows (batch x accumulation): starting again at 4x2, {cause}",
        f"out of memory at 4x2 rows (batch x accumulation): starting again at 2x4, {cause}",
    ]
    limited.most = 8
    train(wide, tmp_path / "large")
    small, large = (json.loads((tmp_path / name / "training.json").read_text()) for name in ("small", "large"))
    assert (small["batch_size"], small["accumulation"]) == (2, 4)
    assert [point["loss"] for point in small["curve"]] == pytest.approx(
        [point["loss"] for point in large["curve"]], rel=1e-3
    )


def test_one_row_that_does_not_fit_is_said_with_what_helps(config, tmp_path, small_memory):
    """The advice names what lowers memory, and that accumulation and alpha do not."""
    limited, _ = small_memory
    limited.most = 0
    with pytest.raises(ModelProblem, match=r"one row in a batch; lower max_length.*accumulation and alpha change noth"):
        train(changed(config), tmp_path / "out")
