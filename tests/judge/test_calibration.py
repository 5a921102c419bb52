"""What a judge is worth: kappa against published software, its interval, and what may be believed of it."""

import json
import random

import pytest
from sklearn.metrics import cohen_kappa_score

from harness import cli
from harness.errors import BadExamples, BadSpec, NotMeasured
from harness.judge import COMPLETE, CORRECT, Caps, JudgeSettings, Rubric, make_judge
from harness.judge.calibration import Calibration, fingerprint, keep, load
from harness.judge.labels import calibrate, read_labels, rubric_of
from harness.judge.words import as_text, write_json
from harness.store import Store
from tests.judge.courtroom import SUITE, write_labels
from tests.judge.fake_judge import Reply, case_of, completion, fake_judge, verdict

RUBRIC = Rubric((CORRECT, COMPLETE))


def calibration(pairs, **changes):
    """A calibration on answers with one grade each."""
    values = {"failed": 0, "repeated": 0, "agreed": 0, "served": "s", "labels": "l", "by": "rule", "at": "t"}
    return Calibration(tuple((pair,) for pair in pairs), **{**values, **changes})


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed):
    """Quadratic weights; grades that follow the label, drift from it, or have nothing to do with it."""
    draw = random.Random(seed)
    labels = [draw.randint(1, 5) for _ in range(120)]
    grades = [min(5, max(1, label + draw.choice([0, 0, 1, -1, seed - 2]))) for label in labels]
    expected = cohen_kappa_score(labels, grades, weights="quadratic", labels=[1, 2, 3, 4, 5])
    found = calibration(zip(labels, grades, strict=True)).agreement
    assert found.kappa == pytest.approx(expected, abs=1e-12)
    assert found.low < found.kappa < found.high


def test_full_agreement_is_one_and_none_is_about_zero():
    """And where nothing was told apart, agreement counts as none, not as full."""
    levels = [1, 2, 3, 4, 5] * 40
    assert calibration([(level, level) for level in levels]).agreement == (1.0, 1.0, 1.0)
    draw = random.Random(1)
    low, high = calibration([(level, draw.randint(1, 5)) for level in levels]).agreement[1:]
    assert low < 0 < high < 0.4
    assert calibration([(3, 3)] * 100).agreement == (0.0, 0.0, 0.0)


def test_interval_covers_as_often_as_it_says():
    """Grades drawn from one known table: the interval holds its kappa in about 95 % of 40 sets."""
    draw = random.Random(7)
    table = [
        (a, b) for a in range(1, 6) for b in range(1, 6) for _ in range(12 if a == b else 3 if abs(a - b) == 1 else 1)
    ]
    truth = calibration(table).agreement.kappa
    hits = 0
    for _ in range(40):
        low, high = calibration([draw.choice(table) for _ in range(150)]).agreement[1:]
        hits += low <= truth <= high
    assert hits >= 34


def test_bias_and_confusion_count_by_label_and_grade():
    """Rows are labels, columns grades; a lenient judge has a bias above 0."""
    found = calibration([(1, 2), (1, 2), (5, 5), (3, 4)])
    assert found.bias == 0.75
    assert found.confusion[0] == (0, 2, 0, 0, 0)
    assert found.confusion[2] == (0, 0, 0, 1, 0)


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    with_store = Store(tmp_path / "store")
    yield with_store
    with_store.close()


