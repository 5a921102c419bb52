"""One GPU for one training, whatever is visible; counted by a stand-in, because no GPU is needed to choose one."""

import os

import pytest

from harness.errors import ModelProblem, UsageProblem
from tests.trainers.test_sweep import Lines
from trainers.devices import VISIBLE, one_gpu
from trainers.jobs import Ended, Job, train
from trainers.sft import Watcher
from trainers.sft import train as train_here


@pytest.mark.parametrize(
    ("given", "device", "count", "left"),
    [
        (None, "auto", 4, "0"),
        (None, "cuda", 4, "0"),
        (None, "cuda:2", 4, "2"),
        (None, "auto", 1, None),
        (None, "auto", 0, None),
        ("3", "auto", 1, "3"),
        ("", "auto", 0, ""),
        ("2,3", "auto", 2, "2"),
        ("2, 3", "cuda:1", 2, "3"),
        ("GPU-a,GPU-b", "cuda:1", 2, "GPU-b"),
        (None, "cpu", 4, ""),
        ("1", "cpu", 1, ""),
    ],
)
def test_one_gpu_is_left(given, device, count, left):
    """The first of those visible, or the one that --device names; what names one already is untouched."""
    environment = {} if given is None else {VISIBLE: given}
    said = one_gpu(environment, lambda: count, device=device)
    assert environment.get(VISIBLE) == left
    assert (f"GPU {left}, one of {count}" in said) == (count > 1 and device != "cpu")


def test_a_gpu_that_is_not_there_is_refused():
    """With the number of those that are."""
    with pytest.raises(UsageProblem, match=r"--device cuda:4: 4 GPUs are visible here; give one below cuda:4"):
        one_gpu({}, lambda: 4, device="cuda:4")


@pytest.fixture
def four_gpus(monkeypatch):
    """A machine that seems to have four GPUs, as long as CUDA_VISIBLE_DEVICES hides none."""
    monkeypatch.setenv(VISIBLE, "remembered, so that it is put back")
    monkeypatch.delenv(VISIBLE)

    def count():
        return len(os.environ[VISIBLE].split(",")) if VISIBLE in os.environ else 4

    for module in ("devices", "jobs", "sft"):
        monkeypatch.setattr(f"trainers.{module}.visible_gpus", count)


@pytest.mark.usefixtures("four_gpus")
def test_training_takes_the_first_and_says_so(config, tmp_path):
    """`python -m trainers` needs no variable to be set."""
    said = []
    train_here(config.model_copy(update={"steps": 1}), tmp_path / "out", watcher=Watcher(say=said.append))
    assert os.environ[VISIBLE] == "0"
    assert [line for line in said if "GPU" in line] == [
        "on GPU 0, one of 4: training uses one, which CUDA_VISIBLE_DEVICES chooses"
    ]


@pytest.mark.usefixtures("four_gpus")
def test_a_process_that_uses_several_already_is_refused(config, tmp_path, monkeypatch):
    """Where it is too late to hide a GPU, one line says so instead of a library's traceback."""
    monkeypatch.setattr("trainers.sft.visible_gpus", lambda: 4)
    with pytest.raises(ModelProblem, match=r"uses CUDA on 4 already; set CUDA_VISIBLE_DEVICES=0"):
        train_here(config, tmp_path / "out")


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(("device", "left"), [("auto", "0"), ("cuda:3", "3"), ("cpu", "")])
def test_a_sweep_trains_where_it_measures(config, tmp_path, monkeypatch, device, left):
    """The process that trains a point sees the gate's device alone, and the line that announces it says which."""
    seen = []
    monkeypatch.setattr(
        "trainers.jobs.run", lambda _words, _log, _screen, environment: seen.append(environment) or Ended(0, "")
    )
    screen = Lines()
    train(Job("r2", config, tmp_path / "store" / "r2", device), screen, place="1 of 2")
    assert [environment[VISIBLE] for environment in seen] == [left]
    assert screen.said[0].startswith(
        f"training r2 (1 of 2) on GPU {left}, one of 4" if left else "training r2 (1 of 2)"
    )
    assert VISIBLE not in os.environ
