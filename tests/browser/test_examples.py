"""The examples browser as a reader uses it: filters, sorting, keys, links, differences, and the file beside it."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from reports.html import write_report
from tests.browser.runs import CHANGES, judged, known, way
from tests.reports.maker import row

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a run whose 240 examples are known, with a judge's words; all texts are in it."""
    return write_report(judged(tmp_path_factory.mktemp("known") / "run"))


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The page of the same run with a budget that holds the texts of some examples."""
    return write_report(judged(tmp_path_factory.mktemp("cut") / "run"), budget=2_000)


def choose(seen, **filters):
    """Set filters by name, as a reader does, and wait for the list."""
    for name, value in filters.items():
        seen.page.select_option(f"select[name={name}]", label=value)


def look_for(seen, words, shown):
    """Type into the search field and wait for so many examples."""
    seen.page.fill("input[name=text]", words)
    seen.wait("[data-say=count]", f"{shown} of 240")


def ids(seen):
    """The examples of the page that is shown, in order."""
    return seen.page.locator("#browser tbody th button").all_inner_texts()


def opened(seen):
    """The id of the open example, from its last word of actions."""
    return seen.text("#browser article .actions > code")


def test_counts_by_outcome_are_those_of_the_rows(report, visit):
    """Each choice of what became of an example shows as many as were made so, in both suites."""
    seen = visit(report)
    assert seen.count == "240 of 240 shown."
    assert Counter(map(way, range(120))) == CHANGES
    for change, number in CHANGES.items():
        choose(seen, change=change)
        assert seen.count == f"{2 * number} of 240 shown."
        choose(seen, suite="days")
        assert seen.count == f"{number} of 240 shown."
        choose(seen, suite="all")
    assert seen.innocent()


def test_filters_join(report, visit):
    """Suite, cause and tag narrow the list together, and one press clears them."""
    seen = visit(report)
    choose(seen, suite="days", tag="week1")
    wanted = [f"day{i:03d}" for i in range(120) if i % 4 == 1]
    assert sorted(ids(seen)) == wanted
    choose(seen, cause="other_text")
    assert sorted(ids(seen)) == [f"day{i:03d}" for i in range(120) if i % 4 == 1 and way(i) != "both right"]
    seen.page.click("[data-do=clear]")
    assert seen.count == "240 of 240 shown."


def test_words_are_looked_for_in_all_texts(report, visit):
    """A word of a prompt, an output or an id finds its example, whatever the case of its letters."""
    seen = visit(report)
    for words, found in (("prompt of day 77.", "day077"), ("DAY 33: saturday", "day033"), ("day119", "day119")):
        look_for(seen, words, 1)
        seen.wait("#browser tbody", found)
        assert ids(seen) == [found]
    look_for(seen, "nowhere to be found", 0)
    assert ids(seen) == []


def test_broken_comes_first_and_columns_sort(report, visit):
    """The list begins with what broke; a column's head sorts both ways and says so."""
    seen = visit(report)
    broken = [f"post{i:03d}" for i in range(120) if way(i) == "broken"]
    assert ids(seen)[:7] == broken
    head = seen.page.locator("th[data-key=id]")
    head.locator("button").click()
    assert ids(seen)[:2] == ["day000", "day001"]
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert ids(seen)[:2] == ["post119", "post118"]
    assert head.get_attribute("aria-sort") == "descending"
    assert seen.page.locator("th[data-key=change]").get_attribute("aria-sort") is None


def test_fifty_on_a_page(report, visit):
    """The list has five pages of at most fifty; the ends have no way on."""
    seen = visit(report)
    assert len(ids(seen)) == 50
    assert seen.text("[data-say=page]") == "Page 1 of 5"
    assert seen.page.locator("[data-do=back]").is_disabled()
    for _ in range(4):
        seen.page.click("[data-do=on]")
    assert (len(ids(seen)), seen.text("[data-say=page]")) == (40, "Page 5 of 5")
    assert seen.page.locator("[data-do=on]").is_disabled()


def test_an_open_example_shows_everything(report, visit):
    """Prompt, reference, both outputs with their difference, scores, lengths, and the judge's words for each side."""
    seen = visit(report, "#s-days-day000")
    article = seen.page.locator("#browser article")
    words = article.inner_text()
    for said in ("Day 0: Saturday comes after Friday.", "cut at the limit", "exact_match", "other_text", "30 tokens"):
        assert said in words
    assert article.locator("del").all_inner_texts() == ["Saturday"]
    assert article.locator("ins").all_inner_texts() == ["Sunday"]
    assert "Judge on base grade: clear 2" in words
    assert "<b>r16-all-linear</b> names the day." in words
    assert "comparison, candidate shown first: candidate won" in words
    assert "planted" not in words
    assert not article.locator("details pre").is_visible()
    article.locator("summary").click()
    assert article.locator("details pre").inner_text() == "Prompt of day 0."


