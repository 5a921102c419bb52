"""The page as a whole: what is on it, what it may do, what it needs."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from harness.errors import Incomparable
from harness.types import Score
from reports.html import write_report
from tests.reports.maker import demo
from tests.reports.reader import ANCHORS, Outline, sections


def page(tmp_path, made, **options):
    """The text of the report of a made run."""
    return write_report(made.write(tmp_path / "run"), **options).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The report of an ordinary run."""
    return page(tmp_path_factory.mktemp("plain"), demo(40))


@pytest.mark.parametrize("candidates", [(), ("r16",), ("r16", "r4")])
def test_every_section_is_there_once(tmp_path, candidates):
    """With no, one and several candidates, each anchor exists once, ids are unique and every link leads somewhere."""
    made = demo(40)
    made.candidates = candidates
    text = page(tmp_path, made)
    outline = Outline.of(text)
    assert tuple(sections(text)) == ANCHORS
    assert all(len(words.split()) > 2 for words in sections(text).values()), "an empty section says why it is empty"
    assert len(outline.ids) == len(set(outline.ids))
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)


def test_the_page_is_well_formed(plain):
    """Every element that is opened is closed, in order."""
    assert Outline.of(plain).unbalanced == []


def test_the_page_can_load_nothing_and_run_nothing_but_its_own_script(plain):
    """The policy allows its own style sheet and script by hash and nothing else; no address and no inline style."""
    parts = [re.search(rf"<{tag}>(.*?)</{tag}>", plain, re.DOTALL).group(1) for tag in ("style", "script")]
    css, script = (b64encode(sha256(part.encode()).digest()).decode() for part in parts)
    rules = f"default-src &#39;none&#39;; style-src &#39;sha256-{css}&#39;; script-src &#39;sha256-{script}&#39;; "
    assert rules + "connect-src &#39;none&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;" in plain
    outline = Outline.of(plain)
    tags = [tag for tag, _ in outline.elements]
    assert tags.count("script") == 1
    assert not {"iframe", "object", "embed", "link", "base", "form", "img"} & set(tags)
    assert not {"style", "src", "onerror", "onclick"} & {name for _, names in outline.elements for name in names}
    assert not re.search(r"https?://|url\(|@import", plain)


def test_the_first_screen_answers(tmp_path):
    """The verdict sentence stands before the suites, and what would change it beside it."""
    text = page(tmp_path, demo(400, loss=0.05))
    top = text[: text.index('id="suites"')]
    assert "Do not ship r16-all-linear: 1 of 5 gates failed." in top
    assert "What would change this: a lower bound of −2.0 points or more" in top


def test_counts_match_the_rows(tmp_path):
    """Broken and fixed examples counted by hand are those on the page."""
    made = demo(30, loss=0)
    flip = {"base": {1, 2, 3}, "r16-all-linear": {3, 4}}
    rows = made.cases[3].rows("base")
    made.cases[3].rows = lambda model: [
        replace(row, scores=(Score("exact_match", float(index not in flip[model]), "", "ok"),))
        for index, row in enumerate(rows)
    ]
    text = re.sub(r"<[^>]+>", "", page(tmp_path, made))
    assert "1 broken in regression" in text
    assert "2 fixed in regression" in text


def test_examples_left_out_are_counted(tmp_path):
    """Beyond the limit the page says how many examples are in the records only."""
    text = re.sub(r"<[^>]+>", "", page(tmp_path, demo(100), limit=3))
    assert re.search(r"the first 3 are shown, \d+ are left to the records", text)


def test_unscored_is_never_zero(tmp_path):
    """A measurement with a missing score shows as not measured, and the warnings count the rows."""
    made = demo(20)
    rows = made.cases[0].rows
    made.cases[0].rows = lambda model: [
        replace(row, scores=(Score("valid_json", None, "", "no_answer"),)) if index == 4 and model != "base" else row
        for index, row in enumerate(rows(model))
    ]
    made.outcome = "INVALID"
    text = page(tmp_path, made)
    assert "valid_json on r16-all-linear: 1 of 20 rows have no valid_json score." in text
    assert "not measured" in text


