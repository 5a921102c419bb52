"""Every way of the catalogue is walked, and none ends green."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
from typer.testing import CliRunner

from harness import cli, session
from harness.records import read_rows
from harness.types import Outcome
from harness.verify import verify
from tests import sweeping
from tests.playground import make_model, run_gate
from tests.silent_pass import (
    answers,
    data,
    measuring,
    models,
    options,
    processes,
    receipt,
    running,
    specs,
    store,
    sweeps,
    training,
)
from tests.silent_pass.page import AREAS, PAGE, page
from tests.silent_pass.ways import ADAPTER, BAD, BASE, GOOD, PAIRED, Way, make_suite, nothing
from tests.tiny import make_adapter, make_base

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[2]
TRACEBACK = "Traceback (most recent call last)"


class Ended(NamedTuple):
    """How a command ended, and all that a person can read of it."""

    code: int
    text: str


def each(area):
    """A test for each way, named by it."""
    return pytest.mark.parametrize("way", area.ways, ids=[way.name.replace(" ", "-") for way in area.ways])


def refuse_green(ended, way):
    """The exit code is the way's own and not 0, its words are said, and nobody sees a traceback."""
    assert way.code != 0
    assert ended.code == way.code, ended.text
    assert way.says in ended.text, ended.text
    assert TRACEBACK not in ended.text


