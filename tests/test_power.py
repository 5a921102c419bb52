"""`tunegate power`: what a plan can show, worked out with the gate's own rule."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.errors import BadSpec
from harness.gates import Gate
from harness.power import Assumed, power_of
from harness.suite_files import read_suites
from reports.power import as_text, measured_by
from tests.playground import make_model, make_suite, run_gate

pytest_plugins = "pytester"
ROOT = Path(__file__).parents[1]


def gates_of(folder, gates, rows=400, *, extra="", **settings):
    """What the gates of a suite with so many rows can show."""
    folder.mkdir(exist_ok=True)
    make_suite(folder, gates=gates, rows=rows, extra=extra)
    return power_of(read_suites([folder / "suites"]), Assumed(**settings))


def the_gate(folder, gate, rows=400, **settings):
    """What its only gate can show."""
    (found,) = gates_of(folder, f'Gate("exact_match", {gate})', rows, **settings).gates
    return found


@pytest.mark.parametrize(
    ("discordance", "margin", "by_formula"),
    [(0.05, 0.02, 773), (0.10, 0.02, 1546), (0.10, 0.05, 248), (0.20, 0.05, 495)],
)
def test_needed_rows_are_about_those_of_the_normal_formula(tmp_path, discordance, margin, by_formula):
    """(1.645 + 0.842)² ψ / margin² for 80 %, by hand; counted out it is up to a fifth more, where few rows differ."""
    found = the_gate(tmp_path, f"max_drop={margin}", discordance=discordance)
    assert 0.97 * by_formula <= found.needed[0] <= 1.2 * by_formula
    assert 1.6 <= found.needed[1] / found.needed[0] <= 1.9


def test_a_plan_of_the_needed_rows_has_the_power(tmp_path):
    """With as many rows as it says the gate passes four times of five, with a third of them clearly less often."""
    needed = the_gate(tmp_path / "a", "max_drop=0.05").needed[0]
    assert the_gate(tmp_path / "b", "max_drop=0.05", needed).power >= 0.80
    assert the_gate(tmp_path / "c", "max_drop=0.05", needed // 3).power < 0.5


def test_a_rate_is_a_binomial(tmp_path):
    """0.95 is asked and 0.975 true: 440 rows pass with at most so many wrong as 0.95 gives in 5 % of cases."""
    found = the_gate(tmp_path, "at_least=0.95", 440)
    allowed = max(wrong for wrong in range(40) if scipy.stats.binom.cdf(wrong, 440, 0.05) <= 0.05)
    assert found.power == pytest.approx(scipy.stats.binom.cdf(allowed, 440, 0.025))
    assert (found.truth, found.discordance) == (0.975, None)
    assert 0.015 < found.detectable < 0.035


def test_assumptions_are_those_of_the_caller(tmp_path):
    """A gain lies `effect` beyond its limit; a drop is no drop at all, or `effect` away from the bound."""
    assert the_gate(tmp_path / "a", "min_gain=0.1", effect=0.07).truth == pytest.approx(0.17)
    assert the_gate(tmp_path / "b", "max_drop=0.05").truth == 0.0
    assert the_gate(tmp_path / "c", "max_drop=0.05", effect=0.04).truth == pytest.approx(-0.01)
    assert the_gate(tmp_path / "d", "min_gain=0.1", discordance=0.4).discordance == 0.4


def test_all_gates_together(tmp_path):
    """The chance that all pass is the product, and at least what the misses leave; advisory gates are left out."""
    two = 'Gate("exact_match", max_drop=0.05), Gate("exact_match", at_least=0.8)'
    found = gates_of(tmp_path / "a", two)
    first, second = (gate.power for gate in found.gates)
    assert found.joint == pytest.approx(first * second)
    assert found.least == pytest.approx(max(0, first + second - 1))
    advised = gates_of(tmp_path / "b", f'{two}, Gate("exact_match", min_gain=0.5, advisory=True)')
    assert advised.joint == pytest.approx(found.joint)


def test_rows_that_share_a_source_count_as_one(tmp_path):
    """Four hundred rows of 100 sources are 100 units, and the table says so."""
    make_suite(tmp_path, gates='Gate("exact_match", max_drop=0.05)')
    data = tmp_path / "suites/data/asks.jsonl"
    rows = [json.loads(line) | {"cluster": f"c{i // 4}"} for i, line in enumerate(data.read_text().splitlines())]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = power_of(read_suites([tmp_path / "suites"]), Assumed())
    assert (found.gates[0].n, found.gates[0].units) == (400, 100)
    assert "asks has 100 independent ones" in as_text(found)


def test_a_truth_that_cannot_be_is_refused(tmp_path):
    """A rate above 1 is nobody's truth."""
    with pytest.raises(BadSpec, match="give another --effect"):
        the_gate(tmp_path, "at_least=0.9", effect=0.5)


