"""The sections of a gate's page: what they say of what was measured, and why they are empty when nothing was."""

import json
import re
from dataclasses import replace
from pathlib import Path

from harness.types import Estimate, Outcome, Score, Verdict
from reports.cases import State, regression_sets
from reports.guards import guards
from reports.html import write_report
from reports.load import load
from reports.page import build
from reports.sections import Line
from reports.violations import violations
from tests.reports.maker import Case, Made, demo, row
from tests.reports.reader import ANCHORS, Outline, sections

ROOT = Path(__file__).parents[2]


def told(tmp_path, made):
    """The words of each section of the report of a made run."""
    return sections(write_report(made.write(tmp_path / "run")).read_text(encoding="utf-8"))


def scored(flips, *, n=100, tags=()):
    """Rows of which the model misses those in `flips[model]`."""
    return lambda model: [
        replace(
            row(index, tags=tags or row(index).tags),
            scores=(Score("exact_match", float(index not in flips[model]), "", "ok"),),
        )
        for index in range(n)
    ]


def edited(folder, change):
    """The page of a run after `change` of its run.json."""
    file = folder / "run.json"
    run = json.loads(file.read_text())
    change(run)
    file.write_text(json.dumps(run))
    return sections(write_report(folder).read_text(encoding="utf-8"))


def test_a_run_with_nothing_to_show_says_so_everywhere(tmp_path):
    """Without subjects, cases, judge, slices and training, each section has a sentence of its own."""
    made = Made([Case("asks", "exact_match", scored({"base": {1}, "r16": {1}}, tags=("one",)), [(">=0.5", 0.5)])])
    made.candidates, made.train_config = ("r16",), {}
    said = told(tmp_path, made)
    assert tuple(said) == ANCHORS
    assert "No suite of this run watches over what the base could do" in said["forgetting"]
    assert "This run has no regression set." in said["regression"]
    assert "No suite of this run has its answers graded" in said["judge"]
    assert "No suite of this run has examples with different first tags" in said["slices"]
    assert "No model of this run pins the configuration" in said["training"]
    assert "No example scored below 1 for a stated reason." in said["failures"]
    assert said["warnings"] == "Warnings None."


def test_churn_behind_a_difference_of_zero_is_loud(tmp_path):
    """Twenty fixed and twenty broken are no agreement: a sentence above the table says how many changed sides."""
    flips = {"base": set(range(20)), "r16": set(range(20, 40))}
    made = Made([Case("asks", "exact_match", scored(flips), [("-drop<=0.05", 0.05)])], candidates=("r16",))
    said = told(tmp_path, made)["suites"]
    assert (
        "asks by exact_match: 40.0% of the examples changed sides though the difference is 0.0 points: 20 fixed" in said
    )
    assert "Base right 60 20 broken Base wrong 20 fixed 0 No score 0" in said


def test_a_plain_gain_is_not_called_churn(tmp_path):
    """Twenty fixed and one broken are a gain, and no warning stands above them."""
    flips = {"base": set(range(20)), "r16": {30}}
    made = Made([Case("asks", "exact_match", scored(flips), [("-drop<=0.05", 0.05)])], candidates=("r16",))
    assert "changed sides though" not in told(tmp_path, made)["suites"]


def test_the_suites_name_the_method_and_count_every_way(tmp_path):
    """Each line of the table has the interval's method, and fixed, broken, both right, both wrong and no score."""
    flips = {"base": {1, 2, 3, 4}, "r16": {4, 5}}
    made = Made([Case("asks", "exact_match", scored(flips), [("-drop<=0.05", 0.05)])], candidates=("r16",))
    assert re.search(r"▲ \+2\.0 \S+ to \+\d\.\d Tango 3 1 95 1 0 ", told(tmp_path, made)["suites"])


def test_subjects_are_drawn_with_the_margin_and_the_pooled_value_on_top(tmp_path):
    """The picture begins with all subjects together; its caption says whether they stay clear of the zone."""
    (subject,) = build(load(demo(400, loss=0.05).write(tmp_path / "run")), 1).subjects
    (guard,) = subject.forgetting
    assert guard.figure.twin.rows[0][0] == "all together"
    assert len(guard.figure.twin.rows) == 11
    assert guard.figure.caption.startswith("All together mmlu_forgetting moved by −")
    assert "reaches into the zone beyond −2.0 that is not allowed" in guard.figure.caption
    assert str(guard.figure.wide).count('fill="#f7e3d4"') == 1
    (kept,) = build(load(demo(400, loss=0).write(tmp_path / "kept")), 1).subjects
    assert "stays clear of the zone" in kept.forgetting[0].figure.caption


