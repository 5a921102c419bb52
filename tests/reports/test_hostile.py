"""Whatever a model, a data file or an author writes, the page keeps its shape: same elements, same attributes."""

from dataclasses import replace

import pytest

from harness.types import Score
from reports.html import write_report
from tests.reports.maker import Case, Made, demo, row
from tests.reports.reader import Outline

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<!-- ",
    "-->",
    "]]>",
    "<![CDATA[x",
    "<?xml version='1.0'?>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    '" autofocus onfocus="alert(1)',
    "' style='position:fixed",
    "` onmouseover=alert(1) `",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<base href='http://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<style>*{display:none}</style>",
    "</style><p>",
    "</title><script>alert(1)</script>",
    "</textarea></noscript></template>",
    "</pre></td></tr></table></main></body></html>",
    "</details></article></section>",
    "<plaintext>",
    "<xmp>",
    "<form action=http://evil.example/><button>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<svg><foreignObject><p>",
    "</text></g></svg><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "&amp;lt;b&amp;gt;",
    "&",
    "&#x0;",
    "{{ 7*7 }}",
    "{% raw %}{% endraw %}{{ page.run }}",
    "{# comment #}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "[/INST] <|eot_id|> </s>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\x1b[31m\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\x00\x01\x08\x0b\x0c\x7f\x85",
    "\r\n\r",
    "\u202eevil\u2066\u2069\u200f",
    "\u200b\u200d\ufeff\u00ad",
    "\u2028\u2029",
    "\ud800 \udfff\udc00",
    "\ufffe\uffff",
    "\U000e0041\U000e007f",
    "Z\u0351\u0323a\u0351\u0323l\u0351\u0323g\u0351\u0323o" * 20,
    "../../../etc/passwd",
    "=cmd|'/c calc'!A0",
    "%3Cscript%3E",
    "\\u003cscript\\u003e",
    "<" * 500,
    "🙂" * 100,
    "'; DROP TABLE rows; --",
    "NaN",
)


def filler(payload: str, index: int) -> str:
    """Harmless text of the same length, as unique as the payload; line breaks stay where they were."""
    return f"{'x' * len(payload)}{index:03d}"


def build(texts: list[str]) -> Made:
    """A run that carries each text in every place where somebody else's words reach the page."""
    cases = [_case(text) for text in texts]
    made = Made(cases, candidates=[texts[0], texts[1]], base=texts[2], command=texts, reason=" ".join(texts))
    made.partial_reasons = texts
    made.train_config = {text: text for text in texts}
    made.environment = {"packages": {text: text for text in texts}, "usage": {}}
    state = {"commit": texts[0], "dirty": True, "differs": texts, "more": 0, "unknown": ""}
    made.git = {"suites": state, "adapters": {text: {**state, "commit": None, "unknown": text} for text in texts}}
    return made


def _case(text: str) -> Case:
    def rows(model: str) -> list:
        made = []
        for index in range(4):
            right = (index + len(model)) % 2 == index // 2
            score = Score(text, float(right), text, "ok" if right else text, "" if right else text)
            changes = {
                "id": f"{text}{index}",
                "tags": (f"{text}{index % 2}", text),
                "prompt": text,
                "target": text,
                "output": text,
            }
            made.append(row(index, **changes, scores=(score,)))
        return made

    return Case(text, text, rows, [("-drop<=0.02", 0.02), (">=0.5", 0.5)], notes=[text])


def shape(page: str) -> list:
    """The elements of a page, without the marks of word differences, whose number follows the words."""
    return [element for element in Outline.of(page).elements if element not in {("ins", ()), ("del", ())}]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The same run twice: with hostile words, and with harmless ones of the same length."""
    hostile = [f"{payload}{index:03d}" for index, payload in enumerate(PAYLOADS)]
    harmless = [filler(payload, index) for index, payload in enumerate(PAYLOADS)]
    made = [build(texts).write(tmp_path_factory.mktemp("run") / "run") for texts in (hostile, harmless)]
    return [write_report(folder, limit=1).read_text(encoding="utf-8") for folder in made]


def test_hostile_words_add_no_element_and_no_attribute(pages):
    """Through every sink at once, the parsed structure equals that of harmless words."""
    hostile, harmless = map(shape, pages)
    assert len(harmless) > 5000
    different = next((pair for pair in zip(hostile, harmless, strict=False) if pair[0] != pair[1]), None)
    assert different is None
    assert len(hostile) == len(harmless)
    assert Outline.of(pages[0]).unbalanced == []


def test_hostile_words_lead_nowhere(pages):
    """Every link stays in the page and reaches an id."""
    outline = Outline.of(pages[0])
    assert all(link.startswith("#") and link[1:] in set(outline.ids) for link in outline.links)


def test_hostile_words_are_shown_as_they_are(pages):
    """Nothing is swallowed or evaluated: a reader sees the very words."""
    text = "".join(Outline.of(pages[0]).text)
    for payload in ("<script>alert(1)</script>", "{{ 7*7 }}", "&lt;script&gt;", "[/INST] <|eot_id|> </s>", "${7*7}"):
        assert payload in text
    assert "49000" not in text
    assert "␛[31m" in text
    assert "⟨U+202E⟩evil" in text
    assert "⟨U+D800⟩" in text


def test_hidden_characters_never_reach_the_page(pages):
    """No control, bidirectional or zero-width character is in the file."""
    assert not set(pages[0]) & {*map(chr, range(9)), *"\x0b\x0c\r\x1b\x7f\x85\u202e\u2066\u200b\ufeff\u2028\ud800"}


def test_a_line_of_five_megabytes_stays_in_the_records(tmp_path):
    """An endless answer is cut on the page, and the page says by how much."""
    made = demo(10)
    rows = made.cases[3].rows
    made.cases[3].rows = lambda model: [
        replace(each, output="<b>" * 1_700_000, scores=(Score("exact_match", float(model == "base"), "", "ok"),))
        if index == 3
        else each
        for index, each in enumerate(rows(model))
    ]
    page = write_report(made.write(tmp_path / "run"))
    assert page.stat().st_size < 1_000_000
    assert "5,096,000 more characters are in the records." in page.read_text(encoding="utf-8")
