"""A run held against a checkout: other suites, rows, gates, metrics, answers or adapters than here are said, each."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import cli, session
from harness.checkout import Checkout, hold_against
from harness.errors import UsageProblem
from harness.fingerprint import adapter_digest
from harness.pins import Pins, write_pins
from harness.policy import policy
from harness.runs import sha256
from harness.verify import verify
from tests.playground import FakeBackend, finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the repository and its run are kept for the tests of this file."""
    return tmp_path_factory.mktemp("kept") / "repo"


@pytest.fixture
def repo(kept, pytester, monkeypatch, tmp_path):
    """A repository, and in it a run on two suites and an adapter that verifies and agrees with it."""
    if not kept.exists():
        monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
        monkeypatch.setattr(FakeBackend, "identify", _identified(FakeBackend.identify))
        for name in ("asks", "more"):
            make_suite(pytester.path, name, rows=120)
        make_model(pytester.path / "base", right=100)
        adapter = make_model(pytester.path / "mine", right=118)
        (adapter / "adapter_model.safetensors").write_bytes(b"weights")
        assert run_gate(pytester, "--adapter", "mine").ret == 0
        shutil.copytree(pytester.path, kept)
    root = shutil.copytree(kept, tmp_path / "repo")
    (run_dir,) = (root / "runs").iterdir()
    assert held(root, run_dir) == ()
    return root, run_dir


def _identified(identify):
    """The fake engine, telling the digest of an adapter's files as the real one does."""

    def found(self, model):
        known = identify(self, model)
        if model.adapter is None:
            return known
        return replace(known, digests={**known.digests, "adapter": adapter_digest(Path(model.adapter))})

    return found


def held(root, run_dir, adapters=("mine",), **how):
    """What a verification against the repository's suites and these adapters finds."""
    return hold_against(run_dir, Checkout((root / "suites",), tuple(root / name for name in adapters), **how)).faults


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("at_least=0.8", "at_least=0.7", "gates of 'asks' are not those of the suite here (run: exact_match>=0.8"),
        ("max_drop=0.05", "max_drop=0.05, advisory=True", "gates of 'asks'"),
        ("max_drop=0.05", "max_drop=0.05, min_n=60", "gates of 'asks'"),
        ("version=1", "version=2", "layer 'score' of 'asks'"),
        ("max_new_tokens=4", "max_new_tokens=5", "layer 'decode' of 'asks'"),
        ("chat('')", "chat('Say yes.')", "layer 'prompt' of 'asks'"),
        ("name='asks'", "name='else'", "'else' is here and the run did not measure it"),
        ("name='asks'", "name='else'", "the run measured 'asks', which is not among the suites here"),
    ],
)
def test_a_suite_that_changed_since_is_said(repo, old, new, said):
    """Limits, version, decoding, prompt, metrics and name: whatever the run was not about is one line."""
    root, run_dir = repo
    suite = root / "suites" / "test_asks.py"
    assert old in suite.read_text()
    suite.write_text(suite.read_text().replace(old, new))
    assert any(said in line for line in held(root, run_dir)), held(root, run_dir)


def test_a_row_that_changed_since_is_said(repo):
    """One letter of one row is another suite."""
    root, run_dir = repo
    data = root / "suites" / "data" / "more.jsonl"
    data.write_text(data.read_text().replace('question 7"', 'question 7 "'))
    said = held(root, run_dir)
    assert [line for line in said if "layer 'data' of 'more'" in line]
    assert [line for line in said if "rows of 'more'" in line]
    data.unlink()
    assert "cannot be read here" in held(root, run_dir)[0]


def test_a_suite_that_was_not_run_is_said(repo):
    """A run of one suite of two is whole by itself, and not what this checkout asks for."""
    root, run_dir = repo
    make_suite(root, "third", rows=120)
    assert held(root, run_dir) == ("suites: 'third' is here and the run did not measure it",)


