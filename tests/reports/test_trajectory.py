"""The page of a trajectory: every checkpoint beside the base, what it shows in words, and which one is recommended."""

import json
import re

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once,
import vl_convert  # noqa: F401  # and so does the drawing library

from harness import session
from harness.errors import BadRunDirectory
from reports.html import write_report
from reports.load import load
from reports.page import build
from tests.playground import finished_run, make_model, run_gate
from tests.reports.reader import ANCHORS, Outline, sections
from tests.training import BASE, make_rows, make_suites, make_training, state

pytest_plugins = "pytester"

STATES = state(right=300), state(right=340, lost=2), state(right=372, lost=30), state(right=376, lost=52)


@pytest.fixture
def followed(pytester, monkeypatch):
    """Call with the states of a training, and options: the finished run's directory."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suites(pytester.path)
    make_model(pytester.path / "base", **BASE)

    def run(*states, options=()):
        make_training(pytester.path / "tuned", states, data=make_rows(pytester.path / "rows.jsonl"))
        run_gate(pytester, "--adapter", "tuned", "--checkpoints", *options)
        return finished_run(pytester)[0]

    return run


def section(folder):
    """The words of the section, tags removed."""
    page = write_report(folder).read_text()
    (found,) = re.findall(r'<section id="trajectory".*?</section>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_each_checkpoint_has_a_row_with_values_differences_and_bounds(followed):
    """Step, epoch, the rate of each suite, and its difference to the base with its interval; the base stands on top."""
    words = section(followed(*STATES))
    assert "base 0 0 100.0% 50.0% tuned@step-000010 10 1 100.0%" in words
    assert re.search(r"tuned@step-000030 30 3 92\.5% ▼ −7\.5 \(−10\.0 to −5\.6\) ✗ FAIL 93\.0% ▲ \+43\.0 \(", words)
    assert re.search(r"tuned best task 40 4 87\.0% ▼ −13\.0 \(", words)


def test_the_finding_is_said_and_so_is_how_the_recommended_one_was_chosen(followed):
    """The caption gives gain and loss in epochs; the choice is labelled as made on the same rows."""
    words = section(followed(*STATES))
    assert "task · exact_match is +25.0 points over the base after epoch 1, and +44.0 after epoch 4." in words
    assert (
        "knows · exact_match is shown to fall by more than its margin of 5.0 points after epoch 3; at worst it is at "
        "−13.0, after epoch 4." in words
    )
    assert "Recommended: tuned@step-000020 (epoch 2), the best exact_match of task" in words
    assert "It was chosen on the same rows that it is shown on" in words


def test_a_training_that_forgets_nothing_is_not_said_to(followed):
    """Without a failed bound the caption says so, and the last state may be the recommended one."""
    words = section(followed(*(state(right=right) for right in (300, 340, 380))))
    assert "knows · exact_match is nowhere shown to fall by more than its margin of 5.0 points." in words
    assert "Recommended: tuned (epoch 3)" in words


def test_no_recommendation_is_a_sentence_too(followed):
    """When all have forgotten too much the page says that none is recommended."""
    assert "None is recommended: no checkpoint was measured" in section(followed(state(right=300, lost=50), STATES[-1]))


def test_a_run_without_a_task_recommends_nothing(followed):
    """Forgetting alone does not say which checkpoint is best."""
    words = section(followed(*STATES, options=("-k", "knows")))
    assert "None is recommended: no suite of this run asks for a gain or a rate." in words


def test_what_was_memorised_stands_beside_what_was_learned(followed):
    """With the training rows at hand each checkpoint shows its rate on them, and how far test rows fall behind."""
    words = section(followed(*STATES, options=("--train-data", "rows.jsonl")))
    assert "task-trained exact_match Trained minus test, points base 0 0 100.0% 50.0% 100.0% – tuned@step" in words
    assert re.search(r"tuned@step-000010 10 1 .* \+25\.0 \+\d+\.\d to \+\d+\.\d tuned@step-000020", words)
    gap = r"Its gap from test rows to rows that were trained on is \+6\.0 points after epoch 4 \(\+\d\.\d to \+\d\.\d\)"
    assert re.search(gap + ", more than chance makes\\.", words)


def test_without_training_rows_there_is_no_such_column(followed):
    """No gap is claimed that was not measured."""
    assert "Trained minus test" not in section(followed(*STATES))


def test_the_task_is_drawn_above_what_must_not_be_forgotten(followed):
    """Two pictures on one scale of steps; only the second has a zone that is not allowed, from -5 points down."""
    (drawn,) = build(load(followed(*STATES)), 5).trajectories
    task, knows = drawn.followed.panels
    assert (task.title, task.floor, knows.title, knows.floor) == (
        "task · exact_match",
        None,
        "knows · exact_match",
        -0.05,
    )
    assert (task.marked, knows.marked, task.stride) == (20, 20, 10)
    pictures = re.findall(r"<svg.*?</svg>", str(drawn.figure.wide), re.DOTALL)
    assert [picture.count('fill="#f7e3d4"') for picture in pictures] == [0, 1]
    assert all("optimiser steps, 10 in an epoch" in picture for picture in pictures)
    assert len(re.findall("<svg", str(drawn.figure.narrow))) == 2


def test_every_section_is_there_beside_the_trajectory(followed):
    """The page of a trajectory has the sections of every report, in order, after its own."""
    page = write_report(followed(*STATES)).read_text(encoding="utf-8")
    assert tuple(name for name in sections(page) if name != "trajectory") == ANCHORS


def test_the_loss_stands_below_on_the_same_steps(followed):
    """The curve that the trainer left is drawn under the panels; without one a sentence says so."""
    folder = followed(*STATES)
    (drawn,) = build(load(folder), 5).trajectories
    assert drawn.loss.caption == "The training loss goes from 1.6 to 0.182 over the same steps."
    changed(folder, lambda run: run["models"][1]["training"].update(curve=[]))
    assert "The training left no loss curve." in section(folder)


def test_gain_is_set_against_forgetting_in_the_order_of_steps(followed):
    """The line starts at the base; each spot is an epoch; the words say where most was gained, and for what."""
    folder = followed(*STATES)
    (drawn,) = build(load(folder), 5).trajectories
    assert [row[0] for row in drawn.phase.twin.rows] == [*(f"tuned@step-0000{step}" for step in (10, 20, 30)), "tuned"]
    assert drawn.phase.caption == "Most is gained after epoch 4: +44.0 points, for −13.0 of what was known."
    changed(folder, lambda run: [gate.update(max_drop=None) for s in run["plan"]["suites"] for gate in s["gates"]])
    assert "This needs both a task and a suite that only bounds drops." in section(folder)


def changed(folder, change):
    """Write run.json anew after `change`."""
    file = folder / "run.json"
    run = json.loads(file.read_text())
    change(run)
    file.write_text(json.dumps(run))


def test_churn_is_counted_from_step_to_step(followed):
    """At each step the examples that changed sides since the one before, and those that keep changing."""
    folder = followed(state(right=300), state(right=380), state(right=320), state(right=390))
    (drawn,) = build(load(folder), 5).trajectories
    turns = [(each.fixed, each.broken) for each in drawn.churn if each.suite == "task"]
    assert turns == [(100, 0), (80, 0), (0, 60), (70, 0)]
    assert drawn.unstable["task", "exact_match"] == 60


def test_marked_steps_are_named_in_the_table(followed):
    """Recommended, best of the task, and the last that breaks no margin."""
    (drawn,) = build(load(followed(*STATES)), 5).trajectories
    assert drawn.notes["tuned@step-000020"] == ("recommended", "last that breaks no margin")
    assert drawn.notes["tuned"] == ("best task",)
    assert drawn.notes["tuned@step-000010"] == ()


def test_checkpoints_are_no_candidates(followed):
    """The headline, the suites and the training settings are the adapter's alone, and the page stays whole."""
    folder = followed(*STATES)
    run = load(folder)
    assert [model.name for model in run.candidates] == ["tuned"]
    page = write_report(folder).read_text()
    assert "<title>FAIL · tuned against base</title>" in page
    outline = Outline.of(page)
    assert outline.unbalanced == []
    assert len(outline.ids) == len(set(outline.ids))
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)


def test_checkpoint_that_was_not_measured_is_shown_as_such(followed):
    """No number stands where none was measured."""
    words = section(followed(STATES[0], state(right=1, refuse=True), STATES[1]))
    assert "tuned@step-000020 20 2 not measured ! INVALID not measured ! INVALID" in words


def damage(run, how):
    """Change what run.json says of a trajectory."""
    match how:
        case "other-checkpoints":
            run["trajectory"]["checkpoints"].pop()
        case "no-outcome":
            run["trajectory"]["checkpoints"][0]["results"][0]["gates"] = {"gate": "FINE"}
        case "no-bound":
            del run["trajectory"]["checkpoints"][0]["results"][0]["low"]


@pytest.mark.parametrize(
    ("how", "message"), [("other-checkpoints", "planned checkpoints"), ("no-outcome", "gates"), ("no-bound", "low")]
)
def test_malformed_trajectory_is_refused(followed, how, message):
    """Checkpoints that were not planned, and values that are none, are not shown."""
    folder = followed(*STATES)
    run = json.loads((folder / "run.json").read_text())
    damage(run, how)
    (folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(BadRunDirectory, match=message):
        load(folder)
