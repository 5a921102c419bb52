"""What a report says of the instrument."""

import pytest

from harness.types import Score
from reports.html import render
from reports.instrument import checks
from reports.load import load
from reports.page import build
from tests.reports.maker import demo


@pytest.fixture
def made():
    """An ordinary run of four suites."""
    return demo(40)


def test_every_suite_of_every_candidate_has_a_line(tmp_path, made):
    """Planned and analysed rows, discordance, detectable difference, attempts and models tried."""
    found = checks(load(made.write(tmp_path / "run")))
    assert [each.suite for each in found] == ["valid_json", "exact_match", "mmlu_forgetting", "regression"]
    first = found[0]
    assert (first.planned, first.read, first.missing_base, first.missing_own) == ("40", "40", "0", "0")
    assert (first.detectable, first.attempts, first.tried) == ("2.1 points", "1", "2")
    assert first.discordance.endswith("%")
    assert first.noise == "not measured: run tunegate aa"


def test_missing_rows_are_counted_on_their_own_side(tmp_path, made):
    """Two unscored rows of the candidate are not the base's."""
    rows = made.cases[0].rows

    def with_holes(model):
        from dataclasses import replace

        some = rows(model)
        return (
            some if model == "base" else [replace(r, scores=(Score("valid_json", None),)) for r in some[:2]] + some[2:]
        )

    made.cases[0].rows = with_holes
    first = checks(load(made.write(tmp_path / "run")))[0]
    assert (first.missing_base, first.missing_own) == ("0", "2")


def test_a_base_alone_has_no_discordance(tmp_path, made):
    """Nothing is paired, so nothing is said of pairs."""
    made.candidates = ()
    first = checks(load(made.write(tmp_path / "run")))[0]
    assert (first.model, first.discordance, first.detectable) == ("base", "", "")


def test_the_page_shows_them(tmp_path, made):
    """The statistics section holds the table, the count of configurations, and what verdicts are about."""
    page = render(build(load(made.write(tmp_path / "run")), 5))
    section = page.partition('<section id="statistics"')[2].partition("</section>")[0]
    for words in ("A/A flip rate", "not measured: run tunegate aa", "Models tried", "Configurations in this run: 1"):
        assert words in section
    assert "Verdicts are about these weights" in section
