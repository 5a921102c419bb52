"""What an eye would see at once and a machine can measure.

Letters that run into each other or out of their picture, tables that are cut, headings over nothing, a first screen
without the answer, heads that paper loses.
"""

import pytest

from harness.types import Estimate
from reports.charts.parallel import Rail, Thread, parallel
from reports.charts.plane import Kind, Plane, Spot, plane

pytestmark = pytest.mark.browser

KINDS = ("gate", "sweep", "trajectory")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

COLLISIONS = """(root) => {
  const found = [];
  for (const svg of root.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    const words = [...svg.querySelectorAll("text:not([stroke])")].filter((each) => each.textContent.trim());
    const boxes = words.map((each) => [each.textContent, each.getBoundingClientRect()]);
    for (const [text, box] of boxes)
      if (Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom) > 2)
        found.push(`${text} leaves its picture`);
    boxes.forEach(([text, a], at) => boxes.slice(at + 1).forEach(([other, b]) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && tall > 4) found.push(`${text} runs into ${other}`);
    }));
  }
  return found;
}"""
"""What of the letters in the pictures of an element cannot be read. A line of text is taller than its letters: those of
two lines may share 4 pixels."""

BARE = """() => {
  const level = (element) => Number(/^H([2-4])$/.exec(element.tagName)?.[1] ?? 9);
  const shown = (element) => element.checkVisibility() && element.getBoundingClientRect().height > 0;
  const bare = [];
  for (const section of document.querySelectorAll("main section:not(.banner):not(section section)")) {
    const all = "h2, h3, h4, p, table, figure, details, dl, pre, ul, #browser";
    const parts = [...section.querySelectorAll(all)].filter(shown);
    parts.forEach((part, at) => {
      const next = parts[at + 1];
      if (level(part) < 9 && (!next || level(next) <= level(part))) bare.push(part.textContent);
    });
  }
  return bare;
}"""
"""Headings that nothing stands under."""


def count(seen, elements, test):
    """Of how many of these elements, as a selector, an expression of script about `each` holds."""
    return seen.page.evaluate(f"[...document.querySelectorAll({elements!r})].filter((each) => {test}).length")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [DESK, PHONE], ids=["desk", "phone"])
def test_letters_of_pictures_stand_clear(reports, visit, kind, window):
    """No word of a picture covers another or is cut at its edge."""
    seen = visit(reports[kind], viewport=window)
    assert seen.page.evaluate(f"({COLLISIONS})(document)") == []


@pytest.fixture
def drawing(chromium):
    """Call with SVG and the width of a window: what cannot be read of it."""
    context = chromium.new_context()

    def drawing(svg, width):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.set_content(f'<body style="margin:0;font-family:sans-serif">{svg}')
        return page.evaluate(f"({COLLISIONS})(document)")

    yield drawing
    context.close()


