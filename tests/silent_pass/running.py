"""Tests that do not run, do not check, or are made to look as if they had."""

from collections.abc import Callable
from pathlib import Path

from tests.silent_pass.ways import (
    ADAPTER,
    PAIRED,
    TEST,
    Area,
    Way,
    both,
    conftest,
    edit,
    head,
    make_suite,
    nothing,
    rule,
    suite,
)

BAD = rule("good", right=60)
TWO = suite()
NODE = "suites/test_asks.py::test_gate[exact_match-drop<=0.05-good]"
MAKEREPORT = "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_runtest_makereport(item, call):\n"


def body(text: str) -> Callable[[Path], None]:
    """Replace the suite's test function."""
    return lambda root: edit(root / "suites/test_asks.py", TEST, f"import pytest\n{text}\n")


def second_suite(text: str) -> Callable[[Path], None]:
    """Another suite file, which begins with `text`."""

    def apply(root: Path) -> None:
        file = make_suite(root, "more", gates=PAIRED)
        file.write_text(text + file.read_text())

    return apply


SKIPPED = "skipped; a gate that was not measured cannot pass, remove the skip"
UNCHECKED = "its test never called check(gate)"
NEVER_RUN = "planned, but never run: the session ended before it"
PARTIAL = "partial run, it left rows or gates out"
NO_RUN = "no such directory"

