"""Ways to get a green result without evidence. None of them may end green, and `verify` may accept none."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.errors import BadRunDirectory
from harness.pins import Pins, write_pins
from harness.types import Outcome
from harness.verify import Verified, verify
from tests.playground import finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"

ADAPTER = ("--adapter", "good")
PAIRED = 'Gate("exact_match", max_drop=0.05)'
TEST = "def test_gate(gate, check):\n    check(gate)\n"


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository whose gate passes; each way then breaks it."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    make_suite(pytester.path, gates=PAIRED)
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "good", right=380)
    return pytester


def body(text: str) -> Callable[[Path], None]:
    """Replace the suite's test function."""
    return lambda root: _edit(root / "suites/test_asks.py", TEST, f"import pytest\n{text}\n")


def data(change: Callable[[str], str]) -> Callable[[Path], None]:
    """Change the suite's data file."""

    def apply(root: Path) -> None:
        file = root / "suites/data/asks.jsonl"
        file.write_text(change(file.read_text()))

    return apply


def rule(model: str, **values: object) -> Callable[[Path], None]:
    """Change how a model answers."""
    return lambda root: (root / model / "rule.json").write_text(json.dumps(values)) and None


def suite(**settings: str) -> Callable[[Path], None]:
    """Write the suite anew."""
    return lambda root: make_suite(root, **settings) and None


def metric(value: str, chance: str = "0.0") -> Callable[[Path], None]:
    """Score with a metric of one's own: an expression of the answer's text."""
    code = f'per_example("exact_match", lambda example, text: Judgement({value}), chance={chance})'
    head = "from harness.metrics import Judgement, per_example\n"

    def apply(root: Path) -> None:
        file = root / "suites/test_asks.py"
        file.write_text(head + file.read_text().replace("exact_match()]", f"{code}]"))

    return apply


def conftest(code: str) -> Callable[[Path], None]:
    """Add to the repository's conftest."""

    def apply(root: Path) -> None:
        file = root / "conftest.py"
        file.write_text(f"{file.read_text()}\n{code}\n")

    return apply


def second_suite(head: str) -> Callable[[Path], None]:
    """Another suite file, which begins with `head`."""

    def apply(root: Path) -> None:
        file = make_suite(root, "more", gates=PAIRED)
        file.write_text(head + file.read_text())

    return apply


def other_prompt(root: Path) -> None:
    """The suite's system text is not the one that the adapter was trained with."""
    make_suite(root, gates=PAIRED, system="Answer yes or no.")
    write_pins(root / "good", Pins("0", "Answer in French.", "0", (1, 2)))


def lossy(rows: str) -> Callable[[Path], None]:
    """The suite gives back other rows than were planned: an expression of `rows`."""
    code = f"""
from dataclasses import replace

class Lossy(Suite):
    def measure(self, *args):
        result = Suite.measure(self, *args)
        rows = result.rows
        return replace(result, rows={rows})

suite = Lossy("""

    def apply(root: Path) -> None:
        _edit(root / "suites/test_asks.py", "suite = Suite(", code)

    return apply


class Way(NamedTuple):
    """What is done, how the gate is called, and the exit code that it must have."""

    name: str
    do: Callable[[Path], object]
    code: int
    args: tuple[str, ...] = ADAPTER


