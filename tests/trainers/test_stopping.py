"""Early stopping on a suite's score: which weights are kept, when a run ends, and that a resumed one does the same."""

import json

import pytest
import torch

from harness.errors import BadSpec, ModelProblem
from harness.fingerprint import adapter_digest
from trainers.config import TrainConfig
from trainers.scoring import suite_scoring
from trainers.sections import EarlyStopping
from trainers.sft import Watcher, train
from trainers.stopping import Measured, Scoring, Stopper

SUITE = """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="words", version=1, examples=jsonl("rows.jsonl"), render=chat(system="Answer with JSON."),
    sampling=Sampling(max_new_tokens=40), metrics=[exact_match()], gates=[Gate("exact_match", at_least=0.5)],
)
"""


@pytest.fixture
def settings(data):
    """Measure the twelve rows of training themselves, every three steps."""
    path = data.with_name("test_words.py")
    path.write_text(SUITE)
    return EarlyStopping(suite=path, every=3, patience=2)


def stopping(config, settings, **values):
    """The configuration with early stopping, and a checkpoint after every step."""
    return TrainConfig.model_validate(
        config.model_dump() | {"early_stopping": settings.model_dump(), "checkpoints": {"seconds": 0}} | values
    )


def scripted(*scores):
    """A scorer that gives these scores in turn."""
    left = list(scores)
    return Scoring(lambda _model: left.pop(0), "scripted")


def summary(folder):
    """What a product says of its training."""
    return json.loads((folder / "training.json").read_text())


def test_the_weights_of_the_best_score_are_kept_and_patience_ends_the_run(config, settings, tmp_path):
    """Scores .2 .6 .6 .5: two measurements without a gain after step 6 end a run of thirty steps at step 12."""
    train(stopping(config, settings, epochs=10), tmp_path / "out", scoring=scripted(0.2, 0.6, 0.6, 0.5))
    found = summary(tmp_path / "out")
    assert [(item["step"], item["score"]) for item in found["measured"]] == [(3, 0.2), (6, 0.6), (9, 0.6), (12, 0.5)]
    assert (found["kept_step"], found["steps"]) == (6, 12)
    kept = stopping(config, settings, epochs=10)
    train(kept, tmp_path / "all", scoring=scripted(0.1, 0.2, *[0.0] * 8))
    assert summary(tmp_path / "all")["kept_step"] == 6
    assert adapter_digest(tmp_path / "all") == adapter_digest(tmp_path / "out")


def test_the_last_step_is_measured_too(config, settings, tmp_path):
    """Four epochs of three steps, measured every five: at 5, 10 and the end, whose weights are the best here."""
    every = settings.model_copy(update={"every": 5})
    train(stopping(config, every, epochs=4), tmp_path / "out", scoring=scripted(0.1, 0.2, 0.3))
    assert [item["step"] for item in summary(tmp_path / "out")["measured"]] == [5, 10, 12]
    assert summary(tmp_path / "out")["kept_step"] == 12


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_resumed_run_stops_where_an_unbroken_one_does(config, settings, tmp_path):
    """Scores from before the interruption count, and so do the best weights from before it."""
    config = stopping(config, settings, epochs=10)
    train(config, tmp_path / "whole", scoring=scripted(0.2, 0.6, 0.6, 0.5))

    def die(done, _total, _point):
        if done == 8:
            raise Killed

    with pytest.raises(Killed):
        train(config, tmp_path / "broken", watcher=Watcher(step=die), scoring=scripted(0.2, 0.6))
    train(config, tmp_path / "broken", scoring=scripted(0.6, 0.5))
    assert summary(tmp_path / "broken")["kept_step"] == 6
    assert adapter_digest(tmp_path / "broken") == adapter_digest(tmp_path / "whole")


def test_measurements_after_the_checkpoint_are_forgotten(settings, tmp_path):
    """A run that goes on from step 6 measures step 9 again."""
    model = torch.nn.Linear(2, 2)
    first = Stopper(settings, lambda _model: 0.5, tmp_path, 0)
    for step in (3, 6, 9):
        first.measure(model, step)
    assert [item.step for item in Stopper(settings, lambda _model: 0.5, tmp_path, 6).measured] == [3, 6]
    assert Stopper(settings, lambda _model: 0.5, tmp_path, 0).measured == []


@pytest.mark.parametrize(
    ("scores", "min_gain", "best"), [((0.1, 0.3, 0.3), 0.0, 6), ((0.1, 0.15, 0.3), 0.1, 9), ((0.4, 0.45), 0.1, 3)]
)
def test_a_gain_must_exceed_the_least_one_asked_for(settings, tmp_path, scores, min_gain, best):
    """Equal is no gain, and neither is a rise within `min_gain` of the best so far."""
    stopper = Stopper(settings.model_copy(update={"min_gain": min_gain}), lambda _model: 0.0, tmp_path, 0)
    stopper.measured = [Measured(3 * (place + 1), score, 0.0) for place, score in enumerate(scores)]
    assert stopper.best.step == best


def test_a_run_that_ends_before_it_is_measured_is_refused(settings, tmp_path):
    """There are no best weights to keep."""
    with pytest.raises(ModelProblem, match="ended before step 3"):
        Stopper(settings, lambda _model: 0.0, tmp_path, 0).restore(torch.nn.Linear(2, 2))


def test_the_suite_is_measured_on_the_model_in_memory(config, base, settings, tmp_path):
    """A real suite: a model that has seen its rows often answers some of them, which no random one does."""
    scoring = suite_scoring(settings, base)
    seen = []

    def score(model):
        modes = [model.training]
        seen.append(scoring.score(model))
        assert modes == [model.training]
        return seen[-1]

    learning = stopping(config, settings.model_copy(update={"every": 75}), epochs=25, lora={"rank": 16})
    train(learning, tmp_path / "out", scoring=Scoring(score, scoring.digest))
    assert len(seen) == 1
    assert seen[0] > 0.2


def test_other_rows_are_another_job(settings, base, data):
    """What is measured with decides which weights are kept, so it is part of what the product is."""
    before = suite_scoring(settings, base).digest
    data.write_text(data.read_text().replace("cedar", "alder"))
    assert suite_scoring(settings, base).digest != before
    assert suite_scoring(settings.model_copy(update={"limit": 5}), base).digest != suite_scoring(settings, base).digest


def test_a_suite_that_cannot_be_measured_is_said_before_training(config, settings, base, tmp_path):
    """No file, no suite in it, no such metric, or nobody to measure it."""
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(BadSpec, match="no such Python file"):
        suite_scoring(EarlyStopping(suite=tmp_path / "none.py"), base)
    with pytest.raises(BadSpec, match="defines no `suite`"):
        suite_scoring(EarlyStopping(suite=tmp_path / "empty.py"), base)
    with pytest.raises(BadSpec, match=r"early_stopping.metric = 'loss': suite 'words' scores exact_match"):
        suite_scoring(settings.model_copy(update={"metric": "loss"}), base)
    with pytest.raises(BadSpec, match="names a suite, and nothing here can measure one"):
        train(stopping(config, settings), tmp_path / "out")