def test_a_gate_that_cannot_pass_is_refused_before_anything(tmp_path):
    """2 points with 148 rows: not even a flawless candidate can show it."""
    with pytest.raises(BadSpec, match="use at least 149 examples"):
        the_gate(tmp_path, "max_drop=0.02", 148)


def test_a_limit_that_is_nearly_the_truth_has_no_number(tmp_path):
    """An effect of a thousandth of a point needs more rows than anybody has."""
    found = the_gate(tmp_path, "min_gain=0.1", effect=1e-6)
    assert found.needed == (None, None)
    assert found.power < 0.06


def test_an_earlier_run_tells_discordance_and_effect(pytester, monkeypatch):
    """What its gates saw stands in for the defaults, and a wish of the caller comes before it."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)
    make_suite(pytester.path, gates='Gate("exact_match", max_drop=0.05)')
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "good", right=380)
    run_gate(pytester, "--adapter", "good", "--run-dir", "run")
    seen = measured_by(pytester.path / "run")
    (assumed,) = seen.values()
    assert assumed.discordance == pytest.approx(0.05, abs=0.01)  # 20 of 400, moved a little towards one half
    assert assumed.effect == pytest.approx(0.10)
    suites = read_suites([pytester.path / "suites"])
    (gate,) = power_of(suites, Assumed(), measured=seen).gates
    assert (gate.discordance, gate.truth) == (pytest.approx(0.0531, abs=0.001), pytest.approx(0.05))
    (gate,) = power_of(suites, Assumed(0.3), measured=seen).gates
    assert gate.discordance == 0.3


def test_the_command_prints_a_table_and_json_without_torch(tmp_path):
    """One line a gate, the joint power, and what is weak; nothing heavy is imported."""
    make_suite(tmp_path, gates='Gate("exact_match", max_drop=0.05), Gate("exact_match", min_gain=0.3)')
    code = (
        "import sys; sys.argv[0] = 'tunegate'\nfrom harness.cli import main\ntry: main()\n"
        "finally: print(sorted({'torch', 'pandas', 'openai', 'lm_eval'} & set(sys.modules)))"
    )
    words = ["power", tmp_path / "suites", "--json", tmp_path / "power.json"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "all gates pass: " in done.stdout
    assert "weak: asks exact_match-gain>=0.3" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
    written = json.loads((tmp_path / "power.json").read_text())
    assert [gate["gate"] for gate in written["gates"]] == ["exact_match-drop<=0.05", "exact_match-gain>=0.3"]
    assert {"power", "detectable", "needed", "units", "truth"} <= written["gates"][0].keys()


def test_power_rises_with_rows_and_falls_with_discordance(tmp_path):
    """Whatever else, more rows show more and more noise hides more."""
    few, many, noisy = (
        the_gate(tmp_path / name, "max_drop=0.05", rows, discordance=share).power
        for name, rows, share in (("a", 200, 0.1), ("b", 400, 0.1), ("c", 400, 0.3))
    )
    assert noisy < few < many


def test_a_gate_decides_what_power_says(tmp_path):
    """Simulated tables pass as often as was said."""
    import numpy as np

    from harness.gates import Finding
    from harness.stats import tango
    from harness.types import Outcome

    gate = Gate("m", min_gain=0.05)
    said = the_gate(tmp_path, "min_gain=0.05", 200, discordance=0.2).power  # of a true gain of 10 points
    tables = np.random.default_rng(1).multinomial(200, [0.15, 0.05, 0.8], size=500)
    passed = [gate.outcome(Finding(tango(int(b), int(c), 200, 0.90), int(b), int(c))) for b, c, _ in tables]
    assert np.mean([outcome is Outcome.PASS for outcome in passed]) == pytest.approx(said, abs=0.07)
    assert said > 0.3