WAYS = [
    Way("every gate is skipped by a mark", body(f"@pytest.mark.skip\n{TEST}"), 11),
    Way("a gate skips itself", body("def test_gate(gate, check): pytest.skip('no time')"), 11),
    Way("a gate skips itself after it was checked", body("def test_gate(gate, check): check(gate); pytest.skip()"), 11),
    Way("skipif is true", body(f"@pytest.mark.skipif(True, reason='CI')\n{TEST}"), 11),
    Way("xfail hides a pass", body(f"@pytest.mark.xfail\n{TEST}"), 11),
    Way("a suite file skips itself", second_suite("import pytest; pytest.skip(allow_module_level=True)\n"), 4),
    Way("a suite file needs a module that is missing", second_suite("import pytest; pytest.importorskip('nope')\n"), 4),
    Way("a suite file does not import", second_suite("1 / 0\n"), 2),
    Way(
        "a suite file does not import, and pytest is told to go on",
        second_suite("1 / 0\n"),
        4,
        (*ADAPTER, "--continue-on-collection-errors"),
    ),
    Way("two suites have one name", lambda root: _edit(make_suite(root, "more"), "name='more'", "name='asks'"), 4),
    Way("the data file is empty", data(lambda _: ""), 4),
    Way("the data file is gone", lambda root: (root / "suites/data/asks.jsonl").unlink(), 4),
    Way("a row is torn", data(lambda text: text[:-20]), 4),
    Way("a row lacks its answer", data(lambda text: text.replace('"output": "yes"', '"output": null', 1)), 4),
    Way("a row is there twice", data(lambda text: text + text.splitlines()[0] + "\n"), 4),
    Way("too few rows for the margin", suite(gates='Gate("exact_match", max_drop=0.001)'), 4),
    Way("the margin is in percent", suite(gates='Gate("exact_match", max_drop=5)'), 2),
    Way("the gate has two limits", suite(gates='Gate("exact_match", max_drop=0.05, at_least=0.1)'), 2),
    Way("the gate is on a metric that nothing computes", suite(gates='Gate("accuracy", max_drop=0.05)'), 2),
    Way("the suite has no gates", suite(gates=""), 2),
    Way("all gates are advisory", suite(gates='Gate("exact_match", max_drop=0.05, advisory=True)'), 11),
    Way("the suite has no test", body(""), 4),
    Way("the test has another name", body("def gate_test(gate, check): check(gate)"), 4),
    Way("the test does not ask for check", body("def test_gate(): pass"), 4),
    Way("nothing is selected", suite(gates=PAIRED), 5, (*ADAPTER, "-k", "nothing")),
    Way("check is never called", body("def test_gate(gate, check): pass"), 11),
    Way("another gate is checked", body("def test_gate(gate, check): check('exact_match>=0.1')"), 11),
    Way("the test fails after its gate passed", body("def test_gate(gate, check): check(gate); assert False"), 11),
    Way("SystemExit(0) in a test", body("def test_gate(gate, check): raise SystemExit(0)"), 11),
    Way("pytest.exit with code 0", body("def test_gate(gate, check): pytest.exit('done', returncode=0)"), 11),
    Way(
        "a fixture of the test breaks",
        body("@pytest.fixture\ndef x(): 1 / 0\ndef test_gate(gate, check, x): check(gate)"),
        11,
    ),
    Way(
        "tear-down breaks",
        body("@pytest.fixture\ndef x():\n    yield\n    1 / 0\ndef test_gate(gate, check, x): check(gate)"),
        11,
    ),
    Way(
        "the failure is swallowed",
        lambda root: (
            rule("good", right=200)(root),
            body("def test_gate(gate, check):\n    try: check(gate)\n    except BaseException: pass")(root),
        ),
        1,
    ),
    Way(
        "xfail hides a failure",
        lambda root: (rule("good", right=200)(root), body(f"@pytest.mark.xfail\n{TEST}")(root)),
        11,
    ),
    Way(
        "a conftest turns failures into passes",
        lambda root: (
            rule("good", right=200)(root),
            conftest(
                "import pytest\n@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_runtest_makereport():\n"
                "    report = yield\n    report.outcome = 'passed'\n    return report"
            )(root),
        ),
        1,
    ),
    Way(
        "a gate is rerun",
        conftest(
            "import pytest\n@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_runtest_makereport(item, call):\n"
            "    report = yield\n    if call.when == 'setup':\n        report.outcome = 'rerun'\n    return report"
        ),
        11,
    ),
    Way(
        "-x stops before the last gate",
        lambda root: (make_suite(root), rule("good", right=200)(root)),
        11,
        (*ADAPTER, "-x"),
    ),
    Way("a metric gives NaN", metric("float('nan')"), 11),
    Way("a metric gives 2", metric("2.0"), 11),
    Way("a metric scores nothing", metric("None"), 11),
    Way("the base is below chance", metric("float(text == 'yes')", chance="0.99"), 11),
    Way("the adapter belongs to another base", rule("good", right=380, refuse=True), 11),
    Way("the base is refused", rule("base", right=360, refuse=True), 11),
    Way("the engine crashes", rule("good", right=380, crash="out of memory"), 11),
    Way("the engine leaves rows unanswered", rule("good", right=380, silent=True), 11),
    Way("a suite loses a row", lossy("rows[1:]"), 11),
    Way("a suite changes the order of its rows", lossy("rows[::-1]"), 11),
    Way("a suite counts a row twice", lossy("rows + rows[:1]"), 11),
    Way("a suite gives nothing", lossy("()"), 11),
    Way("every answer is cut", rule("good", right=400, cut=400), 1),
    Way("the prompt is not the adapter's", other_prompt, 11),
    Way("no such adapter", suite(gates=PAIRED), 4, ("--adapter", "nowhere")),
    Way("no such model", suite(gates=PAIRED), 4, ("--model", "nowhere")),
    Way("no such suite", suite(gates=PAIRED), 4, ("nowhere", *ADAPTER)),
    Way("too few examples", suite(gates=PAIRED), 10, (*ADAPTER, "--limit", "10")),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name.replace(" ", "-"))
