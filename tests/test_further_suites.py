"""Suites beyond the first five, as users meet them: reported ones, data from outside, tasks by name, empty bounds."""

import json
from pathlib import Path

import lm_eval.tasks  # noqa: F401  # before pytester notes which modules it may forget: pyarrow loads only once
import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.datasets import jsonl
from harness.errors import BadExamples
from harness.outside import Gsm8k, outside
from harness.verify import verify
from tests.playground import make_model, make_suite, run_gate
from tests.test_lm_eval_task import arc_row

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]
REPORTED = """
from dataclasses import dataclass, field
from harness.gates import Gate
from harness.suite import Suite

@dataclass(frozen=True, slots=True)
class Shown:
    pool: Suite
    gates: tuple = ()
    keep: None = field(default=None, init=False)

    def __getattr__(self, name):
        return getattr(self.pool, name)

suite = Shown(suite)
"""


@pytest.fixture
def repo(pytester, monkeypatch):
    """A base that answers 360 of 400, and a candidate that answers 380."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path)
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "good", right=380)
    return pytester


def document(folder):
    """run.json."""
    return json.loads(Path(folder, "run.json").read_text())


def test_a_suite_without_gates_is_shown_and_left_out(repo):
    """Its item passes when it was measured, as an advisory verdict on the candidate's own numbers; verify agrees."""
    shown = make_suite(repo.path, "shown")
    shown.write_text(shown.read_text() + REPORTED)
    done = run_gate(repo, "--adapter", "good", "--run-dir", "run", "-v")
    done.stdout.fnmatch_lines(["*test_shown.py::test_gate[[]measured-good[]] PASSED*"])
    (verdict,) = [each for each in document("run")["verdicts"] if each["suite"] == "shown"]
    assert (done.ret, verdict["outcome"], verdict["advisory"]) == (0, "PASS", True)
    assert verdict["observed"] == 380 / 400
    assert verify(Path("run")).disagreements == ()


def test_a_run_of_shown_suites_alone_decides_nothing(repo):
    """All its items pass, and the outcome is INVALID, for numbers without a gate are no evidence."""
    suite = repo.path / "suites" / "test_asks.py"
    suite.write_text(suite.read_text() + REPORTED)
    done = run_gate(repo, "--adapter", "good", "--run-dir", "run")
    assert (done.ret, document("run")["outcome"]) == (11, "INVALID")


def test_a_shown_suite_that_is_not_measured_is_not_green(repo):
    """What was planned and is missing shows in the exit code, advisory or not."""
    shown = make_suite(repo.path, "shown")
    broken = "    def measure(self, *_):\n        raise NotMeasured('no likelihoods here')\n"
    head = "from harness.errors import NotMeasured\n"
    shown.write_text(
        head + shown.read_text() + REPORTED.replace("    def __getattr__", f"{broken}\n    def __getattr__")
    )
    done = run_gate(repo, "--adapter", "good", "--run-dir", "run")
    assert done.ret != 0
    done.stdout.fnmatch_lines(["*INVALID: no likelihoods here*"])


@pytest.mark.parametrize(("right", "code"), [(10, 10), (40, 0)])
def test_a_bound_on_a_drop_that_cannot_happen_passes_nothing(repo, right, code):
    """A base at 2.5 % cannot lose 5 points, so a candidate that answers nothing must not pass; at 10 % it can."""
    make_suite(repo.path, gates='Gate("exact_match", max_drop=0.05)')
    make_model(repo.path / "poor", right=right)
    make_model(repo.path / "same", right=right + 1)
    done = run_gate(repo, "--adapter", "same", "--run-dir", "run", model="poor")
    assert done.ret == code
    if code:
        done.stdout.fnmatch_lines(["*so this gate cannot fail; compare with a base that has something to lose*"])


def gsm8k(tmp_path, *rows):
    """A file in GSM8K's form."""
    path = tmp_path / "gsm8k.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ROW = {"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}


