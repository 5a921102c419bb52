"""`tunegate compare`: two runs of the same measurement are paired, and any other two are refused by the layer."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import cli, session
from harness.compare import Comparison
from harness.fingerprint import digest
from harness.types import Estimate
from reports.beside.layers import Difference
from reports.beside.pairing import Line, Standing, _adjusted, _lines
from tests.playground import make_model, make_suite, run_gate
from tests.results import result

pytest_plugins = "pytester"

DROP = 'Gate("exact_match", max_drop=0.05)'


@pytest.fixture(scope="module")
def kept_runs(tmp_path_factory):
    """Where finished runs are kept for the tests of this file."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(pytester, monkeypatch, kept_runs):
    """Measures adapters beside a base, once for each request; returns the run directory.

    `edit` is (old, new) in the suite file, `beside` another suite, `rights` what each adapter answers rightly.
    """
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it

    def measure(*rights, base=350, rows=400, edit=("", ""), beside="", system=""):
        kept = kept_runs / digest([rights, base, rows, edit, beside, system])[:12]
        if kept.exists():
            return kept
        here = pytester.mkdir(kept.name)
        monkeypatch.chdir(here)
        for name in ("asks", beside) if beside else ("asks",):
            suite = make_suite(here, name, rows=rows, gates=DROP, system=system)
            suite.write_text(suite.read_text().replace(*edit))
        make_model(here / "base", right=base)
        names = [make_model(here / f"m{right}", right=right).name for right in rights]
        run_gate(pytester, *(word for name in names for word in ("--adapter", name)))
        (made,) = (here / "runs").iterdir()
        shutil.move(made, kept)
        return kept

    return measure


