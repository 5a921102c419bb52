"""A real Chromium for the tests of this folder: without one they fail, and say how to get it."""

import pytest

from reports.html import write_report
from tests.browser.runs import sweep, trajectory
from tests.browser.watched import ARGUMENTS, MISSING, find_chromium, watch
from tests.reports.maker import demo


@pytest.fixture(scope="session")
def chromium():
    """The browser, started once."""
    path = find_chromium()
    if path is None:
        pytest.fail(MISSING, pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Call with a report, a fragment and options of the window: the page, watched. Nothing but files can be reached."""
    contexts = []

    def visit(path, fragment="", *, ready=True, **window):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **window})
        contexts.append(context)
        context.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
        return watch(context, path, fragment, ready=ready)

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    """One page of each kind, by name."""
    made = demo(60, loss=0.05)
    folders = {
        "gate": made.write(tmp_path_factory.mktemp("gate") / "run"),
        "sweep": sweep(tmp_path_factory.mktemp("sweep")),
        "trajectory": trajectory(tmp_path_factory.mktemp("trajectory")),
    }
    return {kind: write_report(folder) for kind, folder in folders.items()}