def invoke(app, *words):
    """A command line of ours, in this process."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    return Ended(done.exit_code, done.output)


def gate(repo, *args, model="base"):
    """The gate in this process; read are its output, the reasons in run.json, and the reason codes of the candidate."""
    result = run_gate(repo, *args, "--assert=plain", model=model)
    text = result.stdout.str() + result.stderr.str()
    for run_dir in (repo.path / "runs").glob("*"):
        if (run_dir / "run.json").exists():
            run = json.loads((run_dir / "run.json").read_text())
            text += "\n".join(str(verdict["reason"]) for verdict in run["verdicts"])
            for path in (run_dir / "records").glob("*--good*"):
                scores = [score for row in read_rows(path.read_bytes()) for score in row.scores]
                text += "\n".join(sorted({f'"{score.reason_code}"' for score in scores}))
    return Ended(result.ret, text)


def walk(repo, way, *, args=ADAPTER, model="base"):
    """Break the repository and run the gate; where pytest says 0, what counts is `tunegate verify`."""
    way.do(repo.path)
    ended = gate(repo, *(way.args or args), model=model)
    run_dirs = sorted((repo.path / "runs").glob("*"))
    if way.key == "verify":
        assert ended.code == 0, ended.text
        ended = invoke(cli.app, "verify", run_dirs[-1] if run_dirs else repo.path / "runs/none")
    refuse_green(ended, way)
    for run_dir in run_dirs:
        if (run_dir / "run.json").exists() and way.key == "first":
            assert verify(run_dir).outcome is not Outcome.PASS


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository whose gate passes: a base that answers 108 of 120, and an adapter that answers 114."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    make_suite(pytester.path, gates=PAIRED)
    make_model(pytester.path / "base", right=BASE)
    make_model(pytester.path / "good", right=GOOD)
    return pytester


def test_unbroken_gate_is_green(repo):
    """Without any mischief the same gate passes and verifies, so that the ways are to blame."""
    assert gate(repo, *ADAPTER).code == 0
    (run_dir,) = (repo.path / "runs").iterdir()
    assert invoke(cli.app, "verify", run_dir).code == 0


def test_what_is_ignored_elsewhere_leaves_nothing_out(repo):
    """A folder without suites may be ignored, as many a repository does, and the run is whole."""
    (repo.path / "docs").mkdir()
    assert gate(repo, *ADAPTER, "--ignore", "docs", "--ignore-glob", "docs/*").code == 0
    (run_dir,) = (repo.path / "runs").iterdir()
    assert invoke(cli.app, "verify", run_dir).code == 0


@pytest.mark.parametrize("code", [0, 1])
def test_a_way_that_ended_green_or_otherwise_would_be_noticed(repo, code):
    """The check itself can fail: doing nothing is green, whatever an entry claims."""
    with pytest.raises(AssertionError):
        walk(repo, Way("nothing is done", nothing, code, ""))


@each(running.AREA)
def test_running(repo, way):
    """Tests that skip, do not check, or are kept from running."""
    walk(repo, way)


@pytest.mark.slow
@each(processes.AREA)
def test_processes(repo, way):
    """Sessions that end before their end leave no receipt."""
    way.do(repo.path)
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", "-q", *(way.args or ADAPTER)]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    ended = Ended(done.returncode, done.stdout + done.stderr)
    if way.key == "verify":
        assert ended.code in {0, -signal.SIGKILL}
        (run_dir,) = (repo.path / "runs").iterdir()
        ended = invoke(cli.app, "verify", run_dir)
    refuse_green(ended, way)


@each(measuring.AREA)
def test_measuring(repo, way):
    """Rows that are lost, scores that are none, engines that break."""
    walk(repo, way)


@each(specs.AREA)
def test_specs(repo, way):
    """Gates, suites and schemas that mean nothing."""
    walk(repo, way)


@each(data.AREA)
def test_data(repo, way):
    """Files with rows that cannot be believed."""
    walk(repo, way)


@each(options.AREA)
def test_options(repo, way):
    """Options that mean nothing."""
    make_suite(repo.path)
    walk(repo, way)


@each(store.AREA)
def test_store(repo, way):
    """A first run is green, and one of a poor adapter red; then something changes."""
    make_suite(repo.path)
    make_model(repo.path / "bad", right=BAD)
    assert [gate(repo, "--adapter", name).code for name in ("good", "bad")] == [0, 1]
    shutil.rmtree(repo.path / "runs")
    walk(repo, way)


@pytest.fixture
def scripted(pytester):
    """A repository with a base that answers in JSON, and a candidate that does, too."""
    answers.prepare(pytester.path)
    (pytester.path / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    return pytester


SCRIPTED = ("--backend", "scripted", "--adapter", "good.json")


@pytest.mark.slow
@each(answers.AREA)
def test_answers(scripted, way):
    """A candidate whose every answer is nearly right."""
    conftest = (scripted.path / "conftest.py").read_text()
    walk(
        scripted,
        way._replace(do=lambda root: (way.do(root), (root / "conftest.py").write_text(conftest))),
        args=SCRIPTED,
        model="base.json",
    )


def test_right_answers_are_green(scripted):
    """White space around JSON costs nothing, so that the other ways are to blame."""
    assert gate(scripted, *SCRIPTED, model="base.json").code == 0


@pytest.fixture
def sweeping_repo(repo):
    """A base that answers 90 of 120, a gate that asks for a gain, and points that are made up."""
    make_suite(repo.path, gates='Gate("exact_match", min_gain=0.01), Gate("exact_match", max_drop=0.05)')
    (repo.path / "conftest.py").write_text(sweeping.CONFTEST)
    (repo.path / "base/rule.json").write_text('{"right": 90}')
    make_model(repo.path / "base2", right=91)
    shutil.rmtree(repo.path / "good")
    return repo


@each(sweeps.AREA)
def test_sweeps(sweeping_repo, way):
    """Sweeps without points, with mistyped axes, or whose winner fails."""
    walk(sweeping_repo, way._replace(do=lambda root: _keep_conftest(root, way.do)))


def test_good_sweep_is_green(sweeping_repo):
    """The point that wins and keeps its gates is a PASS."""
    assert gate(sweeping_repo, *sweeps.sweep("good=117", "poor=60")).code == 0


def _keep_conftest(root, do):
    """Run `do`; a suite that it writes anew takes the sweep's conftest away, which is put back."""
    before = (root / "conftest.py").read_text()
    do(root)
    if "FakeBackend" in (root / "conftest.py").read_text() and "sweep" not in (root / "conftest.py").read_text():
        (root / "conftest.py").write_text(before)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A green run of one adapter, and a red one of two, made by pytest in a process of its own."""
    root = tmp_path_factory.mktemp("runs")
    make_suite(root)
    for name, right in {"base": 110, "good": 115, "bad": 60}.items():
        make_model(root / name, right=right)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for name, adapters, code in (("pass", ["good"], 0), ("fail", ["good", "bad"], 1)):
        words = [word for adapter in adapters for word in ("--adapter", adapter)]
        command = [sys.executable, "-m", "pytest", "suites", "--model", "base", *words, "--run-dir", name, "-q"]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
    return root


@pytest.fixture
def doctored(runs, tmp_path):
    """A copy of both runs."""
    for name in ("pass", "fail"):
        shutil.copytree(runs / name, tmp_path / name)
    return tmp_path


@each(receipt.AREA)
def test_receipt(doctored, way):
    """Verification recomputes everything, so whatever is changed shows."""
    run_dir = doctored / (way.args[0] if way.args else "pass")
    way.do(run_dir)
    refuse_green(invoke(cli.app, "verify", run_dir), way)


def test_undoctored_run_is_green(doctored):
    """A copy verifies as the run itself does."""
    assert invoke(cli.app, "verify", doctored / "pass").code == 0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A real, tiny base with an adapter, used once, so that every library is there before pytester takes note."""
    from harness.backends.hf import HfBackend
    from harness.types import ModelRef, Sampling

    root = tmp_path_factory.mktemp("tiny")
    make_adapter(make_base(root / "tiny"), root / "lora")
    backend = HfBackend(device="cpu")
    model = ModelRef("lora", str(root / "tiny"), adapter=str(root / "lora"))
    prompts = [backend.render(model, [{"role": "user", "content": "question"}])]
    backend.generate(backend.identify(model), prompts, Sampling(max_new_tokens=2), lambda _pairs: None)
    return root


