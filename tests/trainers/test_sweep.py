"""Sweeps of training configurations: files, names, jobs, and points that are trained once in a process of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BadSpec, HarnessError, NotMeasured
from harness.options import QUANTIZATIONS, Options
from harness.types import ModelRef
from tests.tiny import make_base
from trainers.axes import grid
from trainers.config import load_config
from trainers.jobs import to_toml
from trainers.sweep import SHIPPED, make_sweep, read_sweep

OPTIONS = Options(**dict.fromkeys(Options.__dataclass_fields__))


@pytest.fixture
def options(base, data, tmp_path) -> Options:
    """`--sweep rank=2,4 --no-pack` on the tiny base, from a configuration of three steps."""
    config = tmp_path / "train.toml"
    config.write_text(
        f'data = {json.dumps(str(data))}\nsystem = "Answer with JSON."\nbatch_size = 4\nmax_length = 256\n'
        "[lora]\nrank = 4\nalpha = 8\n[optim]\nlearning_rate = 0.01\nwarmup = 0.0\n"
    )
    return replace(
        OPTIONS,
        model=str(base),
        adapter=(),
        backend="hf",
        dtype="float32",
        quantization="none",
        sweep=("rank=2,4",),
        no_pack=True,
        train_config=str(config),
        device="auto",
        store=tmp_path / "store",
    )


class Lines:
    """A screen that keeps what is said; nobody watches."""

    live = False

    def __init__(self):
        self.said = []

    def say(self, line):
        """Keep the line."""
        self.said.append(line)

    def draw(self, text):
        """Ignore what is redrawn."""


def planned(options, system=""):
    """The points of a sweep, and the sweep."""
    made = make_sweep(options)
    return made, {point.name: point for point in made.plan(ModelRef("base", options.model), system)}


def test_points_differ_only_in_what_is_swept(options):
    """A rank alone keeps the effective scale, which acts like a learning rate; everything else is the file's."""
    made, _ = planned(options)
    two, four = made.configs["r2"], made.configs["r4"]
    assert (two.lora.effective_scale, four.lora.effective_scale) == (2.0, 2.0)
    assert two.model_dump(exclude={"lora"}) == four.model_dump(exclude={"lora"})
    assert (two.lora.rank, four.lora.rank) == (2, 4)


def test_alpha_and_scale_replace_each_other(options):
    """An axis of alpha or scale is taken as given, whichever of the two the file has."""
    made, _ = planned(replace(options, sweep=("scale=1.0,4.0",)))
    assert [config.lora.effective_scale for config in made.configs.values()] == [1.0, 4.0]
    made, _ = planned(replace(options, sweep=("alpha=4,16",)))
    assert [config.lora.effective_scale for config in made.configs.values()] == [1.0, 4.0]


def test_matched_ranks_train_equally_many_parameters(options, tmp_path):
    """With match_params the ranks are chosen so that each target trains what the first point trains."""
    file = tmp_path / "matched.toml"
    file.write_text(
        'match_params = true\nset = { rank = 8 }\ngrid = { target_modules = ["all-linear", "qv", "mlp"] }\n'
    )
    _, points = planned(replace(options, sweep=(str(file),)))
    assert list(points) == ["all-linear-r8", "qv-r37", "mlp-r14"]
    assert [point.settings.get("lora.rank") for point in points.values()] == [8, 37, 14]
    assert [dict(point.given) for point in points.values()] == [
        {"lora.target_modules": modules} for modules in ("all-linear", "qv", "mlp")
    ]
    counts = [point.parameters for point in points.values()]
    assert max(counts) / min(counts) < 1.05


def test_full_fine_tuning_is_a_point_beside_adapters(options):
    """Its product is a whole model, measured as one; adapters beside it stay on the base."""
    _, points = planned(replace(options, sweep=("full_or_lora",)))
    kinds = {name: (point.full, point.model.base == options.model) for name, point in points.items()}
    assert kinds == {name: (True, False) if name.startswith("full") else (False, True) for name in points}
    assert {point.settings["optim.learning_rate"] for point in points.values() if point.full} == {1e-4, 2e-4, 5e-4}
    sizes = {kind: {point.parameters for point in points.values() if point.full is kind} for kind in (True, False)}
    assert min(sizes[True]) > max(sizes[False])


def test_points_are_measured_on_the_weights_that_they_are_trained_on(options):
    """The name of a point's quantisation says whether the scales are rounded too, from axes and from the option."""
    made, points = planned(replace(options, sweep=("quantization=nf4,fp4", "double=false")))
    assert [point.model.quantization for point in points.values()] == ["nf4-single", "fp4-single"]
    for asked in QUANTIZATIONS:
        made, points = planned(replace(options, quantization=asked))
        assert {config.quantization.label for config in made.configs.values()} == {asked}
        assert {point.model.quantization for point in points.values()} == {asked}


