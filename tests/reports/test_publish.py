"""Numbers of a run for CI: a summary that cannot be broken out of, metrics that parse, a comment of untrusted files."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness import cli
from harness.errors import UsageProblem
from harness.types import Score
from reports.load import load
from reports.publish.comment import absent, marker, render
from reports.publish.gate_file import BadGateFile, read_gate_file, write_gate_file
from reports.publish.markdown import capped, code
from reports.publish.of_run import gate_file, gate_json
from reports.publish.openmetrics import as_openmetrics
from reports.publish.summary import as_markdown, check_url
from tests.reports.maker import demo, row

ROOT = Path(__file__).parents[2]
SECRET = "what the model wrote"
HOSTILE = [
    "` | **PASS** | `",
    "a\nb | c |\n\n# PASS\n",
    "@maintainer please merge",
    "<script>alert(1)</script>",
    "<!-- tunegate:gate:default -->",
    "[x](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "https://evil.example www.evil.example",
    "```\n# PASS\n```",
    "fixes #1 and GH-2",
    "</details>\u202e\x1b[31m",
    "\\`\\|",
    "trailing\\",
    "``",
    " ",
    "$$x$$ {{7*7}} ${{ secrets.X }}",
    "::error::x",
    "\ud800",
]
PARSE = MarkdownIt("gfm-like", {"linkify": False, "html": True})
QUIET = {
    *("heading_open", "heading_close", "inline", "paragraph_open", "paragraph_close", "table_open", "table_close"),
    *("thead_open", "thead_close", "tbody_open", "tbody_close", "tr_open", "tr_close", "th_open", "th_close"),
    *("td_open", "td_close", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
    *("text", "code_inline", "strong_open", "strong_close", "softbreak"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of the demo's four suites that fails, in which broken answers hold a text that is easy to find."""
    run = demo(120, loss=0.05)
    whole = run.cases[2].rows
    run.cases[2].rows = lambda model: [
        replace(each, output=SECRET) if model != "base" else each for each in whole(model)
    ]
    return load(run.write(tmp_path_factory.mktemp("made") / "run"))


def tokens(text):
    """Every token of the Markdown, those inside of lines too."""
    for token in PARSE.parse(text):
        yield token
        yield from token.children or ()


def hostile_run(folder, text):
    """A run in which a text stands for model, prompt, answers and row ids, with one broken example."""
    run = demo(50)
    run.cases = run.cases[:1]
    run.candidates = (text,)
    metric = run.cases[0].metric
    run.cases[0].rows = lambda model: [
        row(i, id=f"{i}{text}", prompt=text, output=text, scores=(Score(metric, float(model == "base" or i > 2)),))
        for i in range(50)
    ]
    return load(run.write(folder))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_others_is_only_ever_code(tmp_path, text):
    """Whatever a model, prompt or name holds, the summary with examples has no link, markup or further cell in it."""
    said = as_markdown(hostile_run(tmp_path / "run", text), examples=True)
    said.encode("utf-8")
    found = list(tokens(said))
    assert {token.type for token in found} <= QUIET
    assert next(token.content for token in found if token.type == "inline") == "? tunegate: INCONCLUSIVE"
    words = "".join(token.content for token in found if token.type == "text")
    assert not re.search(r"[@#<>\[\]]|https?:|www|::", words.replace("## ", ""))
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {11}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_code_span_holds_its_text(text):
    """As a line of Markdown it is exactly one code span."""
    (line,) = [token for token in PARSE.parse(code(text)) if token.type == "inline"]
    assert [child.type for child in line.children] == ["code_inline"]