def test_no_way_ends_green(repo, way):
    """The exit code says what went wrong, and a run directory that is left behind does not verify as PASS."""
    way.do(repo.path)
    result = run_gate(repo, *way.args)
    assert result.ret == way.code
    for run_dir in (repo.path / "runs").glob("*"):
        assert verify(run_dir).outcome is not Outcome.PASS


def test_unbroken_gate_is_green(repo):
    """Without any mischief the same gate passes and verifies, so that the ways above are to blame."""
    assert run_gate(repo, *ADAPTER).ret == 0
    assert verify(finished_run(repo)[0]) == Verified(Outcome.PASS, partial=False, disagreements=())


def test_early_exit_leaves_no_receipt(repo):
    """os._exit(0) makes pytest exit with 0; the missing receipt gives it away."""
    body("import os\ndef test_gate(gate, check): os._exit(0)")(repo.path)
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", *ADAPTER]
    assert subprocess.run(command, cwd=repo.path, capture_output=True, check=False).returncode == 0
    (run_dir,) = (repo.path / "runs").iterdir()
    with pytest.raises(BadRunDirectory, match="has no receipt"):
        verify(run_dir)


@pytest.mark.parametrize(
    "args",
    [
        (*ADAPTER, "-k", "drop"),
        (*ADAPTER, "--limit", "399"),
        (*ADAPTER, "--deselect", "suites/test_asks.py::test_gate[exact_match>=0.8-good]"),
    ],
)
def test_less_than_everything_is_partial(repo, args):
    """Deselected gates and left-out rows mark the run partial in plan, run.json and verification."""
    make_suite(repo.path)
    assert run_gate(repo, *args).ret == 0
    run_dir, run = finished_run(repo)
    assert run["partial"] is True
    assert verify(run_dir).partial is True


def test_selection_by_node_id_is_partial(repo):
    """Naming one gate on the command line leaves the others out."""
    make_suite(repo.path)
    node = "suites/test_asks.py::test_gate[exact_match-drop<=0.05-good]"
    result = repo.runpytest_inprocess(node, "--model", "base", *ADAPTER, "-pno:cacheprovider")
    assert result.ret == 0
    assert finished_run(repo)[1]["partial"] is True


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _json(path: Path, change: Callable[[dict], None]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values, indent=2) + "\n")


def _first_record(run: Path) -> Path:
    return run / "records" / "asks--good.jsonl"