def test_json_answers_are_compared_field_by_field(report, visit):
    """Where reference and answers are JSON objects, each field says which side has the reference's value."""
    seen = visit(report, "#s-postings-post000")
    table = seen.page.locator("#browser article table.fields").first
    rows = {line[0]: line[1:] for line in map(str.split, table.locator("tbody tr").all_inner_texts())}
    assert list(rows) == ["/title", "/company", "/location", "/remote"]
    assert table.locator("td.differs").all_text_contents() == ['✗differs: "near Bergen"']
    assert table.locator("td.same").count() == 7
    assert "wrong_value at $.location enum" in seen.page.locator("#browser article").inner_text()


def test_keys_walk_through_the_list(report, visit):
    """`/` goes to the search, j and k to the next and previous example, Esc closes and the focus goes back."""
    seen = visit(report)
    press = seen.page.keyboard.press
    press("j")
    seen.page.wait_for_selector("#browser article .sides pre")
    first, second = ids(seen)[:2]
    assert opened(seen) == first
    assert seen.page.evaluate("document.activeElement.tagName") == "ARTICLE"
    press("j")
    seen.wait("article .actions > code", second)
    press("k")
    seen.wait("article .actions > code", first)
    press("Escape")
    assert seen.page.locator("#browser article").count() == 0
    assert seen.page.evaluate("document.activeElement.textContent") == first
    press("/")
    assert seen.page.evaluate("document.activeElement.name") == "text"
    seen.page.keyboard.type("jk/")
    assert seen.page.input_value("input[name=text]") == "jk/"


def test_keys_can_be_switched_off(report, visit):
    """Without the tick no single key does anything, and the choice is kept."""
    seen = visit(report)
    seen.page.uncheck("input[name=keys]")
    seen.page.keyboard.press("j")
    assert seen.page.locator("#browser article").count() == 0
    seen.page.reload()
    seen.page.wait_for_selector("#browser[data-ready]")
    assert not seen.page.is_checked("input[name=keys]")


def test_walking_crosses_pages(report, visit):
    """After the last example of a page comes the first of the next one."""
    seen = visit(report)
    seen.page.locator("#browser tbody th button").nth(49).click()
    seen.page.get_by_role("button", name="Next", exact=True).click()
    seen.wait("[data-say=page]", "Page 2 of 5")
    assert opened(seen) == ids(seen)[0]


def test_the_address_holds_what_is_seen(report, visit):
    """Filters, sorting, page and the open example are in the address, which opened anew shows the same."""
    seen = visit(report)
    choose(seen, suite="days", change="both right")
    seen.page.locator("th[data-key=id] button").click()
    seen.page.click("[data-do=on]")
    there = seen.page.evaluate("location.hash")
    again = visit(report, there)
    assert (ids(again), again.count, again.text("[data-say=page]")) == (ids(seen), seen.count, "Page 2 of 2")
    seen.page.locator("#browser tbody th button").nth(3).click()
    seen.page.wait_for_selector("#browser article .sides pre")
    there = seen.page.evaluate("location.hash")
    assert there.startswith("#s-days-day")
    again = visit(report, there)
    assert (opened(again), again.count) == (opened(seen), seen.count)


@pytest.mark.parametrize("fragment", ["#s-days-day007", "#s-days-day007?change=b&text=nothing"])
def test_a_link_opens_its_example(report, visit, fragment):
    """Even when the filters beside it would hide the example."""
    seen = visit(report, fragment)
    assert opened(seen) == "day007"
    assert seen.page.locator("#browser article").bounding_box()["y"] < 900


def test_a_link_to_nothing_says_so(report, visit):
    """An address without example leaves the list as it is, and says that there is none."""
    seen = visit(report, "#s-days-day999")
    assert "No example of this page has the name in the address." in seen.text("#browser")
    assert seen.count == "240 of 240 shown."


def test_links_and_commands_can_be_copied(report, visit):
    """Copy link gives an address that opens the example; a broken one gives the command that pins it."""
    seen = visit(report, "#s-postings-post000")
    seen.page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    seen.page.get_by_role("button", name="Copy link").click()
    assert seen.page.evaluate("window.copied") == f"{report.resolve().as_uri()}#s-postings-post000"
    seen.page.get_by_role("button", name="Copy as regression case").click()
    command = seen.page.evaluate("window.copied")
    place = "/".join(report.parent.resolve().parts[-2:])
    assert command == f"tunegate regression add {place} --id=post000 --suite=postings --owner=NAME --reason=TEXT"
    right = next(i for i in range(120) if way(i) == "both right")
    assert (
        visit(report, f"#s-postings-post{right:03d}").page.get_by_role("button", name="Copy as regression").count() == 0
    )


def test_the_page_says_for_how_many_it_has_texts(cut, report, visit):
    """A page with a small budget counts the texts it has, and where one is missing says how to get it."""
    assert "Texts for 240 of 240 examples are in this page." in visit(report).text(".sidecar")
    seen = visit(cut)
    words = seen.text(".sidecar")
    assert "of 240 examples are in this page." in words
    assert "Load all texts: choose records.parquet" in words
    choose(seen, change="both right")
    seen.page.locator("#browser tbody th button").first.click()
    assert "The texts of this example are in records.parquet" in seen.text("#browser article")
    choose(seen, change="broken")
    seen.page.locator("#browser tbody th button").first.click()
    seen.page.wait_for_selector("#browser article .sides pre")