def test_outside_rows_are_read_where_they_lie(tmp_path):
    """Until told, the suite's own rows; then those of the file, their targets after the mark."""
    own = tmp_path / "own.jsonl"
    own.write_text('{"input": "One?", "output": "1"}\n')
    source = outside("gsm8k", Gsm8k, otherwise=jsonl(own))
    assert [row.input for row in source.read()] == ["One?"]
    assert source.note == "asks 1 rows of its own; --data gsm8k=FILE measures gsm8k"
    (row,) = Gsm8k(gsm8k(tmp_path, ROW)).read()
    assert (row.input, row.target) == ("Two and two?", "4")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], ":1: has no text"),
        ([{"question": "q"}], ":1: has no text `question` and `answer`"),
        ([ROW, {"question": "q", "answer": "4"}], ":2: the answer must end in `#### N`"),
        ([ROW, {"question": " ", "answer": "#### 4"}], ":2: the answer must end"),
        ([ROW, []], ":2: has no text"),
        ([ROW, ROW], "holds a question twice"),
    ],
)
def test_bad_outside_rows_are_refused_with_their_line(tmp_path, rows, message):
    """A row without question, answer or mark is named."""
    with pytest.raises(BadExamples, match=message):
        Gsm8k(gsm8k(tmp_path, *rows)).read()


def collect(pytester, *options):
    """`pytest suites/ ... --collect-only` in this repository, in this process."""
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "hypothesispytest", "anyio", "xdist")]
    words = ["--rootdir", str(ROOT), "--collect-only", "-q", *map(str, options)]
    return pytester.runpytest_inprocess(*without, "-c", str(ROOT / "pyproject.toml"), *words)


def test_more_suites_are_chosen_by_path(pytester):
    """`pytest suites/` collects the demo's; those in suites/more are collected when they are named."""
    demo = collect(pytester, ROOT / "suites").stdout.str()
    assert "test_valid_json.py::" in demo
    assert "suites/more" not in demo
    more = collect(pytester, ROOT / "suites" / "more").stdout.str()
    for name in ("output_health", "perplexity", "refusal", "word_problems", "wording"):
        assert f"test_{name}.py::test_gate" in more
    both = collect(pytester, ROOT / "suites", ROOT / "suites" / "more" / "test_wording.py").stdout.str()
    assert "test_valid_json.py::" in both
    assert "test_wording.py::" in both


def test_word_problems_say_whose_they_are(pytester, tmp_path):
    """Without --data a line says so; with it the rows are GSM8K's; a name that nobody reads is refused."""
    suite = ROOT / "suites" / "more" / "test_word_problems.py"
    own = collect(pytester, suite).stdout.str()
    assert "word_problems: asks 300 rows of its own; --data gsm8k=FILE measures gsm8k" in own
    rows = [{"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"} for n in range(60)]
    told = collect(pytester, suite, "--data", f"gsm8k={gsm8k(tmp_path, *rows)}").stdout.str()
    assert "60 examples planned" in told
    assert "of its own" not in told
    wrong = collect(pytester, suite, "--data", f"gsm9k={gsm8k(tmp_path, *rows)}")
    assert wrong.ret == 4
    wrong.stderr.fnmatch_lines(["*--data gsm9k: no collected suite reads it; those that are read: gsm8k*"])
    missing = collect(pytester, suite, "--data", "gsm8k=nowhere.jsonl")
    missing.stderr.fnmatch_lines(["*'nowhere.jsonl' is no file*"])


def test_lm_eval_tasks_are_items_when_they_are_asked_for(pytester, tmp_path):
    """Nothing without the option; an item a task with it; an unknown task, or one that no file takes, is refused."""
    suite = ROOT / "suites" / "test_lm_eval.py"
    assert collect(pytester, suite).ret == 5
    data = tmp_path / "arc.jsonl"
    data.write_text("".join(json.dumps(arc_row(number)) + "\n" for number in range(160)))
    asked = collect(pytester, suite, "--lm-eval", "arc_easy", "--data", f"arc_easy={data}").stdout.str()
    assert "test_lm_eval.py::test_gate[lm_eval-arc_easy-acc-drop<=0.02-base]" in asked or "measured-base" in asked
    assert "160 examples planned" in asked
    unknown = collect(pytester, suite, "--lm-eval", "arc_eazy")
    assert unknown.ret == 2
    unknown.stdout.fnmatch_lines(["*--lm-eval arc_eazy: lm-eval has no such task*"])
    untaken = collect(pytester, ROOT / "suites" / "test_valid_json.py", "--lm-eval", "arc_easy")
    assert untaken.ret == 4
    untaken.stderr.fnmatch_lines(["*--lm-eval arc_easy: no collected file takes it*"])
