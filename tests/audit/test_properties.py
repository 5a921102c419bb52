"""What holds of every audit, whatever the rows."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.audit import Request, audit
from tests.audit.made import postings, write_rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ROW = st.one_of(
    st.builds(
        lambda q, a: {"input": q, "output": a}, TEXT, st.one_of(TEXT, st.dictionaries(TEXT, st.integers(), max_size=2))
    ),
    st.sampled_from(list(postings(12))),
    st.sampled_from(list(postings(4, "test"))),
    st.sampled_from(["", "{", "[]", '{"input": "a"}']),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples."""
    return tmp_path_factory.mktemp("rows")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=25), seed=st.integers(0, 99))
def test_findings_name_rows_that_exist_and_no_order_matters(folder, suites, base, rows, seed):
    """No row number is beyond the file, and shuffled rows have the same findings, renumbered."""
    rows = [*rows, postings(1, seed=9)[0]]  # at least one row can be read
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    first, second = (
        audit(Request(write_rows(folder / "rows.jsonl", each), (suites,), model=str(base)))
        for each in (rows, [rows[index] for index in order])
    )
    for found in (first, second):
        assert found.lines == len(rows)
        named = {number for finding in found.findings for number in finding.rows}
        assert named <= set(range(1, len(rows) + 1))
        assert sum(each.leaked for each in found.leaks) <= sum(each.examples for each in found.leaks)
    place = {old + 1: new for new, old in enumerate(order, start=1)}

    def moved(found, numbers):
        return sorted((each.kind, each.how, tuple(sorted(numbers[n] for n in each.rows))) for each in found.findings)

    assert moved(first, place) == moved(second, dict(zip(place.values(), place.values(), strict=True)))
    assert first.distinct == second.distinct
    assert first.counts == second.counts
