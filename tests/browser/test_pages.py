"""Each kind of page as a reader opens it: whole, silent, alone, in any light, on paper and on a telephone."""

import csv

import pytest

pytestmark = pytest.mark.browser

SECTIONS = (
    *("verdict", "suites", "flips", "failures", "forgetting", "regression"),
    *("health", "training", "statistics", "provenance", "reproduce", "warnings"),
)
KINDS = ("gate", "sweep", "trajectory")
DARK_PAPER, LIGHT_PAPER = "rgb(20, 23, 27)", "rgb(255, 255, 255)"


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_silently_and_alone(reports, visit, kind):
    """Every section is seen, the console stays empty, and nothing but the file itself is asked for."""
    seen = visit(reports[kind])
    own = {"sweep": ("sweep",), "trajectory": ("trajectory",)}.get(kind, ())
    for anchor in (*SECTIONS, *own):
        assert seen.page.locator(f"section#{anchor}").is_visible(), anchor
        assert seen.text(f"section#{anchor} h2")
    seen.page.locator("#browser tbody th button").first.click()
    seen.page.wait_for_selector("#browser article .sides")
    assert seen.innocent(), (seen.errors, seen.foreign)
    assert seen.requests == [reports[kind].resolve().as_uri()]


def test_a_request_and_an_error_would_be_noticed(reports, visit, tmp_path):
    """The same watch over a page that asks for an image, calls home and fails: each is noted, and the policy holds."""
    page = reports["gate"].read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    bad.write_text(page.replace("<main>", '<main><img src="http://127.0.0.1:9/x.png"><script>alert(1)</script>', 1))
    seen = visit(bad)
    assert len(seen.errors) == 2
    assert seen.dialogs == []
    open_to_all = tmp_path / "open.html"
    text = bad.read_text().replace("http-equiv", "name", 1)
    open_to_all.write_text(text)
    seen = visit(open_to_all)
    assert seen.dialogs == ["1"]
    assert seen.foreign == ["http://127.0.0.1:9/x.png"]
    assert not seen.innocent()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_never_scrolls_sideways(reports, visit, kind, scheme):
    """At 390 pixels the page is as wide as the screen, also with an example open; wide tables scroll in themselves."""
    seen = visit(reports[kind], viewport={"width": 390, "height": 844}, color_scheme=scheme)
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert seen.page.evaluate(wide) == [390, 390]
    seen.page.locator("#browser tbody th button").first.click()
    seen.page.wait_for_selector("#browser article .sides")
    assert seen.page.evaluate(wide) == [390, 390]


def paper(seen):
    """The background of the page."""
    return seen.page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_light_and_dark_follow_the_system_until_the_reader_chooses(reports, visit):
    """The system's choice holds at first; the button overrules it, and the page remembers that."""
    assert paper(visit(reports["gate"], color_scheme="light")) == LIGHT_PAPER
    seen = visit(reports["gate"], color_scheme="dark")
    assert paper(seen) == DARK_PAPER
    button = seen.page.locator("button.theme")
    button.click()
    assert (paper(seen), button.inner_text()) == (LIGHT_PAPER, "Colours: light")
    seen.page.reload()
    assert paper(seen) == LIGHT_PAPER
    button.click()
    seen.page.emulate_media(color_scheme="light")
    assert (paper(seen), button.inner_text()) == (DARK_PAPER, "Colours: dark")
    assert seen.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    button.click()
    assert (paper(seen), button.inner_text()) == (LIGHT_PAPER, "Colours: auto")
    assert seen.innocent()


@pytest.mark.parametrize("choice", [0, 1, 2])
def test_paper_is_white(reports, visit, choice):
    """Whatever the reader chose for the screen, a printed page is dark on light, without controls, with examples."""
    seen = visit(reports["gate"], color_scheme="dark")
    for _ in range(choice):
        seen.page.locator("button.theme").click()
    seen.page.emulate_media(media="print", color_scheme="dark")
    assert paper(seen) == LIGHT_PAPER
    assert seen.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert seen.page.locator("button:visible:not(thead button), nav:visible, select:visible").count() == 0
    assert seen.page.locator("details.gallery.broken .example:visible").count() > 5
    assert seen.page.pdf(format="A4")[:5] == b"%PDF-"