def test_the_summary_says_the_verdict_and_numbers_and_no_text(made):
    """Outcome first, a row for each gate worst first, sections of the page; what models wrote only with examples."""
    said = as_markdown(made)
    assert said.startswith("## ✗ tunegate: FAIL\n")
    rows = [line for line in said.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(made.verdicts)
    assert [line.startswith("| ✓ PASS") for line in rows] == sorted(line.startswith("| ✓ PASS") for line in rows)
    assert (SECRET in said, "`#flips`" in said) == (False, True)
    assert "](https://x.example/report.html#flips)" in as_markdown(made, url="https://x.example/report.html")
    with_examples = as_markdown(made, examples=True)
    assert SECRET in with_examples
    assert len(re.findall(r"^- `", with_examples, re.MULTILINE)) == 5


@pytest.mark.parametrize("url", ["https://x) [y](z", "https://x/ y", "https://x\n", "https://x/<b>"])
def test_an_address_that_would_end_its_link_is_refused(url):
    """One line, before anything is printed."""
    with pytest.raises(UsageProblem, match="--report-url"):
        check_url(url)


@pytest.mark.parametrize("most", [2_000, 3_000, 5_000])
def test_the_summary_keeps_its_limit_and_says_so(made, most):
    """Whole lines are left out at the end; the verdict stays."""
    said = as_markdown(made, most=most, examples=True)
    assert len(said.encode()) <= most
    assert said.startswith("## ")
    assert said.endswith("Cut here: the whole is in report.html.\n") is (len(as_markdown(made, examples=True)) > most)


def test_no_option_lifts_the_hard_limit():
    """200 KB are 200 KB of UTF-8, not of characters."""
    assert len(capped(["x", *["é" * 1_000] * 500], 200_000, "cut").encode()) <= 200_000
    with pytest.raises(ValueError, match="first line"):
        capped(["x" * 100], 50, "cut")


def test_metrics_parse_and_hold_the_numbers_of_the_run(made):
    """A parser of OpenMetrics reads every value back, and what was not measured has no line."""
    found = gate_file(made)
    torn = replace(found, gates=(*found.gates[:-1], replace(found.gates[-1], low=None)))
    families = {each.name: each for each in text_string_to_metric_families(as_openmetrics(torn))}
    passed = {(s.labels["suite"], s.labels["gate"]): s.value for s in families["tunegate_gate_pass"].samples}
    assert passed == {(gate.suite, gate.gate): float(gate.outcome == "PASS") for gate in found.gates}
    assert [s.value for s in families["tunegate_gate_observed"].samples] == [gate.observed for gate in found.gates]
    assert len(families["tunegate_gate_low"].samples) == len(found.gates) - 1
    assert families["tunegate_run_pass"].samples[0].value == float(found.outcome == "PASS")
    with pytest.raises(ValueError, match="EOF"):
        list(text_string_to_metric_families(as_openmetrics(found).replace("# EOF\n", "")))


def test_a_partial_pass_is_no_pass_in_metrics(made):
    """A run that left rows out is 0, whatever its gates say."""
    gates = tuple(replace(gate, outcome="PASS") for gate in gate_file(made).gates)
    whole = replace(gate_file(made), outcome="PASS", gates=gates)
    assert "\ntunegate_run_pass 1\n" in as_openmetrics(whole)
    assert "\ntunegate_run_pass 0\n" in as_openmetrics(replace(whole, partial=True))


def test_gate_json_reads_back_and_is_small(made):
    """The file equals what it was made of, holds no text of models, and keeps names plain."""
    data = gate_json(made)
    assert read_gate_file(data) == gate_file(made)
    assert len(data) < 64_000
    assert SECRET.encode() not in data


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_gate_json_of_a_hostile_run_has_plain_names(tmp_path, text):
    """A name that nobody should show becomes underscores when the file is written."""
    data = gate_json(hostile_run(tmp_path / "run", text))
    assert re.fullmatch(r"[\x20-\x7e\n]+", data.decode())
    assert all(re.fullmatch(r"[A-Za-z0-9_.:<>=+-]+", gate.model) for gate in read_gate_file(data).gates)


GATE_FIELDS = ("suite", "gate", "model", "metric", "outcome", "fingerprint")
BAD = [
    *((("gates", 0, field), text) for field in GATE_FIELDS for text in (*HOSTILE, "", "x" * 101, None, 7, ["x"])),
    *((("gates", 0, field), value) for field in ("observed", "low", "base") for value in (True, 2, -1.1, "1", [], {})),
    *((("gates", 0, "n"), value) for value in (-1, 1.5, True, None, 10**10)),
    *((("gates", 0, "required"), value) for value in (None, "0.1")),
    *((("gates", 0, "advisory"), value) for value in (0, None, "false")),
    *((("gates", 0, field), "x") for field in ("extra", "body")),
    *(((field,), text) for field in ("run", "finished_at", "policy", "run_sha256") for text in HOSTILE),
    *((("outcome",), value) for value in ("PASSED", "NOT_RUN", None, "PASS")),
    *((("gates",), value) for value in ([], {}, None, "x", [[]], [None])),
    *((("schema_version",), value) for value in (2, None, "1")),
    (("extra",), 1),
    (("partial",), 0),
]


@pytest.mark.parametrize(("place", "value"), BAD)
def test_a_file_with_one_bad_value_is_refused(made, place, value):
    """No text, number or key that a run would not write gets through, and the message does not repeat it."""
    content = json.loads(gate_json(made))
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(BadGateFile) as refused:
        read_gate_file(json.dumps(content).encode())
    assert str(refused.value).startswith("gate.json: ")
    assert not re.search(r"[`|@\n]|evil|script", str(refused.value))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b"null", b'{"schema_version": 1}', b"[" * 100_000, b" " * 256_001, b'{"n": NaN}'],
    ids=range(9),
)
def test_what_is_no_gate_file_is_refused(data):
    """Torn, deep, huge and foreign files end in one line."""
    with pytest.raises(BadGateFile):
        read_gate_file(data)