@pytest.fixture
def real(pytester, tiny):
    """A repository with the tiny base, its adapter, and a suite of 60 questions; the base's answers are known."""
    models.prepare(pytester.path)
    (pytester.path / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    for name in ("tiny", "lora"):
        shutil.copytree(tiny / name, pytester.path / name)
    return pytester


def real_args(tiny, *args):
    """Answers of the base are shared by all ways."""
    return (*args, "--device", "cpu", "--store", str(tiny / "store"))


@pytest.mark.slow
@each(models.AREA)
def test_models(real, tiny, way, monkeypatch):
    """Adapters and bases that PEFT and transformers would load without a word."""
    monkeypatch.setattr("harness.chat._SECONDS", 2.0)  # the one template that never ends need not be waited for long
    conftest = (real.path / "conftest.py").read_text()
    done = way._replace(
        do=lambda root: (way.do(root), (root / "conftest.py").write_text(conftest)),
        args=real_args(tiny, *(way.args or ("--adapter", "lora"))),
    )
    walk(real, done, model="tiny")
    assert not list(real.path.rglob("ran"))  # what a pickle would have left behind


@pytest.mark.slow
def test_real_adapter_is_green(real, tiny):
    """The unbroken adapter is measured to the end and passes."""
    assert gate(real, *real_args(tiny, "--adapter", "lora"), model="tiny").code == 0


@pytest.fixture
def workshop(tiny, tmp_path):
    """A recipe, twelve rows and the tiny base."""
    shutil.copytree(tiny / "tiny", tmp_path / "tiny")
    rows = ({"input": f"Say {word} as JSON.", "output": {"word": word}} for word in "abcdefghijkl")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "train.toml").write_text(training.RECIPE)
    return tmp_path


def train(workshop):
    """`python -m trainers train.toml --out out`, in this process."""
    from trainers.__main__ import app

    return invoke(app, workshop / "train.toml", "--out", workshop / "out")


@pytest.mark.slow
@each(training.AREA)
def test_training(workshop, way):
    """No adapter is left that nobody trained."""
    way.do(workshop)
    refuse_green(train(workshop), way)
    assert not (workshop / "out" / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_sound_training_ends_with_an_adapter(workshop):
    """The unbroken recipe trains."""
    assert train(workshop).code == 0
    assert (workshop / "out" / "adapter_model.safetensors").exists()


def test_page_is_the_catalogue():
    """docs/silent_pass.md is what `python -m tests.silent_pass.page` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_catalogue_has_no_entry_twice():
    """At least 100 ways, each with a name of its own in its area, none of which may end with 0."""
    ways = [(area.title, way.name) for area in AREAS for way in area.ways]
    assert len(set(ways)) == len(ways)
    assert len(ways) >= 100
    assert all(way.code and way.says for area in AREAS for way in area.ways)
