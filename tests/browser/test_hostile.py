"""Two hundred hostile texts in every place at once, opened: no dialog, no request, no markup, all words shown."""

import pytest

from reports.html import write_report
from reports.texts import visible
from tests.browser.hostile import HARMLESS, PAYLOADS, WORDS, write

pytestmark = pytest.mark.browser

SHAPE = """const shape = (root) => [...root.querySelectorAll("*")]
  .filter((each) => !["INS", "DEL"].includes(each.tagName))
  .map((each) => `${each.tagName} ${each.getAttributeNames().join(" ")}`).join("\\n");"""
"""Elements and names of attributes, without the marks of differing words, whose number follows the words."""
ELEMENTS = f"() => {{ {SHAPE} return shape(document) }}"
OPEN_ALL = f"""async () => {{
  {SHAPE}
  for (const other of document.querySelectorAll("main > :not(#flips)")) other.hidden = true;
  const frame = document.getElementById("browser"), next = frame.querySelector("[data-do=on]"), found = [];
  for (;;) {{
    for (let place = 0; place < frame.querySelectorAll("tbody th button").length; place++) {{
      frame.querySelectorAll("tbody th button")[place].click();
      while (!frame.querySelector("article .sides")) await new Promise((resume) => setTimeout(resume, 2));
      const article = frame.querySelector("article");
      found.push([article.textContent, shape(article)]);
      article.querySelector(".actions button:last-of-type").click();
    }}
    if (next.disabled) return found;
    next.click();
  }}
}}"""
"""The rest of the page is hidden meanwhile: to lay it out again for each example takes minutes."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same run twice: with hostile words, and with harmless ones of the same length."""
    return [write(texts, tmp_path_factory.mktemp("run") / "run") for texts in (WORDS, HARMLESS)]


@pytest.fixture(scope="module")
def reports(folders):
    """Their pages."""
    return [write_report(folder, limit=1) for folder in folders]


def test_there_are_enough():
    """At least 150 different texts, none of which is another with a number behind it."""
    assert len(set(PAYLOADS)) >= 150
    assert len(set(WORDS)) == len(set(HARMLESS)) == len(PAYLOADS)


def test_hostile_words_stay_words(reports, visit):
    """The page, its list and each opened example have the elements that harmless words give, and show every word."""
    hostile, harmless = (visit(report) for report in reports)
    assert hostile.page.evaluate(ELEMENTS) == harmless.page.evaluate(ELEMENTS)
    assert hostile.page.evaluate("document.querySelectorAll('*').length") > 10_000
    opened, others = (seen.page.evaluate(OPEN_ALL) for seen in (hostile, harmless))
    assert len(opened) == len(WORDS) + 1
    by_words = {text: next(said for said in opened if visible(f"{text}0") in said[0]) for text in WORDS}
    for text, (said, _) in by_words.items():
        assert said.count(visible(text)) >= 6, text  # id, reference, two outputs, reason, two judges
    assert sorted(shape for _, shape in opened) == sorted(shape for _, shape in others)
    for seen in (hostile, harmless):
        assert seen.innocent(), (seen.errors, seen.dialogs, seen.foreign)
        assert len(seen.requests) == 1


def test_the_endless_line_is_cut(reports, visit):
    """Five million characters in one line open at once, and the page says how many it leaves out."""
    seen = visit(reports[0], "#s-endless-endless")
    assert "4,989,998 more characters are in the records." in seen.text("#browser article")
    assert reports[0].stat().st_size < 12_000_000


def test_hostile_words_in_the_address_find_nothing(reports, visit):
    """Filters from the address that name nothing are dropped, and nothing in it runs."""
    seen = visit(
        reports[0],
        "#flips?text=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&suite=%22%3E%3Cscript%3E&page=-7&sort=__proto__",
    )
    assert "shown" in seen.count
    assert visit(reports[0], "#s-%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E?model=%00").innocent()
    assert seen.innocent()


def test_hostile_words_from_the_file_beside_the_page_stay_words(folders, visit):
    """Loaded from records.parquet they are shown as from the page, lone surrogates as the names of their codes."""
    report = write_report(folders[0], limit=1, budget=0)
    seen = visit(report)
    seen.page.set_input_files("input[name=sidecar]", report.with_name("records.parquet"))
    seen.wait("[data-say=sidecar]", "All texts can be read")
    opened = [said for said, _ in seen.page.evaluate(OPEN_ALL)]
    for text in WORDS:
        assert next(said for said in opened if visible(f"{text}0") in said).count(visible(text)) >= 6
    assert seen.innocent(), (seen.errors, seen.dialogs, seen.foreign)


def test_a_page_that_trusted_its_words_would_be_caught(reports, visit, tmp_path):
    """With one text put in as markup, elements differ; without the policy it even runs, and the watch sees that."""
    page = reports[0].read_text(encoding="utf-8")
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;000"
    before, found, after = page.rpartition(escaped)
    assert found
    trusting, open_to_all = tmp_path / "trusting.html", tmp_path / "open.html"
    trusting.write_text(f"{before}<script>alert(1)</script>000{after}")
    open_to_all.write_text(trusting.read_text().replace("http-equiv", "name", 1))
    seen = visit(trusting)
    assert seen.page.evaluate(ELEMENTS) != visit(reports[1]).page.evaluate(ELEMENTS)
    assert (len(seen.errors), seen.dialogs) == (1, [])
    assert visit(open_to_all).dialogs == ["1"]