@pytest.fixture
def compare(monkeypatch, capsys):
    """Runs the command in this process; returns exit code, what it printed, and its errors."""

    def command(*args):
        monkeypatch.setattr(sys, "argv", ["tunegate", "compare", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return command


def edited(run_dir, change):
    """A copy of the run whose run.json is changed where verification vouches for nothing."""
    copy = run_dir.with_name(f"{run_dir.name}-edited")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run_dir, copy)
    content = json.loads((copy / "run.json").read_text())
    change(content)
    (copy / "run.json").write_text(json.dumps(content))
    return copy


@pytest.mark.parametrize(
    ("rights", "options", "code", "standing"),
    [
        ((390, 300), (), 1, "worse"),
        ((390, 300), ("--fail-on", "never"), 0, "worse"),
        ((300, 390), (), 0, "better"),
        ((390, 389), (), 0, "no difference shown"),
        ((390, 389), ("--fail-on", "any"), 1, "no difference shown"),
        ((389, 390), ("--fail-on", "any"), 0, "no difference shown"),
    ],
)
def test_equal_measurements_are_paired(run, compare, rights, options, code, standing):
    """The difference, its counts and the exit code are those of the rows, candidate of B minus candidate of A."""
    ended, said, _ = compare(run(rights[0]), run(rights[1]), "--json", "x.json", *options)
    content = json.loads(Path("x.json").read_text())
    (line,) = content["lines"]
    assert (ended, content["comparable"], line["standing"]) == (code, True, standing)
    assert line["delta"]["value"] == pytest.approx((rights[1] - rights[0]) / 400)
    assert (line["fixed"], line["broken"]) == (max(0, rights[1] - rights[0]), max(0, rights[0] - rights[1]))
    assert (line["first"], line["second"]) == (rights[0] / 400, rights[1] / 400)
    assert standing in said


@pytest.mark.parametrize(
    ("layer", "changed"),
    [
        ("data", {"rows": 399}),
        ("prompt", {"system": "Answer yes."}),
        ("decode", {"edit": ("max_new_tokens=4", "max_new_tokens=5")}),
        ("score", {"edit": ("version=1", "version=2")}),
        ("base", {"base": 351}),
    ],
)
def test_another_measurement_is_refused_by_its_layer(run, compare, tmp_path, layer, changed):
    """Exit code 4, and a table with the layer and what it is on both sides; no number is compared."""
    first, second = run(390), run(390, **changed)
    code, said, _ = compare(first, second, "--json", tmp_path / "x.json")
    content = json.loads((tmp_path / "x.json").read_text())
    assert (code, content["comparable"], content["lines"]) == (4, False, [])
    assert layer in {each["layer"] for each in content["refused"]}
    assert "Not comparable" in said
    row = next(line for line in said.splitlines() if f" {layer} " in line)
    assert all(each["first"][:20] in row for each in content["refused"] if each["layer"] == layer)
    assert compare(first, second, "--md")[1].startswith("**Not comparable")


@pytest.mark.parametrize("side", [0, 1])
def test_other_arithmetic_is_refused_on_either_side(run, compare, side):
    """A candidate, or a base, in another dtype is another measurement, whatever the suites say."""
    second = edited(run(390), lambda content: content["models"][side].update(dtype="bfloat16"))
    code, said, _ = compare(run(390), second)
    assert (code, f"arithmetic of {('base', 'candidate')[side]}" in said) == (4, True)


def test_other_surroundings_are_told_and_compared(run, compare):
    """Another version of torch moves later decimals at most: it stands beside the numbers."""
    second = edited(run(390), lambda content: content["environment"]["packages"].update(torch="9.9.9"))
    code, said, _ = compare(run(390), second)
    assert (code, "packages.torch" in said, "9.9.9" in said) == (0, True, True)


def test_a_run_that_does_not_verify_is_not_compared(run, compare):
    """An edited verdict ends with 4 and one line."""
    second = edited(run(390), lambda content: content["verdicts"][0].update(n=7))
    code, _, error = compare(run(390), second)
    assert (code, "does not verify" in error, error.count("\n")) == (4, True, 1)


def test_the_model_is_named_where_there_are_several(run, compare):
    """Two candidates need a name, an unknown name is refused, and a known one is compared."""
    several = run(390, 300)
    code, _, error = compare(run(390), several)
    assert (code, "m390, m300" in error, "--model-b" in error) == (4, True, True)
    assert compare(run(390), several, "--model-b", "m7")[0] == 4
    assert compare(run(390), several, "--model-b", "m390")[0] == 0
    assert compare(run(390), several, "--model-b", "m300")[0] == 1


def test_a_suite_of_one_run_refuses_unless_it_may_be_left_out(run, compare, tmp_path):
    """Whatever was measured once only is named; with --allow-partial the others are compared, marked as partial."""
    both = run(390, beside="more")
    code, said, _ = compare(both, run(390))
    assert (code, "more" in said, "not measured" in said) == (4, True, True)
    code, said, _ = compare(both, run(390), "--allow-partial", "--json", tmp_path / "x.json")
    assert (code, "left out" in said, "no decision to ship" in said) == (0, True, True)
    assert json.loads((tmp_path / "x.json").read_text())["partial"] is True


def test_markdown_holds_names_in_code_spans(run, compare):
    """The table for a comment has the same numbers."""
    code, said, _ = compare(run(390), run(300), "--md")
    assert (code, "| worse | `asks` | `exact_match` | 400 | 97.5% | 75.0% | −22.5 |" in said) == (1, True)


def test_many_metrics_do_not_make_one_look_worse_by_chance():
    """At p = .02 each, one metric is shown to be worse and one of five is not; at .009 one of five is."""
    seen = Estimate(-0.1, -0.2, -0.01, 100, "tango")

    def line(p):
        return Line("s", "m", 100, 0.5, 0.4, seen, 0, 10, p_worse=p, p_better=1 - p)

    assert [each.standing for each in _adjusted([line(0.02)])] == [Standing.WORSE]
    assert {each.standing for each in _adjusted([line(0.02), *[line(0.5)] * 4])} == {Standing.UNSHOWN}
    assert _adjusted([line(0.009), *[line(0.5)] * 4])[0].standing is Standing.WORSE


def test_a_missing_score_is_a_difference_and_never_a_zero():
    """One unscored row on either side keeps its metric from being compared."""
    whole, torn = result([1.0] * 60, model="A"), result([1.0] * 59 + [None], model="B")
    assert list(_lines(Comparison(whole, torn))) == [
        Difference("suite", "scores of accuracy", "0 rows unscored", "1 rows unscored")
    ]