@pytest.mark.parametrize("width", [1060, 340])
def test_a_crowd_of_points_can_be_read(drawing, width):
    """Twelve points that nearly agree: their numbers stand beside each other, in both pictures of them."""
    rails = [
        Rail("learning_rate", tuple(1e-5 * 1.5**place for place in range(12))),
        Rail("target_modules", ("qv", "attention", "all-linear") * 4),
        Rail("exact_match, points", (*(40 + place / 100 for place in range(11)), 60.0), result=True),
        Rail("mmlu_forgetting · acc, points", tuple(-place / 100 for place in range(12)), result=True),
        Rail("minutes", (1.5,) * 12, result=True),
    ]
    threads = [Thread(str(place + 1), winner=place == 5, passed=place != 3) for place in range(12)]
    assert drawing(parallel(rails, threads, width), width) == []
    spots = tuple(
        Spot(str(place + 1), _near(-0.001 * (place % 4)), _near(0.4 + 0.002 * (place // 4)), Kind.TIED)
        for place in range(12)
    )
    drawn = Plane(spots, ("kept, points", "gained, points"), -0.02, (), stepped=True)
    assert drawing(plane(drawn, width), width) == []


def _near(value):
    return Estimate(value, value - 0.02, value + 0.02, 400, "tango")


@pytest.mark.parametrize("kind", KINDS)
def test_wide_tables_scroll_in_themselves_and_show_it(reports, visit, kind):
    """On a telephone a table that is cut says on which side there is more, and stops saying so at its end."""
    seen = visit(reports[kind], viewport=PHONE)
    loose = "each.scrollWidth > 0 && !each.closest('.scroll, .matrices')"
    assert count(seen, "main table", loose) == 0
    wide = ".scroll:visible:has(table)"
    marked = [
        each
        for each in seen.page.locator(wide).all()
        if each.evaluate("area => area.scrollWidth - area.clientWidth > 1")
    ]
    assert marked
    for each in marked:
        assert each.evaluate("area => [area.matches('.before'), area.matches('.after')]") == [False, True]
    first = marked[0]
    first.evaluate("area => new Promise(done => { area.onscroll = done; area.scrollLeft = 9999 })")
    seen.page.wait_for_function("area => area.matches('.before:not(.after)')", arg=first.element_handle())


@pytest.mark.parametrize("kind", KINDS)
def test_a_desk_shows_the_tables_of_points_whole(reports, visit, kind):
    """At 1,280 pixels no table of a sweep or a trajectory is wider than the page."""
    seen = visit(reports[kind], viewport=DESK)
    cut = "each.querySelector('.points') && each.scrollWidth > each.clientWidth + 1"
    assert count(seen, ".scroll", cut) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [DESK, PHONE], ids=["desk", "phone"])
def test_the_first_screen_answers(reports, visit, kind, window):
    """Without scrolling one reads whether it may ship, and the gate and the reason that this rests on."""
    seen = visit(reports[kind], viewport=window)
    for part in ("#verdict .badge", "#verdict h2", "#verdict .deciders li"):
        box = seen.page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= window["height"], part
    words = {"gate": "Do not ship", "sweep": "may ship", "trajectory": "Do not ship"}
    assert words[kind] in seen.text("#verdict h2")


@pytest.mark.parametrize("kind", KINDS)
def test_no_heading_stands_over_nothing(reports, visit, kind):
    """Whatever has a title has content, or a sentence that says why it has none."""
    assert visit(reports[kind]).page.evaluate(BARE) == []


@pytest.mark.parametrize("kind", KINDS)
def test_paper_keeps_the_heads_and_loses_the_controls(reports, visit, kind):
    """Heads that sort on the screen are still read on paper; nothing there can be pressed, and nothing is cut."""
    seen = visit(reports[kind], viewport={"width": 794, "height": 1123})
    seen.page.emulate_media(media="print")
    pressed = "each.checkVisibility() && !each.closest('thead')"
    assert count(seen, "button, select, input, nav", pressed) == 0
    lost = "each.checkVisibility() && !each.innerText.trim()"
    assert count(seen, "main .scroll thead th", lost) == 0
    assert seen.page.locator("thead th:visible").count() > 10
    assert count(seen, ".scroll", "getComputedStyle(each).boxShadow !== 'none'") == 0


def test_the_checks_of_looks_can_fail(reports, visit):
    """Each measure above notices what it is for."""
    seen = visit(reports["gate"], viewport=PHONE)
    spoil = """() => {
      const figure = document.querySelector("#suites .narrow svg");
      const words = [...figure.querySelectorAll("text")];
      words[0].setAttribute("transform", "translate(-900,0)");
      const copy = words[1].cloneNode(true);
      words[1].after(copy);
      document.querySelector("#judge").replaceChildren(document.querySelector("#judge h2"));
    }"""
    seen.page.evaluate(spoil)
    found = seen.page.evaluate(f"({COLLISIONS})(document)")
    assert any("leaves its picture" in each for each in found)
    assert any("runs into" in each for each in found)
    assert seen.page.evaluate(BARE) == ["Judge"]
