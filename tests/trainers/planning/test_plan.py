"""`tunegate plan` says what a run needs, from little, and its exit code says whether that is there."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import BadSpec
from trainers.planning.plan import Declared, as_text, make_plan, parse_size

LEAST = 'model = "Llama-3.2-3B"\n[lora]\nrank = 16\n'


@pytest.fixture
def least(tmp_path) -> Path:
    """A configuration of a base and an adapter, and nothing else."""
    path = tmp_path / "least.toml"
    path.write_text(LEAST, encoding="utf-8")
    return path


@pytest.fixture
def whole(tmp_path, base, data) -> Path:
    """A configuration with data, and a base that has its tokenizer."""
    path = tmp_path / "whole.toml"
    path.write_text(f'model = "{base}"\ndata = "{data}"\nbatch_size = 4\nepochs = 2\n', encoding="utf-8")
    return path


def _run(*args):
    return CliRunner().invoke(app, ["plan", *map(str, args)])


@pytest.mark.parametrize(
    ("memory", "code", "said"), [("80GiB", 0, "FITS in 80.00 GiB"), ("4GiB", 1, "DOES NOT FIT in 4.00 GiB")]
)
def test_exit_code_says_whether_it_fits(least, memory, code, said):
    """0 fits, 1 does not, and the text says the same with the figures."""
    found = _run(least, "--gpu-memory", memory)
    assert found.exit_code == code
    assert said in found.stdout
    assert "24,313,856 of 3,237,063,680 parameters" in found.stdout


def test_without_a_gpu_size_it_only_predicts(least):
    """No declared memory, no verdict."""
    found = _run(least)
    assert found.exit_code == 0
    assert "FIT" not in found.stdout
    assert "not projected, because the file names no data" in found.stdout


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (LEAST, ["--gpu-memory", "16 apples"], "size '16 apples'"),
        (LEAST.replace("3B", "4B"), [], "did you mean 'Llama-3.2-"),
        (LEAST.replace("rank", "rnak"), [], "did you mean 'rank'"),
        (LEAST + 'target_modules = ["query"]\n', [], "query"),
        (LEAST, ["--json", "/no/such/folder/plan.json"], "cannot be written"),
        (LEAST, ["--tokens-per-second", "0"], "tokens-per-second"),
    ],
)
def test_mistakes_end_with_2_and_one_line(tmp_path, text, options, said):
    """A wrong file, key or option is exit code 2, never a verdict."""
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    found = _run(path, *options)
    assert found.exit_code == 2
    assert said in found.stderr


def test_json_holds_what_the_text_says(least, tmp_path):
    """Machines get every component in bytes, and a verdict that is null when no memory was declared."""
    out = tmp_path / "plan.json"
    _run(least, "--json", out, "--gpu-memory", "4GiB")
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["fits"] is False
    assert sum(found["components"].values()) == found["peak_bytes"]
    assert max(found["moments"].values()) == found["allocated_bytes"]
    assert all(each["saves_bytes"] > 0 for each in found["advice"])
    assert found["enough"] is None or found["enough"]["peak_bytes"] <= 4 * 2**30
    assert found["work"] is found["cost"] is None
    _run(least, "--json", out)
    assert json.loads(out.read_text(encoding="utf-8"))["fits"] is None


def test_rows_are_counted_with_the_tokenizer(whole):
    """With data and a tokenizer, tokens are counted, and the longest row decides the memory."""
    plan = make_plan(whole, Declared(tokens_per_second=10, price_per_hour=36))
    assert plan.measured
    assert plan.work.exact
    assert plan.work.rows == 12
    assert plan.length < 1024
    assert 12 * 2 * 8 < plan.work.tokens < 12 * 2 * plan.length
    assert plan.cost.seconds == plan.work.tokens / 10
    assert plan.cost.price == pytest.approx(plan.cost.seconds / 100)
    assert "the longest row" in as_text(plan)


def test_rows_without_a_tokenizer_count_as_whole(whole, base):
    """A shape that is only known by name has no tokenizer: every row counts as max_length, and that is said."""
    text = whole.read_text(encoding="utf-8").replace(str(base), "Llama-3.2-1B")
    whole.write_text(text, encoding="utf-8")
    plan = make_plan(whole, Declared())
    assert not plan.measured
    assert plan.length == 1024
    assert plan.work.tokens == 12 * 2 * 1024
    assert "at most 24,576 tokens" in as_text(plan)


def test_steps_decide_over_epochs(whole):
    """With `steps`, tokens are those of the steps."""
    whole.write_text(whole.read_text(encoding="utf-8") + "steps = 100\naccumulation = 2\n", encoding="utf-8")
    epochs, steps = make_plan(whole, Declared()).work.tokens, 100 * 4 * 2
    assert 12 * 8 < epochs / steps * 12 < 12 * 200


@pytest.mark.parametrize(
    ("text", "size"), [("16GiB", 16 * 2**30), ("24 GB", 24 * 10**9), ("512MiB", 2**29), ("1.5gib", 3 * 2**29)]
)
def test_sizes(text, size):
    """Binary and decimal units mean what they say."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "0GiB", "-1GiB", "16 TiB", "1e3"])
def test_sizes_that_are_none(text):
    """Anything else is refused with an example."""
    with pytest.raises(BadSpec, match="such as 16GiB"):
        parse_size(text)