def test_a_value_inside_the_margin_whose_bound_is_not_reaches_into_the_zone():
    """What counts is the lower bound, as it does for the gate."""
    seen = Estimate(-0.01, -0.03, 0.01, 500, "tango")
    gate = Verdict(
        Outcome.INCONCLUSIVE, "knows", "acc-drop<=0.02", "r16", "acc", seen, -0.02, 500, 5, 10, None, None, ""
    )
    line = Line("knows", "acc", 500, None, None, -0.01, seen, -0.02, None, (gate,))
    (guard,) = guards([line], [], ["knows"])
    assert "reaches into the zone beyond −2.0" in guard.figure.caption
    assert guards([line], [], ["another"]) == ()


def test_slices_with_few_examples_are_folded_away(tmp_path):
    """Slices below thirty examples stand apart, and the others begin with the lowest bound."""
    said = told(tmp_path, demo(60))
    assert "slices of valid_json with fewer than 30 examples" in said["slices"]
    (subject,) = build(load(demo(400).write(tmp_path / "large")), 1).subjects
    lows = [each.bounds.low for each in subject.slices[0].large]
    assert lows == sorted(lows)


def test_each_pinned_case_has_a_row_with_owner_state_and_waiver(tmp_path):
    """Pinned cases are all listed, broken first by state; of the other rows only those that changed."""
    waived = "waived until 2030-01-01 by Bo: known, next release"
    broke = "first broken in run 0123456789ab, pinned 2026-01-31"
    tags = {0: ("pinned", "pinned by Ada: customers saw it", broke), 1: ("pinned", "pinned by Ada: again", waived)}
    flips = {"base": {7}, "r16": {0, 1, 5}}
    rows = scored(flips)

    def pinned(model):
        return [replace(each, tags=tags.get(index, ("drawn",))) for index, each in enumerate(rows(model))]

    made = Made([Case("guard", "exact_match", pinned, [("-drop<=0.05", 0.05)], keep=True)], candidates=("r16",))
    folder = made.write(tmp_path / "run")
    (found,) = regression_sets(load(folder), "r16")
    assert [each.state for each in found.cases] == [State.BROKEN, State.WAIVED, State.BROKEN, State.FIXED]
    assert (found.pinned, found.held) == (2, 96)
    said = sections(write_report(folder).read_text(encoding="utf-8"))
    assert "broken Ada: customers saw it 0123456789ab, pinned 2026-01-31 – " in said["regression"]
    assert f"broken, waived Ada: again not known {waived}" in said["regression"]
    assert "r16 breaks 1 pinned case that a waiver excuses." in said["warnings"]


def test_more_and_fewer_failures_are_told_apart(tmp_path):
    """Each cause says on which side it is more frequent, in words."""
    assert re.search(r"not_json \d+ \d+ \d+ fewer", told(tmp_path, demo(100))["failures"])


def test_answers_that_go_round_in_circles_are_counted(tmp_path):
    """An answer that ends in the same sentence again and again shows in the health of the outputs."""
    made = demo(40)
    rows = made.cases[0].rows
    made.cases[0].rows = lambda model: [
        replace(each, output="The end is near. " * 20) if model != "base" and index < 3 else each
        for index, each in enumerate(rows(model))
    ]
    (own,) = (
        each
        for each in build(load(made.write(tmp_path / "run")), 1).health
        if (each.suite, each.model) == ("valid_json", "r16-all-linear")
    )
    assert own.looping == 3


def curve(losses):
    """What a trainer writes of its work."""
    points = [
        {"step": step, "epoch": 1.0, "loss": loss, "grad_norm": 0.5 + step, "learning_rate": 1e-3}
        for step, loss in enumerate(losses, 1)
    ]
    audit = {"digest": "0" * 64, "counts": {"leak": 3}, "suites": ["asks"], "accepted": True}
    return {"curve": points, "seconds": 65.0, "trainable_parameters": 1234, "audit": audit}


