"""A sweep whose points are trained together, as the gate asks for them: one by one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.errors import NotMeasured
from tests.trainers.test_sweep import Lines, options, planned  # noqa: F401  # a fixture
from trainers.__main__ import app
from trainers.jobs import Ended, to_toml
from trainers.packed.jobs import train_together

ROOT = Path(__file__).parents[3]


@pytest.fixture
def packing(options):  # noqa: F811  # the fixture
    """Four points: two that go together, one of another seed, one that cannot be packed."""
    (Path(options.store).parent / "points.toml").write_text(
        'points = [{ rank = 2 }, { rank = 4 }, { rank = 2, seed = 1 }, { rank = 2, variant = "dora" }]\n'
    )
    return replace(options, no_pack=False, sweep=(str(Path(options.store).parent / "points.toml"),))


def training(point) -> dict:
    """What the product says of its training."""
    return json.loads((Path(point.model.adapter) / "training.json").read_text())


@pytest.fixture
def by_itself(monkeypatch):
    """What is asked of the ordinary trainer, which says that it trained: name and place."""
    asked = []

    def train(job, screen, *, place) -> bool:
        asked.append((job.name, place))
        return screen is not None

    monkeypatch.setattr("trainers.sweep.train", train)
    return asked


def test_a_pack_is_trained_when_its_first_point_is_asked_for(packing, by_itself):
    """Its others are there when they are asked for, and count as trained by this session; a next one trains none."""
    made, points = planned(packing)
    screen = Lines()
    assert made.train("r2", screen)
    assert screen.said[0] == "training r2 (1 of 4) in a pack of 2"
    assert screen.said[1].startswith("trained r2, r4 in ")
    assert training(points["r4"])["packed"]["k"] == 2
    assert made.train("r4", screen)
    assert len(screen.said) == 2
    assert made.train("r2-seed1", screen)  # without a partner
    assert screen.said[2] == "training r2-seed1 (3 of 4) in a pack of 1"
    assert training(points["r2-seed1"])["packed"]["k"] == 1
    assert by_itself == []
    assert made.train("r2-dora", screen)
    assert by_itself == [("r2-dora", "4 of 4; by itself: variant dora")]
    again, _ = planned(packing)
    assert again.train("r4", screen)
    assert by_itself[-1] == ("r4", "2 of 4")  # which finds it done
    assert len(screen.said) == 4


def test_without_packs_the_same_folders_are_filled(packing, by_itself):
    """`--no-pack` asks the ordinary trainer for every point, with the folders that a pack would have filled."""
    packed, _ = planned(packing)
    made, _ = planned(replace(packing, no_pack=True))
    assert [job.out for job in made._jobs.values()] == [job.out for job in packed._jobs.values()]
    assert all(made.train(name, Lines()) for name in made.names)
    assert by_itself == [(name, f"{place} of 4") for place, name in enumerate(made.names, start=1)]


def test_a_point_that_failed_in_its_pack_is_told_again(packing, overflowing_base):
    """Both diverge at once: each says so in its own name, and once more without training again."""
    made, _ = planned(replace(packing, model=str(overflowing_base)))
    with pytest.raises(NotMeasured, match=r"training r2 failed \(exit code 11\): training stopped at step 1: loss"):
        made.train("r2", Lines())
    screen = Lines()
    for name in ("r2", "r4"):
        with pytest.raises(NotMeasured, match=f"training {name} failed before: training stopped at step 1"):
            made.train(name, screen)
    assert screen.said == []


def test_a_pack_that_fails_as_a_whole_is_trained_one_by_one(packing, by_itself, monkeypatch):
    """Packing is a way to train, and its end is not the points': the ordinary trainer is asked, and the way is said."""
    made, _ = planned(packing)
    monkeypatch.setattr("trainers.packed.jobs.run", lambda *_: Ended(-9, "no message"))
    screen = Lines()
    assert made.train("r2", screen)
    assert made.train("r4", screen)
    assert "the pack failed (killed by SIGKILL): no message; its points are trained one by one" in screen.said[1]
    assert by_itself == [("r2", "1 of 4"), ("r4", "2 of 4")]
    assert len(screen.said) == 2


@pytest.mark.slow
def test_a_pack_that_is_killed_goes_on_where_it_was(packing, tmp_path):
    """SIGKILL of the trainer in the middle: the next one goes on, and its adapters are an undisturbed run's."""
    config = Path(packing.train_config)
    config.write_text("steps = 40\n" + config.read_text() + "[checkpoints]\nseconds = 0\n")
    made, points = planned(packing)
    jobs = [made._jobs[name] for name in ("r2", "r4")]
    for job in jobs:
        job.write()
    process = subprocess.Popen(
        [sys.executable, "-m", "trainers", "pack", *(str(job.beside(".toml")) for job in jobs)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 120
    while not list(packing.store.glob("adapters/.pack.*/checkpoint-*/COMPLETE")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not any(job.out.exists() for job in jobs)
    assert train_together(jobs, jobs[0], Lines(), place="") == {"r2", "r4"}
    assert training(points["r2"])["resumed_at"] > 0
    calm, undisturbed = planned(replace(packing, store=tmp_path / "calm"))
    calm.train("r4", Lines())
    for name in ("r2", "r4"):
        one, other = (Path(each[name].model.adapter, "adapter_model.safetensors") for each in (points, undisturbed))
        assert one.read_bytes() == other.read_bytes()
    assert not list(packing.store.glob("adapters/.pack.*.checkpoints"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('variant = "dora"', "r4.toml: cannot be packed: variant dora; train it by itself, with --out"),
        ("", "r4.toml: differs from .* in more than .lora. and .optim.; train it in another pack"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(packing, tmp_path, change, message):
    """`python -m trainers pack` refuses what is no pack in one line, and exits with 2."""
    made, _ = planned(packing)
    for name in ("r2", "r4"):
        config = made._jobs[name].config
        config = config if change or name == "r2" else config.model_copy(update={"seed": 7})
        text = to_toml(config.model_dump(mode="json", exclude_none=True))
        text = text.replace('variant = "lora"', change) if change and name == "r4" else text
        (tmp_path / f"{name}.toml").write_text(text)
    done = CliRunner().invoke(app, ["pack", str(tmp_path / "r2.toml"), str(tmp_path / "r4.toml")])
    assert done.exit_code == 2
    assert re.search(message, done.output.replace("\n", " "))
