"""Every kind of page under axe-core, in light and dark, with an example open: nothing serious, nothing critical."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[2] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def axe():
    """The text of axe-core, which `make browser` installs; the repository holds none of it."""
    if not AXE.exists():
        pytest.fail("axe-core is not there, and pages are checked with it: `make browser` installs it", pytrace=False)
    return AXE.read_text(encoding="utf-8")


def violations(seen, axe):
    """What axe-core calls grave: rule, and the first elements that break it."""
    seen.page.evaluate(axe)
    found = seen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return {each["id"]: [node["html"][:200] for node in each["nodes"]][:3] for each in found if each["impact"] in GRAVE}


@pytest.mark.parametrize("kind", ["gate", "sweep", "trajectory"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_grave_is_found(reports, visit, axe, kind, scheme):
    """At a desk and on a telephone."""
    for width in (1280, 390):
        seen = visit(reports[kind], color_scheme=scheme, viewport={"width": width, "height": 844})
        seen.page.locator("#browser tbody th button").first.click()
        seen.page.wait_for_selector("#browser article .sides")
        assert violations(seen, axe) == {}


def test_something_grave_would_be_found(reports, visit, axe):
    """A field without a name, and words that can hardly be told from their paper, are noticed."""
    seen = visit(reports["gate"])
    seen.page.evaluate("document.querySelector('main').append(document.createElement('select'))")
    seen.page.evaluate("document.querySelector('h1').style.color = '#ccc'")
    assert {"select-name", "color-contrast"} <= set(violations(seen, axe))