def test_job_is_named_by_contents(options, data):
    """Equal contents make the same folder wherever they lie; other rows, settings or system text make another."""
    jobs = {name: point.job for name, point in planned(options)[1].items()}
    assert jobs["r2"] != jobs["r4"]
    moved = data.rename(data.with_name("moved.jsonl"))
    by_option = planned(replace(options, train_data=str(moved)))[1]
    assert by_option["r2"].job == jobs["r2"]
    assert planned(replace(options, train_data=str(moved)), "Other words.")[1]["r2"].job != jobs["r2"]
    moved.write_text(moved.read_text() + '{"input": "Say one more.", "output": 1}\n')
    assert planned(replace(options, train_data=str(moved)))[1]["r2"].job != jobs["r2"]


def test_point_is_trained_once(options):
    """The first request trains in a process of its own and says so; the next, of another sweep, finds it done.

    What is trained has as many parameters as the configuration foretold, and is refused once it was changed.
    """
    made, points = planned(options)
    screen = Lines()
    assert made.train("r2", screen)
    assert screen.said[0] == "training r2 (1 of 2)"
    adapter = Path(points["r2"].model.adapter)
    assert json.loads((adapter / "training.json").read_text())["trainable_parameters"] == points["r2"].parameters
    again, _ = planned(replace(options, sweep=("rank=2,8",)))
    screen = Lines()
    assert not again.train("r2", screen)
    assert screen.said == []
    (adapter / "training.json").write_text("{}")
    with pytest.raises(HarnessError, match="changed since training"):
        again.train("r2", Lines())


def test_training_that_diverges_is_invalid_and_remembered(options, overflowing_base):
    """A loss that is not finite is the point's cause of death, said again without training again."""
    made, points = planned(replace(options, model=str(overflowing_base)))
    with pytest.raises(NotMeasured, match=r"training r2 failed \(exit code 11\): .*(loss|gradient|finite)"):
        made.train("r2", Lines())
    screen = Lines()
    with pytest.raises(NotMeasured, match="failed before"):
        made.train("r2", screen)
    assert screen.said == []
    assert not Path(points["r2"].model.adapter).exists()


@pytest.mark.slow
def test_killed_training_is_taken_up(options, tmp_path):
    """After SIGKILL of the one who waits, whoever asks again ends with the adapter that an undisturbed run makes."""
    made, points = planned(options)
    job = made._jobs["r2"]
    script = (
        "import sys; from pathlib import Path; from trainers.config import load_config; from trainers.jobs import *; "
        "from tests.trainers.test_sweep import Lines; config = load_config(Path(sys.argv[1])); "
        "train(Job('r2', config, Path(sys.argv[2])), Lines(), place='')"
    )
    again = tmp_path / "again.toml"
    again.write_text(to_toml(job.config.model_dump(mode="json", exclude_none=True)))
    for _ in range(2):
        waiting = subprocess.Popen(
            [sys.executable, "-c", script, again, job.out.resolve()], cwd=Path(__file__).parents[2]
        )
        wait_for(job.beside(".log"))
        os.kill(waiting.pid, signal.SIGKILL)
        waiting.wait()
    made.train("r2", Lines())
    other, undisturbed = planned(replace(options, store=tmp_path / "other"))
    other.train("r2", Lines())
    weights = [
        Path(each["r2"].model.adapter, "adapter_model.safetensors").read_bytes() for each in (points, undisturbed)
    ]
    assert weights[0] == weights[1]