def test_rows_that_the_run_chose_are_not_taken_for_those_of_the_suites(pytester, monkeypatch):
    """With --data the rows come from a file that the run names; that is said, and followed only when asked for."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    suite = make_suite(pytester.path, rows=120)
    rows = suite.parent / "data" / "asks.jsonl"
    easy = pytester.path / "easy.jsonl"
    easy.write_text(rows.read_text().replace("asks: ", "easy: "))
    source = "outside('posts', jsonl, otherwise=jsonl('data/asks.jsonl'))"
    words = suite.read_text().replace("examples=jsonl('data/asks.jsonl')", f"examples={source}")
    suite.write_text(f"from harness.outside import outside\n{words}")
    make_model(pytester.path / "base", right=110)
    assert run_gate(pytester, "--data", f"posts={easy}").ret == 0
    run_dir, _ = finished_run(pytester)
    (line,) = held(pytester.path, run_dir, [])
    assert "took rows from --data" in line
    assert held(pytester.path, run_dir, [], as_measured=True) == ()
    easy.write_text(rows.read_text())
    assert any("layer 'data'" in line for line in held(pytester.path, run_dir, [], as_measured=True))


def test_another_adapter_is_said(repo):
    """One byte of the weights, one key of the configuration, or another base's pins."""
    root, run_dir = repo
    for name in ("weights", "config"):
        shutil.copytree(root / "mine", root / name)
    (root / "weights" / "adapter_model.safetensors").write_bytes(b"weightz")
    (root / "config" / "adapter_config.json").write_text('{"r": 8}')
    for name in ("weights", "config"):
        (line,) = held(root, run_dir, [name])
        assert "no candidate that the run decides about is (mine)" in line
    shutil.copytree(root / "mine", root / "moved")
    assert held(root, run_dir, ["moved"]) == ()
    write_pins(
        root / "moved",
        Pins(base_digest="0" * 64, template_digest="t", system="", golden_prompt_ids=(), train_config={}),
    )
    assert held(root, run_dir, ["moved"]) == (
        f"adapter: {root / 'moved'} was trained on another base than the run measured",
    )


def test_an_adapter_that_is_only_shown_is_not_decided_about(repo):
    """A candidate whose gates are all advisory, such as a beaten point of a sweep, is not what the outcome is about."""
    root, run_dir = repo
    run = json.loads((run_dir / "run.json").read_text())
    for verdict in run["verdicts"]:
        verdict["advisory"] = True
    (run_dir / "run.json").write_text(json.dumps(run))
    assert "(none)" in held(root, run_dir)[0]


def test_no_adapter_is_a_usage_error(repo):
    """A folder without an adapter in it is refused, not taken for another adapter."""
    root, run_dir = repo
    with pytest.raises(UsageProblem, match="cannot be read as a PEFT adapter"):
        held(root, run_dir, ["base"])


@pytest.mark.parametrize("entry", ["base", "mine"])
def test_a_score_that_its_answer_does_not_have_is_found(repo, entry):
    """Records forged together with their receipt verify by themselves, and not against the suite's metrics."""
    root, run_dir = repo
    name = f"records/asks--{entry}.jsonl"
    text = (run_dir / name).read_text()
    assert text.count('"output": "no"') > 1
    forged = text.replace('"output": "yes"', '"output": "no"', 1).encode()
    (run_dir / name).write_bytes(forged)
    run = json.loads((run_dir / "run.json").read_text())
    run["receipt"]["records"][name]["sha256"] = sha256(forged)
    (run_dir / "run.json").write_text(json.dumps(run))
    assert verify(run_dir).disagreements == ()
    (line,) = held(root, run_dir)
    assert line.startswith(f"{name}: 1 of 120 rows are scored otherwise by the suite here")


@pytest.mark.parametrize(
    ("change", "other"),
    [
        (lambda plan: plan["models"][1].update(name="other"), False),
        (lambda plan: plan["suites"][0]["fingerprint"].update(data="other rows"), False),
        (lambda plan: plan["suites"].reverse(), False),
        (lambda plan: plan["suites"][0]["gates"][0].update(at_least=0.7), True),
        (lambda plan: plan["suites"][0]["gates"][1].update(max_drop=0.06), True),
        (lambda plan: plan["suites"][0]["gates"][0].update(confidence=0.8), True),
        (lambda plan: plan["suites"][0]["gates"][0].update(min_n=10), True),
        (lambda plan: plan["suites"][0]["gates"][0].update(advisory=True), True),
        (lambda plan: plan["suites"][0]["gates"].pop(), True),
        (lambda plan: plan["suites"][0].update(chance=0.25), True),
        (lambda plan: plan["suites"].pop(), True),
        (lambda plan: plan["options"].update(attempts="spend"), True),
    ],
    ids=[
        *("a model", "rows", "order"),
        *("limit", "margin", "confidence", "least", "advisory", "fewer gates", "chance", "fewer suites", "attempts"),
    ],
)
def test_policy_is_what_gates_ask_and_not_who_answers(repo, change, other):
    """Limit, margin, confidence, fewest rows, sharing of error: each is another policy. Rows and models are not."""
    plan = json.loads((repo[1] / "plan.json").read_text())
    before = plan["policy"]
    assert policy(plan) == before
    change(plan)
    assert (policy(plan) != before) is other