WAYS = [
    Way("every gate is skipped by a mark", body(f"@pytest.mark.skip\n{TEST}"), 11, SKIPPED),
    Way("the file is skipped by a mark", head("import pytest\npytestmark = pytest.mark.skip"), 11, SKIPPED),
    Way("skipif is true", body(f"@pytest.mark.skipif(True, reason='CI')\n{TEST}"), 11, SKIPPED),
    Way("a gate skips itself", body("def test_gate(gate, check): pytest.skip('no time')"), 11, SKIPPED),
    Way(
        "a gate skips itself after its check",
        body("def test_gate(gate, check): check(gate); pytest.skip()"),
        11,
        SKIPPED,
    ),
    Way(
        "a fixture skips every test",
        conftest("@pytest.fixture(autouse=True)\ndef gpu(): pytest.skip('no GPU')"),
        11,
        SKIPPED,
    ),
    Way(
        "the test has an empty parameter set",
        body(f"@pytest.mark.parametrize('x', [])\n{TEST.replace('check)', 'check, x)')}"),
        11,
        SKIPPED,
    ),
    Way("xfail hides a pass", body(f"@pytest.mark.xfail\n{TEST}"), 11, "marked xfail"),
    Way("xfail hides a failure", both(BAD, body(f"@pytest.mark.xfail\n{TEST}")), 11, "marked xfail"),
    Way(
        "a suite file skips itself",
        second_suite("import pytest; pytest.skip(allow_module_level=True)\n"),
        4,
        "skips itself while it is imported",
    ),
    Way(
        "a suite file needs a module that is missing",
        second_suite("import pytest; pytest.importorskip('nope')\n"),
        4,
        "skips itself while it is imported",
    ),
    Way("a suite file does not import", second_suite("1 / 0\n"), 2, "ZeroDivisionError"),
    Way(
        "a suite file does not import, and pytest is told to go on",
        second_suite("1 / 0\n"),
        4,
        "a gate needs every file",
        (*ADAPTER, "--continue-on-collection-errors"),
    ),
    Way("the suite has no test", body(""), 4, "suite 'asks' has no gate test"),
    Way(
        "the test has another name", body("def gate_test(gate, check): check(gate)"), 4, "suite 'asks' has no gate test"
    ),
    Way("the test does not ask for check", body("def test_gate(): pass"), 4, "suite 'asks' has no gate test"),
    Way(
        "the suite has another name",
        lambda root: edit(root / "suites/test_asks.py", "suite = Suite(", "checks = Suite("),
        1,
        "fixture 'gate' not found",
    ),
    Way("check is never called", body("def test_gate(gate, check): pass"), 11, UNCHECKED),
    Way("a second test never calls check", body(f"{TEST}\ndef test_more(gate, check): pass"), 11, UNCHECKED),
    Way(
        "check is replaced by a fixture",
        conftest("@pytest.fixture\ndef check(): return lambda gate: True"),
        2,
        "function uses no fixture 'candidate'",
    ),
    Way(
        "check is replaced by a fixture that knows the candidate",
        conftest("@pytest.fixture\ndef check(candidate): return lambda gate: True"),
        11,
        UNCHECKED,
    ),
    Way(
        "another gate is checked",
        body("def test_gate(gate, check): check('exact_match>=0.1')"),
        11,
        "pass on the fixture `gate`",
    ),
    Way(
        "the gate is weakened before its check",
        body("from dataclasses import replace\ndef test_gate(gate, check): check(replace(gate, max_drop=0.9))"),
        11,
        "pass on the fixture `gate`",
    ),
    Way(
        "gate is parametrised by hand",
        body(f"@pytest.mark.parametrize('gate', ['x'])\n{TEST}"),
        2,
        "duplicate parametrization of 'gate'",
    ),
    Way(
        "the failure is swallowed",
        both(BAD, body("def test_gate(gate, check):\n    try: check(gate)\n    except BaseException: pass")),
        1,
        "a drop of 5 points",
    ),
    Way(
        "the failure is expected",
        both(BAD, body("def test_gate(gate, check):\n    with pytest.raises(BaseException): check(gate)")),
        1,
        "a drop of 5 points",
    ),
    Way(
        "the test fails after its gate passed",
        body("def test_gate(gate, check): check(gate); assert False"),
        11,
        "crashed in call",
    ),
    Way(
        "SystemExit(0) in a test",
        body("def test_gate(gate, check): raise SystemExit(0)"),
        11,
        "crashed in call: SystemExit",
    ),
    Way(
        "pytest.exit with code 0", body("def test_gate(gate, check): pytest.exit('done', returncode=0)"), 11, NEVER_RUN
    ),
    Way(
        "memory runs out in a test",
        body("def test_gate(gate, check): raise MemoryError"),
        11,
        "crashed in call: MemoryError",
    ),
    Way(
        "a fixture of the test breaks",
        body("@pytest.fixture\ndef x(): 1 / 0\ndef test_gate(gate, check, x): check(gate)"),
        11,
        "crashed in setup: ZeroDivisionError",
    ),
    Way(
        "tear-down breaks",
        body("@pytest.fixture\ndef x():\n    yield\n    1 / 0\ndef test_gate(gate, check, x): check(gate)"),
        11,
        "crashed in teardown: ZeroDivisionError",
    ),
    Way("-x stops before the last gate", both(TWO, BAD), 11, NEVER_RUN, (*ADAPTER, "-x")),
    Way("fixtures are only planned", nothing, 11, NEVER_RUN, (*ADAPTER, "--setup-plan")),
    Way("a plugin calls no test", conftest("def pytest_pyfunc_call(pyfuncitem): return True"), 11, UNCHECKED),
    Way("a plugin runs no item", conftest("def pytest_runtest_protocol(item): return True"), 11, NEVER_RUN),
    Way("a plugin runs no loop", conftest("def pytest_runtestloop(session): return True"), 11, NEVER_RUN),
    Way(
        "a plugin turns failures into passes",
        both(BAD, conftest(f"{MAKEREPORT}    report = yield\n    report.outcome = 'passed'\n    return report")),
        1,
        "a drop of 5 points",
    ),
    Way(
        "a plugin reruns a gate",
        conftest(
            f"{MAKEREPORT}    report = yield\n    if call.when == 'setup': report.outcome = 'rerun'\n    return report"
        ),
        11,
        "rerunning until green proves nothing",
    ),
    Way(
        "a plugin sets the exit code",
        both(
            BAD, conftest("@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session): session.exitstatus = 0")
        ),
        1,
        "verified: FAIL",
        ADAPTER,
        "verify",
    ),
    Way(
        "a plugin removes a gate",
        both(TWO, conftest("def pytest_collection_modifyitems(items): items.pop()")),
        11,
        PARTIAL,
        ADAPTER,
        "verify",
    ),
    Way(
        "a plugin removes every gate",
        conftest("def pytest_collection_modifyitems(items): items.clear()"),
        5,
        "no tests ran",
    ),
    Way("our plugin is switched off", nothing, 4, "unrecognized arguments", (*ADAPTER, "-pno:harness.plugin")),
    Way("nothing is selected", nothing, 5, "deselected", (*ADAPTER, "-k", "nothing")),
    Way("only some gates are selected", TWO, 11, PARTIAL, (*ADAPTER, "-k", "drop"), "verify"),
    Way("a gate is deselected", TWO, 11, PARTIAL, (*ADAPTER, "--deselect", NODE), "verify"),
    Way(
        "a suite's file is ignored",
        second_suite(""),
        11,
        PARTIAL,
        (*ADAPTER, "--ignore", "suites/test_more.py"),
        "verify",
    ),
    Way(
        "suites are ignored by a pattern",
        second_suite(""),
        11,
        PARTIAL,
        (*ADAPTER, "--ignore-glob", "suites/*more*"),
        "verify",
    ),
    Way("one row is left out", nothing, 11, PARTIAL, (*ADAPTER, "--limit", "119"), "verify"),
    Way("gates are only collected", nothing, 11, NO_RUN, (*ADAPTER, "--collect-only"), "verify"),
    Way("too few examples", nothing, 10, "INCONCLUSIVE", (*ADAPTER, "--limit", "10")),
    Way("the run is interrupted", rule("good", right=114, interrupt=100), 13, "continues it"),
]

AREA = Area("Tests that do not run, or do not check", "pytest suites --model base --adapter good", WAYS)