def test_tables_sort_by_what_their_cells_mean(reports, visit):
    """A press on a head sorts by number, not by letter, and says which way; what was not measured stays last."""
    seen = visit(reports["sweep"])
    table = seen.page.locator("[aria-label='Cost of the points'] table")
    heads = table.locator("thead th").all_inner_texts()
    column = next(place for place, head in enumerate(heads) if head.startswith("Parameters"))
    cells = table.locator(f"tbody tr > :nth-child({column + 1})")
    head = table.locator("thead th").nth(column)
    head.locator("button").click()
    assert cells.all_inner_texts() == ["500", "1,000", "4,000", "90,000"]
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert cells.all_inner_texts() == ["90,000", "4,000", "1,000", "500"]
    table = seen.page.locator("#sweep table").first
    heads = table.locator("thead th").all_inner_texts()
    ranked = next(place for place, head in enumerate(heads) if head.startswith("Ranking"))
    for _ in range(2):
        table.locator("thead th button").nth(ranked).click()
        last = table.locator(f"tbody tr > :nth-child({ranked + 1})").all_inner_texts()[-2:]
        assert sorted(last) == ["not measured", "–"]


def test_columns_of_a_sweep_can_be_put_away(reports, visit):
    """A box for each column but the first takes it out of head and rows, and puts it back; paper has no boxes."""
    seen = visit(reports["sweep"])
    table = seen.page.locator("[aria-label='Points of the sweep'] table")
    heads = table.locator("thead th").all_inner_texts()
    seen.page.locator("#sweep details.columns summary").first.click()
    boxes = seen.page.locator("#sweep details.columns").first.get_by_role("checkbox")
    assert boxes.count() == len(heads) - 1
    boxes.nth(0).uncheck()
    assert table.locator("thead th:visible").count() == len(heads) - 1
    assert all(row.locator(":scope > :visible").count() == len(heads) - 1 for row in table.locator("tbody tr").all())
    boxes.nth(0).check()
    assert table.locator("thead th:visible").count() == len(heads)
    seen.page.emulate_media(media="print")
    assert seen.page.locator("details.columns:visible").count() == 0
    assert seen.innocent()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_points_of_a_sweep_can_be_saved_as_csv(reports, visit, scripts):
    """A press saves a file with a line for each point, and asks nobody for it; scripts or not."""
    seen = visit(reports["sweep"], ready=scripts, java_script_enabled=scripts)
    with seen.page.expect_download() as saving:
        seen.page.get_by_role("link", name="All points as CSV").click()
    assert saving.value.suggested_filename == "sweep.csv"
    with saving.value.path().open(newline="", encoding="utf-8-sig") as file:
        assert [row["point"] for row in csv.DictReader(file)] == ["small", "large", "full", "broken"]
    assert seen.errors == []
    assert seen.foreign == []


def test_a_command_can_be_copied(reports, visit):
    """The button beside a command puts exactly its words on the clipboard, and says so."""
    seen = visit(reports["gate"])
    seen.page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    button = seen.page.locator("#reproduce button.copy").first
    button.click()
    assert seen.page.evaluate("window.copied") == "pytest suites/ --model embedded --adapter 'adapters/r16 all linear'"
    assert button.inner_text() == "Copied"


def test_everything_is_reached_by_keyboard(reports, visit):
    """Tab alone goes from the skip link through the filters to an example, which Enter opens."""
    seen = visit(reports["gate"])
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    for _ in range(400):
        seen.page.keyboard.press("Tab")
        if seen.page.evaluate("document.activeElement.matches('#browser tbody th button')"):
            break
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector("#browser article .sides")
    assert seen.page.evaluate("document.activeElement.tagName") == "ARTICLE"


def test_a_point_s_row_and_line_are_linked(reports, visit):
    """Looking at a row marks its line and other row, and all else fades; a press, focus, Enter and the line do too."""
    seen = visit(reports["sweep"])
    row = seen.page.locator("tr[data-point='1']").first
    line, other = (seen.page.locator(f".wide path[data-point='{point}']").first for point in (1, 2))
    row.hover()
    assert [each.evaluate("part => getComputedStyle(part).opacity") for each in (line, other)] == ["1", "0.15"]
    seen.page.locator("h1").first.hover()
    assert "linking" not in seen.page.locator("section#sweep").get_attribute("class", timeout=1000)
    row.focus()
    seen.page.keyboard.press("Enter")
    seen.page.locator("tr[data-point='2']").first.focus()
    marked = "[...document.querySelectorAll('tr.linked')].map(row => row.dataset.point)"
    assert seen.page.evaluate(marked) == ["1", "2", "1", "2"]
    line.dispatch_event("click")
    assert row.get_attribute("aria-selected") == "false"
    assert seen.page.evaluate(marked) == ["2", "2"]
    assert seen.innocent()
