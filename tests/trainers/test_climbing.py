"""Real points from rung to rung on the tiny base: trained in processes of their own, killed, gone on with, cut."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from peft.utils.save_and_load import load_peft_weights
from typer.testing import CliRunner

from harness.errors import NotMeasured
from harness.halving import Reached
from tests.trainers.test_sweep import Lines, options, planned  # noqa: F401  # a fixture
from trainers.__main__ import app
from trainers.jobs import Ended

ROOT = Path(__file__).parents[2]
HALF, NONE, ALL = Fraction(1, 2), Fraction(0), Fraction(1)


@pytest.fixture
def halving(options):  # noqa: F811  # the fixture
    """Three points: two that go together, and one of another seed, without a partner."""
    file = Path(options.store).parent / "points.toml"
    file.write_text("points = [{ rank = 2 }, { rank = 4 }, { rank = 2, seed = 1 }]\n")
    return replace(options, no_pack=False, sweep=(str(file),))


def weights(folder) -> bytes:
    """The adapter's file."""
    return Path(folder, "adapter_model.safetensors").read_bytes()


def test_points_go_from_rung_to_rung_in_what_company_is_left(halving, tmp_path):
    """On the way each is what it is after so many steps; at the end it is what it is without halving, in its folder."""
    made, points = planned(halving)
    assert made.uncut == {}
    screen = Lines()
    first = made.reach(made.names, screen, after=NONE, until=HALF)
    assert screen.said[0] == "training r2, r4 from 0 to 1/2 of the steps"
    assert screen.said[2] == "training r2-seed1 from 0 to 1/2 of the steps"
    for name, reached in first.items():
        assert (reached.step, reached.steps, reached.fresh) == (2, 3, True)
        assert reached.model.adapter == f"{points[name].model.adapter}.at-1-2"
        assert json.loads(Path(reached.model.adapter, "training.json").read_text())["steps"] == 2
    assert not any(Path(point.model.adapter).exists() for point in points.values())
    last = made.reach(("r4",), Lines(), after=HALF, until=ALL)
    assert last == {"r4": Reached(points["r4"].model, 0, 0, fresh=True)}
    assert not made.train("r4", Lines())
    other, whole = planned(replace(halving, store=tmp_path / "other"))
    other.train("r4", Lines())
    ours, theirs = (load_peft_weights(each["r4"].model.adapter, device="cpu") for each in (points, whole))
    assert all((ours[name] - theirs[name]).norm() <= 1e-4 * theirs[name].norm() for name in theirs)
    screen = Lines()
    again, _ = planned(halving)
    found = again.reach(again.names, screen, after=NONE, until=HALF)
    assert [each.fresh for each in found.values()] == [False, False, False]
    assert screen.said == []


def test_a_point_that_diverges_is_told_on_the_way_and_later(halving, overflowing_base):
    """Each in its own name; asked again, nothing is trained."""
    made, _ = planned(replace(halving, model=str(overflowing_base)))
    for screen in (Lines(), Lines()):
        found = made.reach(("r2", "r4"), screen, after=NONE, until=HALF)
        for name, fault in found.items():
            assert isinstance(fault, NotMeasured)
            assert f"training {name} failed before: training stopped at step 1: loss" in str(fault)
    assert screen.said == []


def test_a_pack_that_fails_as_a_whole_goes_on_one_by_one(halving, monkeypatch):
    """Then whoever fails alone is told with the reason, and the others are not held up."""
    made, _ = planned(halving)
    asked = []

    def dies(words, *_) -> Ended:
        asked.append(words)
        return Ended(-9, "no message")

    monkeypatch.setattr("trainers.packed.jobs.run", dies)
    screen = Lines()
    found = made.reach(("r2", "r4"), screen, after=NONE, until=HALF)
    assert [len(words) for words in asked] == [7, 6, 6]
    assert asked[0][-4:] == ["--after", "0", "--until", "1/2"]
    assert "the pack failed (killed by SIGKILL): no message; its points are trained one by one" in screen.said[1]
    for name, fault in found.items():
        assert f"training {name} from 0 to 1/2 of the steps failed (killed by SIGKILL)" in str(fault)


def test_who_cannot_be_stopped_says_why(halving):
    """What is trained by itself for a reason of its own; a point without a partner is a pack by itself."""
    Path(halving.sweep[0]).write_text(
        'points = [{ rank = 2 }, { rank = 2, seed = 1 }, { rank = 2, variant = "dora" }]\n'
    )
    made, _ = planned(halving)
    assert made.uncut == {"dora": "by itself: variant dora"}
    made, _ = planned(replace(halving, no_pack=True))
    assert set(made.uncut.values()) == {"--no-pack trains it by itself, drop that"}


@pytest.mark.slow
def test_a_training_that_is_killed_at_a_rung_goes_on(halving, tmp_path):
    """SIGKILL between rungs and among their products: the next ends in the adapters of an undisturbed climb."""
    config = Path(halving.train_config)
    config.write_text("steps = 40\n" + config.read_text() + "[checkpoints]\nseconds = 0\n")
    made, points = planned(halving)
    jobs = [made._jobs[name] for name in ("r2", "r4")]
    for job in jobs:
        job.write()
    files = [str(job.beside(".toml")) for job in jobs]
    for sign, words in (
        ("adapters/.pack.*/checkpoint-*/COMPLETE", ["--until", "1/2"]),
        ("adapters/*.at-1-2/COMPLETE", ["--until", "1/2"]),
        ("adapters/.pack.*/checkpoint-3*/COMPLETE", ["--after", "1/2"]),
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "trainers", "pack", *files, *words],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 240
        while not list(halving.store.glob(sign)) and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if words[0] == "--until":
            last = made.reach(("r2", "r4"), Lines(), after=NONE, until=HALF) if "at-1-2" in sign else {}
    assert [each.step for each in last.values()] == [20, 20]
    made.reach(("r2", "r4"), Lines(), after=HALF, until=ALL)
    calm, undisturbed = planned(replace(halving, store=tmp_path / "calm"))
    calm.reach(("r2", "r4"), Lines(), after=NONE, until=HALF)
    calm.reach(("r2", "r4"), Lines(), after=HALF, until=ALL)
    for name in ("r2", "r4"):
        assert weights(points[name].model.adapter) == weights(undisturbed[name].model.adapter)
    assert not list(halving.store.glob("adapters/.pack.*.checkpoints"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--until", "much"], "--until much: is no part of a training; give a fraction such as 1/4"),
        (["--until", "3/2"], "--until 3/2: is no part of a training"),
        (["--after", "1/0"], "--after 1/0: is no part of a training"),
        (["--after", "1/2", "--until", "1/2"], "--after 1/2 --until 1/2: nothing lies between; give a larger --until"),
    ],
)
def test_a_part_that_is_none_is_refused(tmp_path, words, message):
    """In one line, with 2, before anything is read."""
    (tmp_path / "a.toml").write_text("")
    done = CliRunner().invoke(app, ["pack", str(tmp_path / "a.toml"), *words])
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")