FORGERIES = {
    "a score is edited": lambda run: _edit_line(_first_record(run), '"value": 0.0', '"value": 1.0'),
    "an output is edited": lambda run: _edit_line(_first_record(run), '"output": "no"', '"output": "yes"'),
    "a record is removed": lambda run: _first_record(run).write_text(
        "".join(_first_record(run).read_text().splitlines(True)[1:])
    ),
    "a record file is removed": lambda run: _first_record(run).unlink(),
    "a record file is added": lambda run: (run / "records" / "asks--best.jsonl").write_text("{}\n"),
    "records are swapped": lambda run: _first_record(run).write_bytes(
        (run / "records" / "asks--base.jsonl").read_bytes()
    ),
    "the outcome is edited": lambda run: _json(run / "run.json", lambda values: values.update(outcome="FAIL")),
    "a verdict is edited": lambda run: _json(
        run / "run.json", lambda values: values["verdicts"][0].update(observed=0.5)
    ),
    "a verdict is removed": lambda run: _json(run / "run.json", lambda values: values["verdicts"].pop()),
    "a result is edited": lambda run: _json(run / "run.json", lambda values: values["results"][0].update(value=0.5)),
    "a result is removed": lambda run: _json(run / "run.json", lambda values: values["results"].pop()),
    "the margin is widened": lambda run: _edit(run / "plan.json", '"max_drop": 0.05', '"max_drop": 0.5'),
    "the plan loses a gate": lambda run: _json(run / "plan.json", lambda values: values["items"].pop()),
    "the plan is not called partial": lambda run: _json(run / "run.json", lambda values: values.update(partial=True)),
}


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        (body("def test_gate(gate, check): pass"), "its test never called check(gate)"),
        (body(f"@pytest.mark.skip\n{TEST}"), "skipped; a gate that was not measured cannot pass"),
        (body(f"@pytest.mark.xfail\n{TEST}"), "marked xfail"),
        (body("def test_gate(gate, check): raise SystemExit(0)"), "crashed in call: SystemExit"),
        (body("def test_gate(gate, check): pytest.exit('done', returncode=0)"), "planned, but never run"),
        (rule("good", right=380, crash="out of memory"), "crashed in setup: RuntimeError: out of memory"),
        (rule("good", right=380, refuse=True), "good: was trained on another base; train it again"),
    ],
)
def test_invalid_verdict_says_why(repo, do, reason):
    """run.json gives the reason of each verdict that is missing, in the words of whoever noticed."""
    do(repo.path)
    run_gate(repo, *ADAPTER)
    (verdict,) = finished_run(repo)[1]["verdicts"]
    assert verdict["reason"].startswith(reason)
    assert verdict["observed"] is None
    assert verdict["outcome"] in {"INVALID", "NOT_RUN"}


def test_forged_plan_with_mended_checksums_is_rejected(repo):
    """Widening the margin everywhere, checksum of the plan included, still leaves the plan's own digest."""
    assert run_gate(repo, *ADAPTER).ret == 0
    run_dir, run = finished_run(repo)
    plan = json.loads((run_dir / "plan.json").read_text().replace('"max_drop": 0.05', '"max_drop": 0.5'))
    (run_dir / "plan.json").write_text(json.dumps(plan))
    run["plan"], run["receipt"]["plan_sha256"] = plan, hashlib.sha256((run_dir / "plan.json").read_bytes()).hexdigest()
    (run_dir / "run.json").write_text(json.dumps(run))
    assert verify(run_dir).disagreements == ("plan.json: does not match its own digest; it was edited",)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=[name.replace(" ", "-") for name in FORGERIES])
def test_forged_run_is_rejected(repo, forge):
    """Whatever is changed after the run, verification says so and ends INVALID."""
    assert run_gate(repo, *ADAPTER).ret == 0
    run_dir, _ = finished_run(repo)
    forge(run_dir)
    found = verify(run_dir)
    assert found.disagreements
    assert found.outcome is Outcome.INVALID


def _edit_line(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