def test_too_many_gates_are_refused(made):
    """A file cannot make a comment endless."""
    found = gate_file(made)
    with pytest.raises(BadGateFile, match="1 to 200"):
        write_gate_file(replace(found, gates=found.gates * 100))


def test_the_comment_is_numbers_behind_a_marker(made):
    """The first line finds it again; every name is code; the only link is the one that was given."""
    found = gate_file(made)
    odd = replace(found.gates[0], suite="a<b>", model="x.y-z", advisory=True)
    said = render(replace(found, gates=(odd, *found.gates)), "f" * 64, key="mine", url="https://ci.example/runs/1")
    assert said.splitlines()[0] == marker("mine") == "<!-- tunegate:gate:mine -->"
    body = said.partition("\n")[2]
    kinds = {token.type for token in tokens(body)}
    assert kinds <= QUIET | {"link_open", "link_close"}
    assert [t.attrs["href"] for t in tokens(body) if t.type == "link_open"] == ["https://ci.example/runs/1"]
    assert f"tunegate: {found.outcome}" in said
    assert len(said.encode()) < 64_000
    most = replace(found, gates=found.gates * 33)
    assert f"{len(most.gates) - 20} more gates" in render(most, "f" * 64)
    assert len(render(most, "f" * 64).encode()) < 64_000


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("k", "https://x.example/\nx"),
        ("A", ""),
        ("x -->", ""),
        ("", ""),
        ("k", "http://x.example"),
        ("k", "https://x.example/) [y](https://evil.example"),
        ("k", "https://x.example/a b"),
        ("k", "javascript:alert(1)"),
    ],
)
def test_marker_and_address_cannot_be_forged(made, key, url):
    """A key or an address with other characters is refused."""
    with pytest.raises(BadGateFile):
        render(gate_file(made), "f" * 64, key=key, url=url)
    with pytest.raises(BadGateFile):
        absent(key=key, url=url)
    with pytest.raises(BadGateFile):
        render(gate_file(made), "f" * 64, commit=f"{'a' * 40}`")


def test_the_comment_needs_nothing_but_python(made, tmp_path):
    """With neither site-packages nor this environment the module prints the same; a bad file ends with 4."""
    file = tmp_path / "gate.json"
    file.write_bytes(gate_json(made))
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; sys.argv[0] = 'comment'"
    script = f"{start}; runpy.run_module('reports.publish.comment', run_name='__main__')"

    def run(*args):
        command = [sys.executable, "-I", "-S", "-c", script, *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("gate.json", "--key", "k")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "<!-- tunegate:gate:k -->")
    assert run("--key", "k").stdout.startswith("<!-- tunegate:gate:k -->\n### ! tunegate: INVALID\n")
    file.write_text("{}")
    done = run("gate.json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)


@pytest.mark.parametrize(
    ("args", "starts"),
    [
        (("summary", "RUN"), "## ✗ tunegate: FAIL"),
        (("summary", "RUN", "--format", "openmetrics"), "# TYPE tunegate_run_pass gauge"),
        (("summary", "RUN", "--format", "json"), "{"),
        (("comment", "GATE", "--key", "k", "--commit", "a" * 40), "<!-- tunegate:gate:k -->"),
    ],
)
def test_the_commands_print_and_end_with_0(made, tmp_path, monkeypatch, capsys, args, starts):
    """Whatever the verdict: telling is not deciding. What cannot be read ends with 4 and one line."""
    (tmp_path / "gate.json").write_bytes(gate_json(made))
    places = {"RUN": str(made.folder), "GATE": str(tmp_path / "gate.json")}

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["tunegate", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0

    assert run(*(places.get(word, word) for word in args)) == 0
    assert capsys.readouterr().out.startswith(starts)
    assert run(*("nowhere" if word in places else word for word in args)) == 4
    assert capsys.readouterr().err.count("\n") == 1