def test_training_shows_its_curves_and_its_cost_and_warns_of_leaked_rows(tmp_path):
    """Loss, rate and gradient norm are drawn, the caption names the ends, and leaked rows are a warning."""
    folder = demo(40).write(tmp_path / "run")
    said = edited(folder, lambda run: run["models"][1].update(training=curve([2 - step / 10 for step in range(20)])))
    assert "The loss went from 1.95 over the first tenth of 20 steps to 0.15 over the last." in said["training"]
    assert "The largest gradient norm is 20.5, at step 20." in said["training"]
    assert "trained parameters 1,234" in said["training"]
    assert "time, without evaluation 1 min 05 s" in said["training"]
    assert "trained on rows of which the audit says leak 3" in said["warnings"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    training = page[page.index('<section id="training"') : page.index('<section id="statistics"')]
    assert training.count("<svg") == 3


def test_a_loss_that_rose_is_said_to_have_gone_wrong(tmp_path):
    """A last tenth above the first is no success."""
    folder = demo(40).write(tmp_path / "run")
    said = edited(folder, lambda run: run["models"][1].update(training=curve([1 + step / 10 for step in range(20)])))
    assert "It rose: the training went wrong." in said["training"]


def test_every_picture_has_its_numbers_as_a_table(tmp_path):
    """Behind each figure of a gate's page stands a table with as many rows as the picture has marks."""
    page = write_report(demo(100).write(tmp_path / "run")).read_text(encoding="utf-8")
    figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert len(figures) == 3
    assert all('<details class="twin">' in each and "<td" in each and "<figcaption>" in each for each in figures)


def anchors(text):
    """The anchors that a page of the documentation names."""
    return re.findall(r"`#([a-z-]+)`", text)


def missing(named):
    """Those of them that no template of a report has."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "reports").rglob("*.j2"))
    return [place for place in named if f'id="{place}"' not in text]


def test_every_anchor_that_the_documentation_names_is_in_the_templates():
    """docs/report.md sends a reader to sections that exist, and leaves out none that every page has."""
    named = anchors((ROOT / "docs" / "report.md").read_text(encoding="utf-8"))
    assert missing(named) == []
    assert set(ANCHORS) <= set(named)
    assert missing(["nowhere"]) == ["nowhere"]


def test_the_page_stays_well_formed_with_all_of_it(tmp_path):
    """Every element that is opened is closed, in order, and no id stands twice."""
    folder = demo(40).write(tmp_path / "run")
    edited(folder, lambda run: run["models"][1].update(training=curve([1.0] * 12)))
    outline = Outline.of((folder / "report.html").read_text(encoding="utf-8"))
    assert outline.unbalanced == []
    assert len(outline.ids) == len(set(outline.ids))


def test_places_in_a_schema_are_counted_on_both_sides(tmp_path):
    """Items of a list are one place, the candidate's most frequent first, and each shown example says its own."""

    def rows(model):
        shares = {"base": {0: "$.title type", 1: "$.title type"}, "r16": {0: "$.tags[3] type", 1: "$.tags[7] type"}}
        fails = [shares[model].get(index % 10, "") for index in range(60)]
        scores = (Score("valid_json", float(not at), "", "schema_error:type" if at else "ok", at) for at in fails)
        return [row(index, scores=(score,)) for index, score in enumerate(scores)]

    made = Made([Case("posts", "valid_json", rows, [("-drop<=0.05", 0.05)])])
    made.candidates = ("r16",)
    said = told(tmp_path, made)
    assert "posts valid_json schema_error:type 12 12 as many" in said["failures"]
    assert (
        "posts valid_json $.tags[*] type 0 12 12 more posts valid_json $.title type 12 0 12 fewer" in said["failures"]
    )
    run = load(tmp_path / "run")
    assert (len(violations(run, "r16").places), violations(run, "base").places[0].candidate) == (2, None)
    made = Made([Case("posts", "valid_json", _everywhere, [("-drop<=0.05", 0.05)])])
    made.candidates = ("r16",)
    assert "35 rarer places are in the records." in told(tmp_path / "many", made)["failures"]


def _everywhere(_model):
    return [
        row(index, scores=(Score("valid_json", 0.0, "", "schema_error:type", f"$.key{index} type"),))
        for index in range(60)
    ]


def _state(**changes):
    return {"commit": "c" * 40, "dirty": False, "differs": [], "more": 0, "unknown": ""} | changes


def test_the_verdict_names_exit_code_and_policy(tmp_path):
    """The code that the process ended with, and the hash of what decided, whole under provenance."""
    made = demo(120)
    made.outcome = "INCONCLUSIVE"
    said = told(tmp_path, made)
    assert f"Exit code 10 · policy {'5' * 12}" in said["verdict"]
    assert f"Policy {'5' * 64}" in said["provenance"]
    assert "ended with exit code 10" in said["provenance"]
    assert "Nobody asked git about this run." in said["provenance"]


def test_provenance_tells_of_which_commit_things_are(tmp_path):
    """Clean, dirty elsewhere, other files than the commit's, cut lists, and no repository: a sentence each."""
    made = demo(120)
    near = _state(dirty=True, differs=["suites/a.jsonl (changed)"], more=3)
    others = {"clean": _state(), "dirty": _state(dirty=True)}
    made.git = {
        "suites": near,
        "adapters": {**others, "far": _state(commit=None, dirty=None, unknown="git is not installed")},
    }
    said = told(tmp_path, made)
    text = said["provenance"]
    assert "of suites commit " + "c" * 40 + " state Not as in the commit, because of these files." in text
    assert "differs suites/a.jsonl (changed) differs and 3 more" in text
    assert "of clean commit " + "c" * 40 + " state As in the commit, and so is all else" in text
    assert "As in the commit; other files of the repository differ from it." in text
    assert "of far state Commit unknown: git is not installed." in text
    assert f"the suites are not those of commit {'c' * 12}: suites/a.jsonl (changed), and 3 more" in said["warnings"]


def test_latency_is_told_of_the_answers_of_which_it_is_known(tmp_path):
    """Median and 95th percentile by side, over how many; nothing where nobody measured, never 0."""

    def rows(model):
        known = [0.1 * (1 + index % 20) for index in range(100)]
        return [row(index, seconds=each if model == "r16" and index < 80 else None) for index, each in enumerate(known)]

    made = Made([Case("posts", "valid_json", rows, [("-drop<=0.05", 0.05)])])
    made.candidates = ("r16",)
    said = told(tmp_path, made)["health"]
    base, own = (said[said.index(f"posts {model} 100") :] for model in ("base", "r16"))
    assert re.search(r"Latency p50 Latency p95 posts base 100 .* – – posts r16", said)
    assert own.endswith("1.1 s of 80 1.9 s peak memory, MB 812 generated tokens per second 1,300")
    assert base != own


def test_provenance_tells_how_answers_are_drawn(tmp_path):
    """Greedily, by temperature and seed, by likelihood alone, or as a task of lm-eval has it."""
    folder = demo(120).write(tmp_path / "run")

    def change(run):
        drawn, written = run["plan"]["suites"][1], run["plan"]["suites"][2]
        drawn["sampling"] = {"max_new_tokens": 9, "temperature": 0.7, "top_p": 0.9, "seed": 3}
        written.update(sampling=None, lm_eval={"task": "gsm8k", "data": None})

    said = edited(folder, change)["provenance"]
    ways = "ranked by likelihood", "temperature 0.7, top-p 0.9, seed 3, at most 9 tokens", "as the task of lm-eval says"
    assert all(way in said for way in (*ways, "greedily, at most 64 tokens"))


def test_the_loss_of_rows_set_aside_stands_beside_the_trainings(tmp_path):
    """A picture of its own and a sentence; where it rises clearly above its lowest value, that is said."""
    folder = demo(60).write(tmp_path / "run")

    def with_losses(*losses):
        work = curve([2 - step / 10 for step in range(20)])
        points = [{"step": 5 * place, "loss": loss} for place, loss in enumerate(losses)]
        return lambda run: run["models"][1].update(
            training={**work, "held_out": {"rows": 12, "tokens": 99, "losses": points}}
        )

    said = edited(folder, with_losses(2.0, 1.0, 0.9))["training"]
    wanted = "Of 12 rows that were set aside the loss went from 2 to 0.9 nats a token, the lowest 0.9 after step 10."
    assert wanted in said
    assert "rose again" not in said
    page = (folder / "report.html").read_text()
    assert page[page.index('<section id="training"') : page.index('<section id="statistics"')].count("<svg") == 4
    said = edited(folder, with_losses(2.0, 0.9, 1.4))["training"]
    assert "the lowest 0.9 after step 5. It rose again: later steps learn the rows by heart." in said
