"""The page of an audit: what is on it, what it may do, and that hostile rows change nothing of it."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from harness.audit import Request, audit
from harness.audit.difficulty import Difficulty, Graded
from reports.audit_page import build, write_audit
from reports.html import render_template
from tests.audit.made import answers, postings, write_rows, write_suites
from tests.reports.reader import Outline
from tests.reports.test_hostile import PAYLOADS, filler
from tests.tiny import make_tokenizer

ANCHORS = (
    *("verdict", "findings", "duplicates", "leakage", "lengths", "answers"),
    *("difficulty", "template", "provenance", "review", "limits"),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    """Suites to compare with."""
    return write_suites(tmp_path_factory.mktemp("audit") / "suites")


@pytest.fixture(scope="module")
def found(tmp_path_factory, suites, base):
    """An audit with findings of many kinds."""
    folder = tmp_path_factory.mktemp("audit")
    rows = [*postings(30), postings(30)[0], postings(40, "test")[0], {"input": "Why?", "output": ""}]
    production = write_rows(folder / "production.jsonl", answers(20))
    request = Request(write_rows(folder / "train.jsonl", rows), (suites,), production=production, model=str(base))
    return audit(request)


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    """Its page."""
    path = tmp_path_factory.mktemp("page") / "audit.html"
    write_audit(found, path)
    return path.read_text(encoding="utf-8")


def test_every_section_is_there_once_and_every_link_leads_somewhere(page):
    """Ids are unique and the page is well formed."""
    outline = Outline.of(page)
    assert set(ANCHORS) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert outline.unbalanced == []


def test_the_page_can_load_and_run_nothing(page):
    """The policy allows its own style sheet by hash and nothing else; no script, address or inline style."""
    css = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    digest = b64encode(sha256(css.encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in page
    outline = Outline.of(page)
    assert not {"script", "iframe", "object", "embed", "link", "base", "form", "img"} & {t for t, _ in outline.elements}
    assert not {"style", "src", "onerror", "onclick"} & {name for _, names in outline.elements for name in names}
    assert not re.search(r"https?://|url\(|@import", page)


def test_the_page_says_what_was_found(page):
    """Verdict, counts, the leaked pair, what is learned of a row, and what was not measured."""
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "Do not train on train.jsonl yet: 1 empty, 1 leak, 1 duplicate, 1 schema." in text
    assert "rows 32: question is, word for word, the question of fields" in text
    assert "Not measured: it needs a model, and --difficulty asks for it." in text
    assert re.search(r'<span class="muted">[^<]*&lt;\|assistant\|&gt;</span><ins>\{', page)
    assert page.count("<svg") >= 6
    assert "Kolmogorov-Smirnov distance" in text


def test_difficulty_is_drawn_when_it_was_measured(found):
    """Shares of easy, medium and hard rows, in all and by tag."""
    from dataclasses import replace

    tags = (Graded("easy", 6, 0.5, 0.5, 0.0, 0.7), Graded("hard", 4, 0.0, 0.25, 0.75, 0.2))
    measured = Difficulty(
        "tiny", "fields", "exact_match", 2, ((1, 0.5),), (3, 4, 3), Graded("all", 10, 0.3, 0.4, 0.3, 0.5), tags
    )
    text = render_template("audit.html.j2", page=build(replace(found, difficulty=measured)))
    assert "10 rows: 30% easy, 40% medium, 30% hard." in text
    assert "2 of 2 right" in text


def test_hostile_rows_add_no_element_and_no_attribute(tmp_path, suites, base):
    """Through every field at once, the parsed structure equals that of harmless rows."""
    shapes = []
    for name, texts in (("hostile", PAYLOADS), ("harmless", [filler(each, n) for n, each in enumerate(PAYLOADS)])):
        clean = [text.replace("\ud800", "x").replace("\udfff", "x").replace("\udc00", "x") for text in texts]
        rows = [
            {"input": f"{t} {n:03d}", "output": {f"{t} {n:03d}": t}, "tags": [f"{t} {n % 7}"]}
            for n, t in enumerate(clean)
        ]
        rows += [row | {"output": {row["input"]: "other"}} for row in rows[:5]]
        path = tmp_path / f"{name}.html"
        write_audit(audit(Request(write_rows(tmp_path / f"{name}.jsonl", rows), (suites,), model=str(base))), path)
        page = path.read_text(encoding="utf-8")
        outline = Outline.of(page)
        assert outline.unbalanced == []
        assert not {"script", "img", "iframe", "style"} & {tag for tag, _ in outline.elements} - {"style"}
        assert not {"onerror", "onload", "onfocus", "srcdoc", "style"} & {
            n for _, names in outline.elements for n in names
        }
        assert all(link.startswith("#") for link in outline.links)
        assert not set(page) & {*map(chr, range(9)), *"\x0b\x0c\r\x1b\x7f\x85\u202e\u2066\u200b\ufeff\u2028\ud800"}
        shapes.append({tag for tag, _ in outline.elements})
    assert shapes[0] == shapes[1]