def test_the_policy_of_the_suites_here_is_told_and_held_against_the_runs(repo):
    """The same hash where nothing changed; another one is a fault beside the gate that is at fault."""
    root, run_dir = repo
    plan = json.loads((run_dir / "plan.json").read_text())
    assert hold_against(run_dir, Checkout((root / "suites",))).policy == plan["policy"]
    suite = root / "suites" / "test_asks.py"
    suite.write_text(suite.read_text().replace("max_drop=0.05", "max_drop=0.06"))
    found = hold_against(run_dir, Checkout((root / "suites",)))
    assert found.policy != plan["policy"]
    assert f"policy: is {plan['policy'][:12]} in the run and {found.policy[:12]} by the suites here" in found.faults


@pytest.mark.parametrize(("change", "code"), [("", 0), ("at_least=0.7", 11)])
def test_the_command_ends_with_what_it_finds(repo, monkeypatch, capsys, change, code):
    """0 and `verified` when all agrees; 11, `DISAGREES` and `REJECTED: INVALID` when anything differs."""
    root, run_dir = repo
    suite = root / "suites" / "test_asks.py"
    suite.write_text(suite.read_text().replace("at_least=0.8", change or "at_least=0.8"))
    words = ["tunegate", "verify", str(run_dir), "--suites", str(root / "suites"), "--adapter", str(root / "mine")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == code
    assert said.out.startswith("REJECTED: INVALID" if code else "verified: PASS")
    assert ("DISAGREES suites: gates of 'asks'" in said.err) is bool(code)


def test_holding_a_run_against_a_checkout_needs_no_torch(repo):
    """Neither torch nor transformers is imported, so a small machine does it in seconds."""
    root, run_dir = repo
    words = ["tunegate", "verify", str(run_dir), "--suites", str(root / "suites"), "--adapter", str(root / "mine")]
    script = (
        f"import sys; sys.argv = {words!r}\nfrom harness.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not {"torch", "transformers", "peft", "lm_eval"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (
            [],
            11,
            "REFUSED RUN: answers were not scored again, see UNCHECKED; bring their rows or add --allow-unchecked\n",
        ),
        (["--allow-unchecked"], 0, ""),
    ],
)
def test_what_could_not_be_checked_is_no_green_unless_allowed(repo, monkeypatch, capsys, more, code, said):
    """A suite whose rows are not here is named, and the run refused; with --allow-unchecked it is only named."""
    _, run_dir = repo
    known = verify(run_dir)
    monkeypatch.setattr("harness.verify.verify", lambda _: replace(known, unchecked=("asks: its rows are not here",)))
    monkeypatch.setattr(sys, "argv", ["tunegate", "verify", str(run_dir), *more])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr().err.replace(str(run_dir), "RUN")
    assert (ended.value.code, shown) == (code, f"UNCHECKED asks: its rows are not here\n{said}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lm-eval", "gsm8k"], "--lm-eval goes with --suites, whose files make suites of the tasks"),
        (["--lm-eval", "gsm8k,", "--suites", "SUITES"], "--lm-eval 'gsm8k,' names no task between two commas"),
        (["--lm-eval", "gsm8k", "--suites", "SUITES"], "--lm-eval gsm8k: no file here takes it; add one such as"),
    ],
)
def test_tasks_that_nothing_here_takes_are_a_usage_error(repo, monkeypatch, capsys, words, said):
    """One line that says what to add; exit code 4."""
    root, run_dir = repo
    words = [str(root / "suites") if word == "SUITES" else word for word in words]
    monkeypatch.setattr(sys, "argv", ["tunegate", "verify", str(run_dir), *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    err = capsys.readouterr().err
    assert (ended.value.code, err.count("\n")) == (4, 1)
    assert said in err
