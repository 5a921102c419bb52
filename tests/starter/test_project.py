"""`tunegate init`: the files, the commands that they promise, and what is refused."""

import csv
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli import app, main
from harness.suite_files import load_suites
from tests.starter.made import ROOT, SCHEMA, SYSTEM, capitals, plain_postings, write
from trainers.config import load_config

COMMON = {
    *(".gitignore", ".github/workflows/gate.yml", "README.md", "conftest.py", "pytest.toml", "train.toml"),
    *("data/train.jsonl", "suites/data/task.test.jsonl"),
    *("suites/data/knowledge.test.csv", "suites/data/regression.test.jsonl"),
    *("suites/test_exact_match.py", "suites/test_forgetting.py", "suites/test_regression.py"),
}


def init(folder, data, *options):
    """The command, in this process."""
    return CliRunner().invoke(app, ["init", str(folder), "--data", str(data), *map(str, options)])


def start(folder, *words):
    """A module of the project from the folder, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """What `tunegate init` says in the test's folder when it ends with exit code 4, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["tunegate", "init", *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code, said.out) == (4, "")
        return said.err

    return run


def files(folder):
    """Every file below, relative."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def lines(path):
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """A project for answers in JSON, with a system turn."""
    home = tmp_path_factory.mktemp("fields")
    (home / "system.txt").write_text(f"{SYSTEM}\n")
    data = write(home / "rows.jsonl", plain_postings(300))
    done = init(home / "gate", data, "--schema", SCHEMA, "--system-file", home / "system.txt")
    assert done.exit_code == 0, done.output
    return home / "gate"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A project for answers in words."""
    home = tmp_path_factory.mktemp("words")
    done = init(home / "gate", write(home / "rows.jsonl", capitals(200)), "--model", "org/base@abc")
    assert done.exit_code == 0, done.output
    return home / "gate"


def test_a_project_for_json_has_everything(fields):
    """Suites, data of both sides, schema, system turn, training, rehearsal, CI file; nothing else."""
    more = {
        "suites/test_valid_json.py",
        "suites/data/schema.json",
        "suites/data/system.txt",
        "data/general.train.jsonl",
    }
    assert files(fields) == COMMON | more
    assert (len(lines(fields / "data/train.jsonl")), len(lines(fields / "suites/data/task.test.jsonl"))) == (200, 100)
    assert (fields / "suites/data/schema.json").read_bytes() == SCHEMA.read_bytes()


def test_a_project_for_words_has_output_health_in_place_of_a_schema(words):
    """Text is compared as text; a base from the Hub is not rehearsed with the embedded base's rows."""
    assert files(words) == COMMON | {"suites/test_output_health.py"}
    assert {type(row["output"]) for row in lines(words / "suites/data/task.test.jsonl")} == {str}


@pytest.mark.parametrize("project", ["fields", "words"])
def test_what_is_written_is_in_the_house_style(project, request):
    """Linter and formatter find nothing, no template shows through, and files end as files end."""
    folder = request.getfixturevalue(project)
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", ROOT / "pyproject.toml", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for name in COMMON - {"suites/data/knowledge.test.csv"}:
        text = (folder / name).read_text(encoding="utf-8")
        assert "{%" not in text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\n\n\n\n" not in text


def test_init_says_what_the_rows_allow(tmp_path):
    """Rows on both sides, rows left out, how strict gates are, and the next command."""
    rows = plain_postings(120)
    done = init(tmp_path / "my gate", write(tmp_path / "rows.jsonl", [*rows, rows[0]]), "--schema", SCHEMA)
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'my gate'}: 16 files written",
        "rows: 60 to learn from, 60 to test with (60 independent)",
        "left out: 1 repeat another row, 0 resemble a test row too much",
        "gates on a rate ask for 70%: with these rows a candidate half way between that and 100% passes with a chance of 82%",  # noqa: E501  # one line
        "the gate on exact match asks for any gain; one of 11% is found with a chance of 80%",
        f"next: cd '{tmp_path / 'my gate'}' && python -m trainers train.toml --out out/adapter",
        "README.md there has the other commands",
    ]


