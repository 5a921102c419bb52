"""Two sweeps beside each other: whether a ranking on one base carries over to another."""

import json
from itertools import permutations

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import vl_convert  # noqa: F401  # and so does the drawing library
from scipy.stats import kendalltau

from harness import session
from harness.errors import BadRunDirectory
from reports.transfer import _agreement, _sentence, as_text, compare_sweeps
from tests.playground import make_model, make_suite, run_gate
from tests.sweeping import CONFTEST
from tests.test_cli import tunegate

pytest_plugins = "pytester"


@pytest.fixture
def swept(pytester, monkeypatch):
    """Call with a base's name and points: the directory of the finished sweep, with adapters of its own."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", min_gain=0.02)')
    (pytester.path / "conftest.py").write_text(CONFTEST)

    def run(base, *points, options=()):
        if not (pytester.path / base).exists():
            make_model(pytester.path / base, right=100 + ord(base[0]))
        words = [word for point in points for word in ("--sweep", point)]
        where = f"run-{base}-{len(list(pytester.path.glob('run-*')))}"
        run_gate(pytester, *words, "--run-dir", where, "--store", f"store-{where}", *options, model=base)
        return pytester.path / where

    return run


SMALL = ("a=310:1", "b=320:2", "c=330:3", "d=340:4", "e=350:5")


def test_the_same_order_carries_over(swept):
    """Points are matched by their settings, whatever they are called; the same order of five is beyond chance."""
    large = swept("large", "v=360:1", "w=370:2", "x=380:3", "y=390:4", "z=400:5")
    found = compare_sweeps(swept("small", *SMALL), large)
    assert (found.tau, found.p) == (pytest.approx(1), pytest.approx(1 / 120))
    assert next((point.name, point.first, point.second) for point in found.points) == ("a", 310 / 400, 360 / 400)
    assert (found.best, found.lost, found.left_out) == ("e", 0.0, ())
    assert "carries over beyond chance" in found.sentence
    assert as_text(found).endswith("The first base's best, e, is best on the second too.")


def test_points_are_paired_by_what_was_asked_for(swept):
    """Ranks that each base was given so that parameters match are not the same, and keep no two points apart."""
    small, larger = swept("small", *SMALL), swept("larger", *SMALL)
    ranks = [
        {point["settings"]["lora.rank"] for point in json.loads((run / "plan.json").read_text())["sweep"]["points"]}
        for run in (small, larger)
    ]
    assert ranks == [{len("small")}, {len("larger")}]
    found = compare_sweeps(small, larger)
    assert (len(found.points), found.left_out) == (5, ())
    assert found.points[0].settings == {"optim.learning_rate": 1e-6}


def test_another_order_is_not_shown_to_carry_over(swept):
    """What trusting the first base costs the second is said in points; points of one sweep alone are named."""
    large = swept("large", "a=360:1", "b=390:2", "c=340:3", "d=380:4", "e=350:5", "f=100:6", "g=fails:7")
    found = compare_sweeps(swept("small", *SMALL), large)
    assert found.tau == pytest.approx(kendalltau([1, 2, 3, 4, 5], [360, 390, 340, 380, 350]).statistic)
    assert found.p > 0.05
    assert found.left_out == ("f", "g")
    assert found.lost == pytest.approx(40 / 400)
    assert "cannot be told from these 5 points; more points" in found.sentence
    assert as_text(found).endswith("The first base's best, e, stands at −10.0 points to the second's own best.")


def test_one_base_twice_is_said(swept):
    """Two sweeps on one base say how far a ranking repeats, which is another question."""
    assert "one base" in compare_sweeps(swept("small", *SMALL), swept("small", *SMALL)).sentence


def test_three_points_cannot_show_anything():
    """The same order of three comes by chance once in six times."""
    assert _agreement([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], ("a", "b"))[1] == pytest.approx(1 / 6)
    assert "with three, not even the same order" in _sentence(3, 1 / 6, same_base=False)


def test_equal_scores_are_shuffled_too():
    """With ties the chance is that among all orders, counted one by one."""
    first, second = [1.0, 1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.0, 3.0, 3.0]
    tau, p = _agreement(first, second, ("a", "b"))
    every = [kendalltau(order, second).statistic for order in permutations(first)]
    assert tau == pytest.approx(kendalltau(first, second).statistic)
    assert p == pytest.approx(sum(value >= tau - 1e-9 for value in every) / len(every))


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (("a=310:1", "b=320:2"), (), "shares 2 measured points with .*, and a ranking needs 3"),
        (("a=310:7", "b=320:8", "c=330:9"), (), "shares 0 measured points"),
        (("a=310:1", "b=310:2", "c=310:3"), (), r"all its points score 77\.5%"),
        (SMALL, ("--limit", "300"), "ranked by another data than those"),
        ((), (), "is no sweep"),
    ],
)
def test_what_cannot_be_compared_is_refused(swept, points, options, message):
    """Too few shared points, no order at all, other rows, and a run without a sweep."""
    with pytest.raises(BadRunDirectory, match=message):
        compare_sweeps(swept("small", *SMALL), swept("large", *points, options=options))


def test_the_command_prints_and_writes_it(swept, tmp_path):
    """`tunegate compare-sweeps A B --json FILE`; what is no run is one line and exit code 4."""
    small, large = swept("small", *SMALL), swept("large", *SMALL)
    done = tunegate("compare-sweeps", small, large, "--json", tmp_path / "found.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Kendall's tau-b +1.00 over 5 points, one-sided p 0.008" in done.stdout
    written = json.loads((tmp_path / "found.json").read_text())
    assert [point["name"] for point in written["points"]] == ["a", "b", "c", "d", "e"]
    wrong = tunegate("compare-sweeps", small, tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (4, 1)