def test_different_examples_are_refused(tmp_path):
    """Base and candidate that hold other examples are never set side by side."""
    made = demo(20)
    rows = made.cases[0].rows
    made.cases[0].rows = lambda model: rows(model)[::-1] if model == "base" else rows(model)
    with pytest.raises(Incomparable, match="valid_json"):
        page(tmp_path, made)


def test_the_base_alone_has_a_page(tmp_path):
    """Without candidates the page shows what the base scores and gets wrong, and claims no difference."""
    made = demo(40)
    made.candidates = ()
    text = page(tmp_path, made)
    assert "The base alone misses the bar" in text
    assert "wrong</span> in valid_json" in text
    assert "Candidate" not in text.partition("<script>")[0]


def test_nothing_prints_as_none(tmp_path):
    """Absent values are said in words."""
    made = demo(40)
    made.train_config = {"warmup": None, "modules": ["q", "v"], "replay": {"share": 0.1, "on": True}}
    text = re.sub(r"<(style|script)>.*?</\1>", "", page(tmp_path, made), flags=re.DOTALL)
    assert not re.search(r">\s*None\s*<|NaN|\bundefined\b", text)
    assert "<dt>replay.share</dt><dd>0.1</dd>" in text


def test_a_report_is_reproducible(tmp_path):
    """The same run gives the same bytes, and an older report is replaced without leftovers."""
    folder = demo(40).write(tmp_path / "run")
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert sorted(path.name for path in folder.iterdir()) == ["records", "report.html", "run.json"]


def test_reporting_imports_neither_torch_nor_pytest(tmp_path):
    """A report is rebuilt without the libraries that measured."""
    folder = demo(20).write(tmp_path / "run")
    code = (
        "import sys, pathlib\n"
        "from reports.html import write_report\n"
        "import reports.terminal\n"
        "write_report(pathlib.Path(sys.argv[1]))\n"
        "print(sorted({'torch', 'pytest', 'transformers', 'lm_eval', 'sqlite3'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=root
    )
    assert json.loads(done.stdout.replace("'", '"')) == []


def test_templates_never_switch_escaping_off():
    """No template marks data as safe, and none is left out of escaping."""
    for path in (Path(__file__).parents[2] / "reports").rglob("*.j2"):
        assert not re.search(r"\|\s*safe|autoescape|Markup", path.read_text(encoding="utf-8")), path.name


def test_a_gate_that_was_not_measured_is_shown(tmp_path):
    """A planned suite without any result stands in the table as not measured, and breaks nothing else."""
    folder = demo(20, loss=0).write(tmp_path / "run")
    content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    content["results"] = [each for each in content["results"] if each["suite"] != "mmlu_forgetting"]
    records = content["receipt"]["records"]
    content["receipt"]["records"] = {name: each for name, each in records.items() if each["suite"] != "mmlu_forgetting"}
    for each in content["verdicts"]:
        if each["suite"] == "mmlu_forgetting":
            each.update(outcome="INVALID", observed=None, gained=None, lost=None, reason="the engine ran out of memory")
    content["outcome"] = "INVALID"
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")
    text = write_report(folder).read_text(encoding="utf-8")
    suites = text[text.index('<section id="suites"') : text.index('<section id="flips"')]
    assert "mmlu_forgetting" in suites
    assert "not measured" in suites
    assert "the engine ran out of memory" in text[: text.index('id="suites"')]


def test_the_page_names_no_folder_of_its_user(tmp_path, plain):
    """The commands point at the run from where runs lie, never at a home directory."""
    assert "tunegate verify plain0/run" in plain
    assert str(tmp_path.parent) not in plain


def test_the_command_can_be_pasted_into_a_shell(tmp_path):
    """A word with spaces is quoted, and no list of Python's is shown."""
    page = write_report(demo().write(tmp_path / "run")).read_text(encoding="utf-8")
    assert "pytest suites/ --model embedded --adapter &#39;adapters/r16 all linear&#39;</pre>" in page
