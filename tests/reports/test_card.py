"""The model card: verdict first, numbers of run.json, front matter that the Hub reads, and no text of models."""

import json
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load

from harness import session
from harness.errors import BadRunDirectory, UsageProblem
from harness.fingerprint import digest
from reports.card import make_card, write_card
from reports.load import load
from reports.sweep import Point, Sweep
from tests.playground import finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"

GATES = 'Gate("exact_match", at_least=0.8), Gate("exact_match", max_drop=0.05)'
LONG = "A" * 999
HOSTILE = (
    "| **PASS** | <script>alert(1)</script> [x](http://evil) `rm` \n# PASS\n---\n\u202e\x1b[31m www.evil.org "
    + "A" * 999
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Where finished runs are kept for the tests of this file."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(pytester, monkeypatch, runs):
    """Measures an adapter of that rule beside a base that answers 350 of 400, once; returns the run directory."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it

    def measure(right, *args, **rule):
        kept = runs / digest([right, *args, rule])[:12]
        if not kept.exists():
            make_suite(pytester.path, gates=GATES)
            make_model(pytester.path / "base", right=350)
            (pytester.path / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
            adapter = make_model(pytester.path / "mine", right=right, **rule)
            (adapter / "adapter_config.json").write_text('{"r": 17, "bias": "none", "target_modules": ["q_proj"]}')
            run_gate(pytester, "--adapter", "mine", *args)
            shutil.move(finished_run(pytester)[0], kept)
        return kept

    return measure


def first_sentence(card):
    """What stands under the title."""
    return card.partition("\n# ")[2].split("\n")[2]


def edited(run_dir, change):
    """A copy of the run whose run.json is changed where verification vouches for nothing."""
    copy = shutil.copytree(run_dir, Path("edited").resolve(), dirs_exist_ok=True)
    content = json.loads((copy / "run.json").read_text())
    change(content)
    (copy / "run.json").write_text(json.dumps(content))
    return copy


def test_front_matter_and_tables_hold_the_numbers_of_the_run(run, tmp_path):
    """The Hub's own parser reads it back, value by value; every gate, digest and fingerprint is there."""
    run_dir = run(390)
    content = json.loads((run_dir / "run.json").read_text())
    write_card(make_card(run_dir, "mine", "org/mine"), tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    (entry,) = [each for each in content["results"] if each["model"] == "mine"]
    (found,) = card.data.eval_results
    assert (found.dataset_name, found.metric_type, found.metric_value) == ("asks", "exact_match", entry["value"])
    assert found.metric_args == {key: entry[key] for key in ("low", "high", "n")} | {"confidence": 0.95}
    assert found.dataset_args == {"fingerprint": content["plan"]["suites"][0]["fingerprint"]}
    assert (card.data.model_name, card.data.base_model, card.data.library_name) == ("mine", None, "peft")
    assert metadata_load(tmp_path / "README.md")["tags"] == ["tunegate", "tunegate-pass", "lora"]
    rows = [line.split(" | ") for line in card.text.splitlines() if line.startswith("| PASS")]
    assert [row[3] for row in rows] == ["at least 80.0%", "drop at most 5.0 points"]
    assert [row[4].split()[0] for row in rows] == ["97.5%", "+10.0"]
    assert [row[6:] for row in rows] == [["400", "", " |"], ["400", "40", "0 |"]]
    base, mine = content["models"]
    told = [base["fingerprint"], mine["fingerprint"], "apache-2.0", content["plan"]["id"]]
    told += content["plan"]["suites"][0]["fingerprint"].values()
    told += ["87.5%", "97.5%", content["environment"]["packages"].get("tunegate", "unknown")]
    assert [text for text in told if text not in card.text] == []


@pytest.mark.parametrize(
    ("right", "args", "said"),
    [
        (390, (), "**PASS: mine may ship: all 2 gates passed.**"),
        (250, (), "**FAIL: Do not ship mine: 2 of 2 gates failed.**"),
        (337, (), "**INCONCLUSIVE: Cannot tell whether mine may ship: 1 of 2 gates undecided.**"),
        (
            390,
            ("--limit", "300"),
            (
                "**PASS, partial run: mine passed the 2 gates that ran, "
                "but the run is partial: this is no decision to ship.**"
            ),
        ),
    ],
)
def test_the_verdict_is_the_first_sentence(run, right, args, said):
    """Whatever the outcome, it stands first, and only a whole PASS goes without a warning."""
    card = make_card(run(right, *args), "mine")
    assert first_sentence(card) == said
    assert ("are not shown to be met" in card) is ("PASS" not in said)
    assert ("so nothing here is a decision to ship" in card) is ("partial" in said)
    assert ("verify RUN_DIR --allow-partial" in card) is ("partial" in said)


def test_one_candidate_of_several_has_its_own_card(run, pytester):
    """A bad adapter beside it does not fail a good one, but the card says how the run ended."""
    make_model(pytester.path / "bad", right=250)
    run_dir = run(390, "--adapter", "bad")
    good, bad = make_card(run_dir, "mine"), make_card(run_dir, "bad")
    assert first_sentence(good) == "**PASS: mine may ship: all 2 gates passed.**"
    assert "The run as a whole, which measured other candidates too, ended FAIL." in good
    assert first_sentence(bad) == "**FAIL: Do not ship bad: 2 of 2 gates failed.**"
    assert good.count("| PASS |") == 2
    assert "| FAIL |" not in good


def test_a_point_that_did_not_win_its_sweep_says_so(run, monkeypatch):
    """Whoever reads of a point must know that another one was chosen."""
    points = tuple(Point(name, 0.9, None, None, None, None, {}) for name in ("other", "mine"))
    sweep = Sweep("asks", "exact_match", "other", ("other",), None, None, 200, 200, 2, points, ())
    monkeypatch.setattr("reports.card.load", lambda folder: replace(load(folder), sweep=sweep))
    monkeypatch.setattr("reports.load.own_verdicts", lambda verdicts, *_: verdicts)
    said = "It is one of 2 points of a sweep, and not the one that won; the winner is other."
    assert said in make_card(run(390), "mine")


def test_a_run_that_could_not_measure_has_no_verdict(run):
    """An invalid run gets a card that says so, with no number where there is none."""
    card = make_card(run(390, refuse=True), "mine")
    assert first_sentence(card) == "**INVALID: No verdict on mine: 2 of 2 gates not measured.**"
    assert "model-index" not in card
    assert card.count("| INVALID | asks | exact\\_match |") == 2
    assert card.count("| not measured |") == 2


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "yes, with --enable-lora --max-lora-rank 32 (rank 17)."),
        ({"r": 16}, "yes, with --enable-lora (rank 16)."),
        ({"use_dora": True}, "no: it is a DoRA; merge it first"),
        (None, "not known: the run did not record"),
    ],
)
def test_it_says_whether_vllm_serves_the_adapter(run, config, said):
    """The line follows from the adapter_config.json that was measured, as the run recorded it."""

    def changed(content):
        mine = content["models"][1]
        mine["adapter_config"] = None if config is None else mine["adapter_config"] | config

    assert f"Served by vLLM: {said}" in make_card(edited(run(390), changed), "mine")


