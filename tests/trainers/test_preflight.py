"""What a training looks at before it begins: its own rows, against the suites that will judge it."""

import json

import pytest
from typer.testing import CliRunner

from harness.audit.preflight import preflight
from harness.errors import BadExamples
from harness.forms import row_of
from tests.audit.made import write_rows
from tests.trainers.conftest import ROWS
from trainers.__main__ import app
from trainers.config import load_config
from trainers.sft import train

SUITE = """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(name="words", version=1, examples=jsonl("rows.jsonl"), render=chat(), sampling=Sampling(max_new_tokens=9),
              metrics=[exact_match()], gates=[Gate("exact_match", at_least=0.5)])
"""


def rows_of(*values):
    """Rows as training reads them."""
    return [row_of(value, f"rows.jsonl:{number}") for number, value in enumerate(values, start=1)]


@pytest.fixture
def suites(tmp_path):
    """A folder with one suite that asks one of the training rows, in capitals."""
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "test_words.py").write_text(SUITE)
    asked = {"input": ROWS[3]["input"].upper(), "output": "x"}
    write_rows(folder / "rows.jsonl", [asked, {"input": "Something else entirely?", "output": "y"}])
    return folder


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([ROWS[0]], r"rows\.jsonl: the audit found 1 duplicate \(row 13: 2 rows have the same question and answer\)"),
        ([{"input": ROWS[0]["input"], "output": "no"}], r"found 2 conflict \(row 13: the same question has 2 answers"),
        ([{"input": "Say nothing.", "output": "  "}], r"found 1 empty"),
    ],
)
def test_rows_beyond_a_limit_are_refused_in_one_line(extra, said):
    """The line says what, where, how to see more, and how to go on deliberately."""
    with pytest.raises(BadExamples, match=said) as caught:
        preflight(rows_of(*ROWS, *extra), "rows.jsonl")
    assert "`tunegate audit rows.jsonl` shows all" in str(caught.value)
    assert 'set audit = "accept" to train on them as they are' in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_leak_into_a_suite_is_refused(suites):
    """With `against` the suites are compared, and the suites are named."""
    assert preflight(rows_of(*ROWS), "rows.jsonl").suites == ()
    with pytest.raises(BadExamples, match=r"found 1 leak \(row 4: question is, but for case.* --against "):
        preflight(rows_of(*ROWS), "rows.jsonl", against=suites)


def test_the_adapter_s_folder_holds_the_audit(config, tmp_path):
    """What was found is told with the adapter: digest, counts, and that it was accepted."""
    write_rows(config.data, [*ROWS, ROWS[0]])
    with pytest.raises(BadExamples, match="1 duplicate"):
        train(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    train(config.model_copy(update={"audit": "accept"}), tmp_path / "out")
    said = json.loads((tmp_path / "out" / "training.json").read_text())["audit"]
    assert (said["counts"], said["accepted"], said["suites"]) == ({"duplicate": 1}, True, [])
    clean = preflight(rows_of(*ROWS), "x")
    assert (clean.accepted, clean.counts) == (False, {})
    assert len(said["digest"]) == len(clean.digest) == 64
    assert clean.digest != said["digest"]


def test_the_command_refuses_and_says_how_to_go_on(base, data, suites):
    """`python -m trainers` ends with exit code 2 before any weights are read; paths are taken from the file."""
    path = data.with_name("config.toml")
    path.write_text(f'model = "{base}"\ndata = "{data.name}"\nagainst = "suites"\nsteps = 1\n')
    assert load_config(path).against == suites
    done = CliRunner().invoke(app, [str(path), "--out", str(data.with_name("out"))])
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: {data}: the audit found 1 leak")