def wait_for(path, seconds=60):
    """Until the file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_interruption_ends_the_training(options, monkeypatch):
    """When the session is interrupted, the training that it started does not go on behind its back."""
    made, _ = planned(options)
    started = []
    popen = subprocess.Popen

    def noticed(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.jobs.subprocess.Popen", noticed)
    monkeypatch.setattr("trainers.jobs._followed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.train("r2", Lines())
    assert started[0].returncode is not None


def test_configuration_survives_its_file(options, tmp_path):
    """What the process reads is what was planned, quotes and control characters included."""
    made, _ = planned(replace(options, sweep=("target_modules=q_proj+v_proj", "lr=2e-05,1e-3")))
    for config in made.configs.values():
        asked = config.model_copy(update={"system": 'Say "é\\"\n\x7f\t🙂.'})
        file = tmp_path / "config.toml"
        file.write_text(to_toml(asked.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
        assert load_config(file) == asked


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_sweep_that_ships_is_sound(options, name):
    """Every shipped sweep has points with names and valid configurations, ranked by a suite."""
    spec = read_sweep([name])
    assert spec.points
    assert spec.rank_by == "exact_match"
    made = make_sweep(replace(options, sweep=(name,), train_config=None))
    assert len(made.names) == len(spec.points)
    assert tomllib.loads((SHIPPED / f"{name}.toml").read_text())


def test_the_sweeps_that_ship_are_these():
    """Each question that the guides leave open has a sweep by its name."""
    named = {
        "rank_by_learning_rate",
        "rank_by_target",
        "learning_rate_by_variant",
        "quantisation",
        "data_size",
        "alpha_lr_equivalence",
        "replay",
        "full_or_lora",
    }
    assert named == {path.stem for path in SHIPPED.glob("*.toml")}


def test_axes_multiply_a_file(tmp_path):
    """An axis beside a file crosses its points."""
    file = tmp_path / "two.toml"
    file.write_text("points = [{ variant = 'dora' }, { rank = 8, epochs = 2 }]\n")
    assert read_sweep([str(file), "seed=1,2"]).points == (
        {"lora.variant": "dora", "seed": 1},
        {"lora.variant": "dora", "seed": 2},
        {"lora.rank": 8, "epochs": 2, "seed": 1},
        {"lora.rank": 8, "epochs": 2, "seed": 2},
    )
    assert read_sweep(["rank=8,16", "epochs=1,2"]).points == grid(rank=[8, 16], epochs=[1, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rank = [8]", "unknown key 'rank'"),
        ("gird = { rank = [8] }", "did you mean 'grid'"),
        ("grid = { rank = 8 }", r"two\.toml: sweep: rank = 8 must be a list"),
        ("points = []", "has no points"),
        ("rank_by = 'x'", "has no points"),
        ("grid = [8]", "grid, paired and set are tables"),
        ("grid = { rank = [8] ", "cannot be read as TOML"),
    ],
)
def test_mistake_in_a_file_is_named(tmp_path, text, message):
    """Unknown keys, bare values and empty sweeps name the file and the remedy."""
    file = tmp_path / "two.toml"
    file.write_text(text + "\n")
    with pytest.raises(BadSpec, match=message):
        read_sweep([str(file)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rank_by_targets",), "did you mean 'rank_by_target'"),
        (("rank",), "write an axis as rank=8,16"),
        (("rank_by_target", "replay"), "2 files; give one"),
        (("rank=0,8",), r"sweep, point r0: lora\.rank"),
        (("target_modules=all,mlp",), r"lora\.target_modules"),
    ],
)
def test_mistake_on_the_command_line_is_named(options, words, message):
    """A word that is nothing, two files, and values out of range are refused before anything is trained."""
    with pytest.raises(BadSpec, match=message):
        make_sweep(replace(options, sweep=words))


@pytest.mark.slow
def test_sweep_from_end_to_end(tmp_path, data):
    """An adapter and a full fine-tune are trained, measured, ranked and verified; a second session trains nothing."""
    root = Path(__file__).parents[2]
    base = make_base(tmp_path / "base")
    suites = tmp_path / "suites"
    suites.mkdir()
    (suites / "data.jsonl").write_text(
        "".join(json.dumps({"input": f"Say {i}.", "output": {"word": str(i)}}) + "\n" for i in range(40))
    )
    (suites / "test_words.py").write_text(
        "from harness.datasets import jsonl\nfrom harness.gates import Gate\n"
        "from harness.metrics.exact_match import exact_match\nfrom harness.prompts import chat\n"
        "from harness.suite import Suite\nfrom harness.types import Sampling\n"
        'suite = Suite(name="words", version=1, examples=jsonl("data.jsonl"), render=chat("Answer with JSON."),\n'
        "    sampling=Sampling(max_new_tokens=8), metrics=[exact_match()], gates=[Gate('exact_match', min_gain=0.3)])\n"
        "def test_gate(gate, check): check(gate)\n"
    )
    (tmp_path / "conftest.py").write_text((root / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "suites", "-q", "--model", str(base), "--train-data", str(data)]
    (tmp_path / "two.toml").write_text("points = [{ rank = 2 }, { method = 'full', learning_rate = 1e-3 }]\n")
    command += ["--sweep", "two.toml", "--sweep", "replay_fraction=0.0"]
    runs = []
    for number in range(2):
        done = subprocess.run(
            [*command, "--run-dir", f"run{number}"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stdout + done.stderr  # a random base learns nothing in a few steps
        runs.append(json.loads((tmp_path / f"run{number}" / "run.json").read_text()))
    assert [run["trained"] for run in runs] == [2, 0]
    assert runs[0]["verdicts"] == runs[1]["verdicts"]
    assert all(model["training"]["steps"] for model in runs[0]["models"][1:])
    adapter, whole = runs[0]["models"][1:]
    assert adapter["base"] == str(base)
    assert (whole["name"], whole["adapter"]) == ("full-lr1e-3", None)
    assert Path(tmp_path, whole["base"], "model.safetensors").is_file()
    assert "adapter_bytes" not in whole["training"]
    assert [point["full"] for point in runs[0]["plan"]["sweep"]["points"]] == [False, True]
    verified = [sys.executable, "-m", "harness.cli", "verify", str(tmp_path / "run0")]
    assert subprocess.run(verified, cwd=root, capture_output=True, check=False).returncode == 1