def test_a_run_that_does_not_verify_gets_no_card(run, tmp_path):
    """An edited record, a number that the records do not give, and an unfinished run are refused."""
    run_dir = run(390)
    lied = edited(run_dir, lambda content: content["results"][1].update(value=0.99))
    with pytest.raises(BadRunDirectory, match=r"does not verify \(results: exact_match of mine"):
        make_card(lied, "mine")
    run_dir = edited(run_dir, lambda _content: None)
    record = run_dir / "records" / "asks--mine.jsonl"
    record.write_text(record.read_text().replace("1.0", "0.0", 1))
    with pytest.raises(BadRunDirectory, match="a record was edited"):
        make_card(run_dir, "mine")
    (run_dir / "run.json").unlink()
    with pytest.raises(BadRunDirectory, match="never finished"):
        make_card(run_dir, "mine")
    with pytest.raises(BadRunDirectory, match="no such directory"):
        make_card(tmp_path / "none", "mine")


def test_names_of_others_stay_text(run, tmp_path):
    """Markdown, HTML, control characters and endless values in what a run recorded cannot shape the card."""

    def poison(content):
        content["models"][0]["licence"] = HOSTILE
        content["models"][1]["train_config"] = {HOSTILE: HOSTILE}

    card = make_card(edited(run(390), poison), "mine")
    assert first_sentence(card) == "**PASS: mine may ship: all 2 gates passed.**"
    assert not re.search(r"(?<!\\)<(?!!-- tunegate card -->)", card.partition("---\n\n")[2])
    assert not set(card) & {"\x1b", "\u202e"}
    assert not re.search(r"^# PASS|^---$.*^---$.*^---$", card, re.MULTILINE | re.DOTALL)
    assert r"\| \*\*PASS\*\* \| \<script>" in card
    assert r"\[x\](http\://evil) \`rm\`" in card
    assert r"www\.evil" in card
    assert "A" * 200 not in card
    (tmp_path / "README.md").write_text(card)
    assert ModelCard.load(tmp_path / "README.md").data.model_name == "mine"