def test_the_file_beside_the_page_gives_all_texts(cut, report, visit):
    """Chosen in the picker, records.parquet shows each example exactly as a page that holds all texts shows it."""
    seen, whole = visit(cut), visit(report)
    seen.page.set_input_files("input[name=sidecar]", cut.with_name("records.parquet"))
    seen.wait("[data-say=sidecar]", "All texts can be read from records.parquet.")
    look_for(seen, "prompt of day 77.", 1)
    for name in ("postings-post119", "days-day033", "days-day077", "days-day000"):
        for each in (seen, whole):
            each.page.evaluate(f"location.hash = '#s-{name}'")
            each.wait("article .actions > code", name.split("-")[1])
            each.page.wait_for_selector("#browser article .sides")
        assert seen.text("#browser article") == whole.text("#browser article")
    assert seen.innocent()


def test_a_file_of_another_run_is_refused(cut, visit, tmp_path):
    """Neither another run's records, nor a cut file, nor another program's Parquet is taken for this run's."""
    other = known()
    rows = other.cases[1].rows
    other.cases[1].rows = lambda model: [replace(rows(model)[0], output="Another day."), *rows(model)[1:]]
    write_report(other.write(tmp_path / "other"), budget=0)
    part = tmp_path / "part.parquet"
    part.write_bytes(cut.with_name("records.parquet").read_bytes()[:-30])
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pq.read_table(cut.with_name("records.parquet")), foreign)
    seen = visit(cut)
    for file, why in (
        (tmp_path / "other" / "records.parquet", "it holds the records of another run"),
        (part, "it is no Parquet file"),
        (foreign, "another program wrote it"),
    ):
        seen.page.set_input_files("input[name=sidecar]", file)
        seen.wait("[data-say=sidecar]", f"{file.name} was not loaded: {why}")
    choose(seen, change="both right")
    seen.page.locator("#browser tbody th button").first.click()
    assert "The texts of this example are in records.parquet" in seen.text("#browser article")
    assert seen.innocent()


def test_several_candidates_are_told_apart(visit, tmp_path):
    """The list shows one candidate at a time unless asked for all; a link may name the candidate."""
    made = known()
    made.candidates = ("r16", "r4")
    seen = visit(write_report(made.write(tmp_path / "run")))
    assert seen.count == "240 of 480 shown."
    choose(seen, model="r4")
    seen.page.locator("#browser tbody th button").first.click()
    seen.page.wait_for_selector("#browser article .sides")
    assert "model=r4" in seen.page.evaluate("location.hash")
    assert seen.page.locator("#browser article .sides h5").all_inner_texts()[1].startswith("r4")
    choose(seen, model="all")
    assert seen.count == "480 of 480 shown."


def test_the_base_alone_can_be_browsed(visit, tmp_path):
    """Without candidate an example is right or wrong, and one output is shown."""
    made = known()
    made.candidates = ()
    seen = visit(write_report(made.write(tmp_path / "run")))
    choose(seen, change="wrong")
    assert seen.count == "34 of 240 shown."
    seen.page.locator("#browser tbody th button").first.click()
    seen.page.wait_for_selector("#browser article .sides.single")
    assert seen.page.locator("#browser article .sides pre").count() == 1


def test_without_scripts_the_first_examples_are_there(report, visit):
    """With scripts off nothing of the browser shows, and broken and fixed examples can be read and linked to."""
    seen = visit(report, "#s-postings-post000", ready=False, java_script_enabled=False)
    assert not seen.page.locator("#browser").is_visible()
    assert seen.page.locator("details.gallery.broken .example").count() == 14
    assert seen.page.locator("#s-postings-post000").is_visible()


def test_with_scripts_each_example_stands_once(report, visit):
    """The lists that are there without scripts give way to the browser on the screen, and come back on paper."""
    seen = visit(report)
    assert not seen.page.locator(".static").is_visible()
    seen.page.emulate_media(media="print")
    assert seen.page.locator(".static").is_visible()
    assert not seen.page.locator("#browser").is_visible()
    assert seen.page.locator("button:visible:not(thead button)").count() == 0


def test_a_rebuilt_page_takes_its_old_file_away(tmp_path):
    """records.parquet lies beside the page exactly while the page leaves texts out, and holds every answer whole."""
    folder = known().write(tmp_path / "run")
    write_report(folder, budget=0)
    found = pq.read_table(folder / "records.parquet").to_pylist()
    assert len(found) == 240
    assert found[0]["base_output"] == row(0).output
    assert json.loads(found[0]["tags"]) == ["easy"]
    assert Counter(each["change"] for each in found) == {name: 2 * number for name, number in CHANGES.items()}
    write_report(folder)
    assert not (folder / "records.parquet").exists()
    shutil.rmtree(folder)