def test_a_calibration_is_kept_whole_and_a_spoiled_one_is_none(store):
    """What comes back gives the same kappa; anything else under the key is no calibration."""
    found = calibration([(1, 1), (2, 3)])
    keep(store, "judge", found)
    assert load(store, "judge") == found
    assert load(store, "another judge") is None
    for spoiled in ({**found.spec(), "pairs": [[[1, 9]]]}, {**found.spec(), "pairs": []}, {"kappa": 1.0}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            Calibration.read(spoiled)


def grade_of(case):
    """The level that an answer names."""
    return 5 if case["id"] == "ping" else int(case["answers"][0].split()[1])


def test_a_judge_is_calibrated_on_labels_and_repeats(tmp_path, store):
    """Agreement, self-agreement and what answered are measured and kept under the judge's fingerprint."""
    fickle = set()

    def script(body, _number):
        case = case_of(body)
        score = grade_of(case)
        if case["id"] == "l0":  # graded otherwise the second time
            score = 1 if case["id"] in fickle else 2
            fickle.add(case["id"])
        return Reply(completion(verdict(body, score=score)))

    labels = write_labels(tmp_path / "labels.jsonl", lambda i: {"correct": i % 5 + 1, "complete": i % 5 + 1})
    with fake_judge(script) as server:
        judge = make_judge(JudgeSettings(server.asked, calls=Caps(500), concurrency=1))
        judge.prepare(RUBRIC)
        found = calibrate(judge, RUBRIC, labels, store, lambda _done, _total: None)
        assert len(server.bodies) == 1 + 100 + 10
        assert (len(found.pairs), found.failed, found.repeated, found.agreed, found.by) == (100, 0, 10, 9, "rule")
        assert load(store, fingerprint(judge, RUBRIC)) == found
        other = Rubric((COMPLETE, CORRECT))
        assert load(store, fingerprint(judge, other)) is None
    assert "it may gate" in as_text(found, RUBRIC)
    write_json(found, tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["kappa"] == found.agreement.kappa


def test_a_judge_that_leaves_answers_ungraded_is_not_calibrated(tmp_path, store):
    """Three of a hundred without a grade are too many; nothing is kept."""

    def script(body, _number):
        case = case_of(body)
        refuses = case["id"] in ("l1", "l2", "l3")
        return Reply(completion(None, refusal="no") if refuses else completion(verdict(body, score=grade_of(case))))

    labels = write_labels(tmp_path / "labels.jsonl", lambda _i: {"correct": 3, "complete": 3})
    with fake_judge(script) as server:
        judge = make_judge(JudgeSettings(server.asked, calls=Caps(500)))
        judge.prepare(RUBRIC)
        with pytest.raises(NotMeasured, match="3 of 100 labelled answers got no grade"):
            calibrate(judge, RUBRIC, labels, store, lambda _done, _total: None)
        assert load(store, fingerprint(judge, RUBRIC)) is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows[:99], "99 labelled answers; a judge is calibrated on 100 or more"),
        (lambda rows: [*rows, rows[0]], "was there before"),
        (lambda rows: [*rows, "{}"], "exactly the keys"),
        (lambda rows: [*rows, "not json"], "not JSON"),
        (lambda rows: [*rows, rows[0].replace('"correct": 1', '"correct": 6')], "whole number from 1 to 5"),
        (lambda rows: [*rows, rows[0].replace('"correct": 1', '"correct": true')], "label correct is True"),
        (lambda rows: [*rows, rows[0].replace('"correct"', '"style"')], "must grade exactly correct, complete"),
        (lambda rows: [*rows, rows[0].replace('"by": "rule"', '"by": ""')], "'by' must be a text"),
    ],
)
def test_labels_that_say_nothing_are_refused_by_line(tmp_path, spoil, said):
    """One line with file:line, before anything is sent."""
    path = write_labels(tmp_path / "labels.jsonl", lambda i: {"correct": i % 5 + 1, "complete": 1})
    path.write_text("\n".join(spoil(path.read_text().splitlines())) + "\n")
    with pytest.raises(BadExamples, match=said) as caught:
        read_labels(path, RUBRIC)
    assert str(caught.value).startswith(f"{path}:")


def test_the_rubric_is_that_of_the_suite_file(tmp_path):
    """A file without a judged suite is refused."""
    suite = tmp_path / "test_judged.py"
    suite.write_text(SUITE.format(gates='Gate("judge", max_drop=0.2)'))
    assert rubric_of(suite) == RUBRIC
    suite.write_text("suite = None\n")
    with pytest.raises(BadSpec, match="defines no `suite`"):
        rubric_of(suite)
    with pytest.raises(BadSpec, match="no such Python file"):
        rubric_of(tmp_path / "missing.py")


def calibrate_judge(capsys, *args):
    """Exit code and both outputs of `tunegate calibrate-judge`, in this process."""
    code = cli.app(["calibrate-judge", *map(str, args)], standalone_mode=False) or 0
    return code, capsys.readouterr()


def test_the_command_calibrates_and_says_what_came_out(tmp_path, capsys):
    """Exit 0 with kappa; 12 when the budget is used up, and a larger one goes on; 11 when the key is wrong."""
    (tmp_path / "test_judged.py").write_text(SUITE.format(gates='Gate("judge", max_drop=0.2)'))
    labels = write_labels(tmp_path / "labels.jsonl", lambda i: {"correct": i % 5 + 1, "complete": i % 5 + 1})
    status = [200]

    def script(body, _number):
        return Reply(completion(verdict(body, score=grade_of(case_of(body)))), status[0])

    with fake_judge(script) as server:
        given = ("--judge", server.asked, "--labels", labels, "--suite", tmp_path / "test_judged.py")
        given = (*given, "--store", tmp_path / "store", "--json", tmp_path / "found.json", "--judge-calls")
        code, said = calibrate_judge(capsys, *given, 50)
        assert (code, len(server.bodies)) == (12, 50)
        assert "budget of 50 calls is used up" in said.err
        code, said = calibrate_judge(capsys, *given, 200)
        assert (code, len(server.bodies)) == (0, 50 + 1 + 110 - 49)
        assert "quadratic kappa 1.00 [1.00, 1.00]" in said.out
        assert "labels by rule" in said.out
        code, said = calibrate_judge(capsys, *given, 200, "--no-reasons")
        assert (code, len(server.bodies)) == (0, 222 + 1)  # no reply with reasons answers a question without
        assert not any('"reasons"' in json.dumps(body) for body in server.bodies[112:])
        status[0] = 401
        code, said = calibrate_judge(capsys, *given, 200)
        assert (code, "refuses the key" in said.err) == (11, True)
    assert json.loads((tmp_path / "found.json").read_text())["kappa"] == 1.0