def test_nothing_that_was_asked_or_answered_is_in_it(run):
    """Rows have prompts, targets and outputs; the card has none of them."""

    def told(content):
        content["models"][1]["train_config"] = {"system": "Answer as a pirate.", "rank": 17}

    run_dir = edited(run(390), told)
    rows = [json.loads(line) for line in (run_dir / "records" / "asks--mine.jsonl").read_text().splitlines()]
    card = make_card(run_dir, "mine")
    assert "question" in rows[0]["prompt"]
    assert "question" not in card
    assert "pirate" not in card
    assert "| system | 19 characters, not shown |\n| rank | 17 |" in card
    assert not [row["id"] for row in rows if row["id"] in card]


def test_it_depends_on_nothing_but_the_run_directory(run, monkeypatch, tmp_path):
    """Moved away from models and suites, the same directory gives the same bytes, and asks nobody for anything."""
    run_dir = run(390)
    made = make_card(run_dir, "mine")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(socket, "socket", None)
    moved = shutil.copytree(run_dir, Path("moved"))
    assert make_card(moved, "mine") == made


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        ("yours", "", "--model yours: is no candidate of .*; it has mine"),
        ("base", "", "--model base: is no candidate"),
        ("mine", "a/b/c", "--name a/b/c: the Hub takes no such name"),
        ("mine", "x\ny", "the Hub takes no such name"),
    ],
)
def test_a_wrong_name_is_refused(run, model, name, said):
    """Only candidates have cards, and only names that the Hub takes are written."""
    with pytest.raises(UsageProblem, match=said):
        make_card(run(390), model, name)


def test_only_a_card_is_replaced(tmp_path):
    """A file that somebody wrote is not overwritten; an earlier card is."""
    own = tmp_path / "README.md"
    own.write_text("# My notes")
    with pytest.raises(UsageProblem, match="exists and is no card of tunegate"):
        write_card("<!-- tunegate card -->", own)
    write_card("<!-- tunegate card --> 1", tmp_path / "card.md")
    write_card("<!-- tunegate card --> 2", tmp_path / "card.md")
    assert (own.read_text(), (tmp_path / "card.md").read_text()) == ("# My notes", "<!-- tunegate card --> 2")
    with pytest.raises(UsageProblem, match="cannot be written"):
        write_card("", tmp_path / "nowhere" / "card.md")


def test_the_command_prints_or_writes_it(run, tmp_path):
    """Without --out it is printed as it would be written; a mistake is one line and not a traceback."""
    from typer.testing import CliRunner

    from harness.cli import app

    run_dir = run(250)
    command = ["card", str(run_dir), "--model", "mine", "--name", "org/mine"]
    printed = CliRunner().invoke(app, command)
    assert CliRunner().invoke(app, [*command, "--out", str(tmp_path / "README.md")]).exit_code == 0
    assert (printed.exit_code, printed.stdout) == (0, (tmp_path / "README.md").read_text(encoding="utf-8"))
    assert "tunegate card RUN_DIR --model mine --name org/mine | diff" in printed.stdout