@pytest.mark.parametrize(("project", "names"), [("fields", "valid_json"), ("words", "output_health")])
def test_its_suites_can_be_read_and_decided(project, names, request):
    """Four suites; every gate can be shown with the rows that there are."""
    suites = load_suites(request.getfixturevalue(project) / "suites")
    assert {suite.name for suite in suites} == {"exact_match", "forgetting", "regression", names}
    for suite in suites:
        rows = suite.keep.at_least if suite.keep else len(suite.plan())
        for gate in suite.gates:
            gate.refuse_undecidable(rows)


def test_its_training_file_can_be_read(fields, words):
    """The trainer reads it, finds its files from anywhere, and knows what must not leak."""
    own, other = load_config(fields / "train.toml"), load_config(words / "train.toml")
    assert own.data == fields / "data/train.jsonl"
    assert own.against == fields / "suites"
    assert own.system_file == fields / "suites/data/system.txt"
    assert own.replay_fraction == 0.2
    assert (other.model, other.revision, other.replay_data, other.system_file) == ("org/base", "abc", None, None)
    assert "--model org/base@abc --adapter" in (words / "README.md").read_text(encoding="utf-8")


def test_its_audit_is_clean(fields):
    """The command of the README finds nothing wrong with the training rows."""
    done = start(
        fields,
        *("harness.cli", "audit", "data/train.jsonl", "--against", "suites/"),
        *("--system-file", "suites/data/system.txt"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 100 examples" in done.stdout


def scripts(folder, *, right):
    """A base that knows three quarters and half of the task, and a candidate that gets that share of the task right."""
    task, pool = lines(folder / "suites/data/task.test.jsonl"), lines(folder / "suites/data/regression.test.jsonl")
    with (folder / "suites/data/knowledge.test.csv").open(encoding="utf-8") as table:
        questions = list(csv.DictReader(table))

    def said(row):
        return row["output"] if isinstance(row["output"], str) else json.dumps(row["output"])

    def answers(share):
        return {row["input"]: said(row) for index, row in enumerate(task) if index < share * len(task)}

    known = {row["input"]: said(row) for row in pool}
    choices = {row["question"]: "ABCD"[int(row["answer"])] for index, row in enumerate(questions) if index % 4}
    base = {"answers": {**known, **answers(0.5)}, "choices": choices, "default": "I do not know."}
    (folder.parent / "base.json").write_text(json.dumps(base))
    (folder.parent / "tuned.json").write_text(json.dumps({"answers": answers(right)}))


def gate(folder, name, *suites):
    """The gate of a project with a scripted base and candidate."""
    return start(
        folder,
        *("pytest", *(suites or ("suites/",)), "-q", "--backend", "scripted", "--model", "../base.json"),
        *("--adapter", "../tuned.json", "--run-dir", name),
    )


@pytest.mark.parametrize("project", ["fields", pytest.param("words", marks=pytest.mark.slow)])
def test_its_gate_runs_at_once(project, request):
    """A good candidate ends with 0 and a report, and a second process verifies the run."""
    folder = request.getfixturevalue(project)
    scripts(folder, right=1.0)
    done = gate(folder, "runs/good")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken examples, tuned-json: none" in done.stdout
    assert "warning" not in done.stdout
    assert (folder / "runs/good/report.html").stat().st_size > 10_000
    assert start(folder, "harness.cli", "verify", "runs/good").returncode == 0


def test_its_gate_can_fail(fields):
    """A candidate that gets less right than the base ends with 1, and three of its examples are shown."""
    scripts(fields, right=0.25)
    base = json.loads((fields.parent / "base.json").read_text())
    worse = {question: "Sorry." for index, question in enumerate(base["answers"]) if index % 2}
    (fields.parent / "tuned.json").write_text(json.dumps({"answers": worse}))
    done = gate(fields, "runs/bad", "suites/test_valid_json.py", "suites/test_exact_match.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL valid_json · " in done.stdout
    assert "    candidate Sorry.\n" in done.stdout


def test_its_ci_file_runs_what_the_readme_says(fields):
    """The workflow runs audit, training, gate and verify, keeps the runs whatever comes out, and may only read."""
    workflow = yaml.safe_load((fields / ".github/workflows/gate.yml").read_text())
    steps = workflow["jobs"]["gate"]["steps"]
    commands = "\n".join(step.get("run", "") for step in steps)
    for word in ("tunegate audit data/", "python -m trainers train.toml", "pytest suites/", "tunegate verify runs/ci"):
        assert word in commands
    assert steps[-1]["if"] == "${{ always() }}"
    assert workflow["permissions"] == {"contents": "read"}


FORMS = {
    "output": lambda q, a: {"input": q, "output": a},
    "completion": lambda q, a: {"prompt": q, "completion": a},
    "messages": lambda q, a: {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]},
    "sharegpt": lambda q, a: {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]},
    "alpaca": lambda q, a: {"instruction": q, "input": "", "output": a},
}


def test_every_form_of_rows_makes_the_same_project(words, tmp_path):
    """What rows say decides, not how they are written; CSV too."""
    pairs = [(row["prompt"], row["completion"]) for row in capitals(200)]
    made = {name: write(tmp_path / f"{name}.jsonl", [form(*pair) for pair in pairs]) for name, form in FORMS.items()}
    with (tmp_path / "rows.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("input", "output"), *pairs])
    (tmp_path / "rows.json").write_text(json.dumps([FORMS["output"](*pair) for pair in pairs]))
    for name, path in {**made, "csv": tmp_path / "rows.csv", "json": tmp_path / "rows.json"}.items():
        assert init(tmp_path / name, path).exit_code == 0
        for part in ("data/train.jsonl", "suites/data/task.test.jsonl"):
            assert (tmp_path / name / part).read_bytes() == (words / part).read_bytes(), name


def test_preferences_are_trained_as_such(tmp_path):
    """Rows with a chosen and a rejected answer make a training by ORPO, and are tested by the chosen one."""
    rows = [{"prompt": row["prompt"], "chosen": row["completion"], "rejected": "no idea"} for row in capitals(120)]
    assert init(tmp_path / "gate", write(tmp_path / "rows.jsonl", rows)).exit_code == 0
    config = load_config(tmp_path / "gate/train.toml")
    assert (config.method, config.replay_data) == ("orpo", None)
    assert set(lines(config.data)[0]) == {"input", "chosen", "rejected"}
    assert lines(tmp_path / "gate/suites/data/task.test.jsonl")[0]["output"] != "no idea"


def test_a_local_base_is_named_from_anywhere(tmp_path, monkeypatch):
    """A folder with a space in its name is absolute in the training file and quoted in commands."""
    (tmp_path / "my base").mkdir()
    write(tmp_path / "rows.jsonl", capitals(120))
    monkeypatch.chdir(tmp_path)
    assert init("gate", "rows.jsonl", "--model", "my base").exit_code == 0
    assert tomllib.loads(Path("gate/train.toml").read_text())["model"] == str(tmp_path / "my base")
    assert f"--model '{tmp_path / 'my base'}' --adapter" in Path("gate/README.md").read_text()
    assert yaml.safe_load(Path("gate/.github/workflows/gate.yml").read_text())["jobs"]


def test_answers_are_learned_as_they_are_spelled(tmp_path):
    """A JSON answer given as text keeps its spelling for training, and is a value for the suites."""
    rows = [
        {"prompt": each["input"], "completion": json.dumps(each["output"], indent=1)} for each in plain_postings(120)
    ]
    assert init(tmp_path / "gate", write(tmp_path / "rows.jsonl", rows), "--schema", SCHEMA).exit_code == 0
    assert lines(tmp_path / "gate/data/train.jsonl")[0]["output"].startswith("{\n")
    assert isinstance(lines(tmp_path / "gate/suites/data/task.test.jsonl")[0]["output"], dict)


GOOD = capitals(120)
SYSTEMS = [
    {"messages": [{"role": "system", "content": text}, *FORMS["messages"](*row.values())["messages"]]}
    for row, text in zip(GOOD, ["be brief"] * 119 + ["be long"], strict=True)
]
TURNS = {"messages": [{"role": role, "content": f"{role} {i}"} for i, role in enumerate(["user", "assistant"] * 2)]}


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (None, [], "rows.jsonl: cannot be read"),
        ([*GOOD, {"question": "x"}], [], "rows.jsonl:121: keys question; expected input and output"),
        ([*GOOD, {"prompt": "x", "completion": " "}], [], "rows.jsonl:121: 1 rows have an answer that says nothing"),
        ([*GOOD, TURNS], [], "rows.jsonl:121: has the turns user, assistant, user before the answer"),
        ([*GOOD, {"prompt": "x", "chosen": "a", "rejected": "b"}], [], "rows.jsonl:121: rows with a rejected answer"),
        (SYSTEMS, [], "rows.jsonl:120: its system turn differs from that of row 1"),
        (plain_postings(120), [], "rows.jsonl:1: the answer is JSON; give its schema with --schema FILE"),
        (GOOD, ["--schema", SCHEMA], "rows.jsonl:1: the schema rejects the answer at $"),
        (plain_postings(120), ["--schema", "loose.json"], "schema takes a wrong answer"),
        (plain_postings(120), ["--schema", "missing.json"], "missing.json: the schema cannot be read"),
        (GOOD[:80], [], "80 different rows; a project needs 100, 50 to learn from and 50 to test with: add 20 more"),
        (GOOD, ["--test-rows", "90"], "--test-rows 90: of 120 different rows, hold out 50 to 70"),
        (GOOD, ["--model", "nowhere"], "--model: 'nowhere' is no folder here and no Hub id"),
        (GOOD, ["--system-file", "missing.txt"], "missing.txt: cannot be read"),
    ],
)
def test_what_cannot_work_is_one_line_and_writes_nothing(tmp_path, refused, rows, options, message):
    """Each mistake is told with its place; exit code 4, and no folder."""
    Path("loose.json").write_text('{"type": "object"}')
    if rows is not None:
        write(tmp_path / "rows.jsonl", rows)
    said = refused("gate", "--data", "rows.jsonl", *options)
    assert message in said
    assert said.startswith("tunegate: ")
    assert said.count("\n") == 1
    assert not Path("gate").exists()


@pytest.mark.parametrize("taken", ["README.md", "suites/test_regression.py", "data/train.jsonl"])
def test_nothing_is_written_over(tmp_path, refused, taken):
    """One file that exists stops everything, is named and stays as it is; other files of the folder do no harm."""
    folder = tmp_path / "gate"
    (folder / taken).parent.mkdir(parents=True)
    (folder / taken).write_text("mine")
    (folder / "notes.txt").write_text("mine")
    said = refused("gate", "--data", write(tmp_path / "rows.jsonl", GOOD))
    assert said == f"tunegate: gate/{taken}: exists already, and is not written over; give an empty folder\n"
    assert files(folder) == {taken, "notes.txt"}
    assert (folder / taken).read_text() == "mine"
    (folder / taken).unlink()
    assert init("gate", "rows.jsonl").exit_code == 0


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, refused):
    """A file where the folder should be is told as such."""
    (tmp_path / "gate").write_text("a file")
    said = refused("gate/here", "--data", write(tmp_path / "rows.jsonl", GOOD))
    assert "cannot be written" in said
    assert said.count("\n") == 1
