"""Every planted fault is found where it was planted, and clean rows are left alone."""

import re

import pytest

from harness.audit import KINDS, Request, audit
from harness.chat import load_tokenizer
from harness.errors import BadExamples, ModelProblem
from tests.audit.faults import CLEAN, FAULTS
from tests.audit.made import ROOT, answers, postings, write_rows
from tests.audit.planted import found_by
from tests.tiny import CHAT_TEMPLATE, make_tokenizer
from trainers.encode import IGNORED_LABEL, EncodedRow, encode, refuse_wrong_mask
from trainers.rows import TrainRow

STOPS = frozenset({2})
PROMPT, ANSWER = (1, 4, 40, 41, 5), (50, 51, 2)
ENCODED_WRONGLY = {
    "the prompt in the loss": ((*PROMPT, *ANSWER), (*PROMPT, *ANSWER), "the prompt is in the loss"),
    "no end token": ((*PROMPT, 50, 51), (*[IGNORED_LABEL] * 5, 50, 51), "the end token is not learned"),
    "an end token before the end": (
        (*PROMPT, 50, 2, 2),
        (*[IGNORED_LABEL] * 5, 50, 2, 2),
        "an end token before its end",
    ),
    "nothing learned": ((*PROMPT, *ANSWER), (IGNORED_LABEL,) * 8, "nothing of the answer is learned"),
    "labels one place off": (
        (*PROMPT, *ANSWER),
        (*[IGNORED_LABEL] * 4, 5, 50, 51, IGNORED_LABEL),
        "not the end",
    ),
    "a hole in the answer": ((*PROMPT, *ANSWER), (*[IGNORED_LABEL] * 5, 50, IGNORED_LABEL, 2), "not the end"),
}
ROW = TrainRow(({"role": "user", "content": "Name a tree."},), "elm", "rows.jsonl:1")
CLEAN_FILES = {
    "shipped training rows": ROOT / "trainers/data/job_postings.train.jsonl",
    "shipped valid rows": ROOT / "trainers/data/job_postings.valid.jsonl",
    "shipped dev rows": ROOT / "trainers/data/job_postings.dev.jsonl",
}


def test_the_catalogue_is_large_and_has_every_kind():
    """At least 60 faults, with names of their own, and of each kind that an audit knows."""
    assert len(FAULTS) + len(ENCODED_WRONGLY) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert set(KINDS) - {fault.kind for fault in FAULTS} == {
        "quality",
        "unmatched",
    }  # one needs a judge, one other suites


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_planted_fault_is_found(fault, tmp_path, suites, base):
    """The finding is of the right kind and names the right rows."""
    assert found_by(fault, tmp_path, suites, base)


@pytest.mark.parametrize("clean", CLEAN)
def test_clean_rows_have_no_findings(clean, tmp_path, suites, base):
    """What the faults are planted into is clean: not even anything that only informs is found."""
    seen = audit(Request(write_rows(tmp_path / "train.jsonl", CLEAN[clean]()), (suites,), model=str(base)))
    assert [finding for finding in seen.findings if finding.kind != "unmatched"] == []


@pytest.mark.parametrize("seed", range(1, 4))
def test_other_clean_rows_break_no_limit(seed, tmp_path, suites, base):
    """Fresh postings, hundreds at a time, raise no alarm that stops a training."""
    seen = audit(Request(write_rows(tmp_path / "train.jsonl", postings(300, seed=seed)), (suites,), model=str(base)))
    assert seen.broken == {}
    assert seen.counts.keys() <= {"near_duplicate"}


@pytest.mark.parametrize("name", CLEAN_FILES)
def test_shipped_rows_are_clean(name, base):
    """The rows that the demo trains on break no limit against the suites that judge it."""
    seen = audit(Request(CLEAN_FILES[name], (ROOT / "suites",), model=str(base)))
    assert seen.broken == {}
    assert seen.findings == ()


@pytest.mark.parametrize("name", ENCODED_WRONGLY)
def test_a_row_that_is_encoded_wrongly_stops_the_training(name):
    """The trainer looks at every row's mask before the first step."""
    ids, labels, said = ENCODED_WRONGLY[name]
    with pytest.raises(ModelProblem, match=f"rows:1: .*{said}"):
        refuse_wrong_mask(EncodedRow(ids, labels), STOPS, "rows:1")
    refuse_wrong_mask(EncodedRow((*PROMPT, *ANSWER), (*[IGNORED_LABEL] * 5, *ANSWER)), STOPS, "rows:1")


def test_two_begin_tokens_and_a_row_that_is_too_long_stop_the_training(base):
    """The trainer's own room: what a template or a length would spoil is refused, not cut."""
    twice = make_tokenizer(chat_template="{{ '<|begin|>' }}" + CHAT_TEMPLATE)
    with pytest.raises(ModelProblem, match="occurs twice"):
        encode([ROW], twice, stop_ids=STOPS, max_length=99)
    with pytest.raises(BadExamples, match="tokens, and max_length is 8"):
        encode([ROW], load_tokenizer(base), stop_ids=STOPS, max_length=8)


def test_a_template_with_todays_date_is_told_and_changes_nothing(tmp_path, suites, monkeypatch):
    """Such a template is told one fixed date, so that an audit of tomorrow is that of today."""
    import transformers.utils.chat_template_utils as clock

    folder = tmp_path / "base"
    make_tokenizer(chat_template="{{ strftime_now('%d %b %Y') }}" + CHAT_TEMPLATE).save_pretrained(folder)
    request = Request(write_rows(tmp_path / "train.jsonl", answers(20)), (suites,), model=str(folder))
    today = audit(request)
    later = type("Later", (clock.datetime,), {"now": classmethod(lambda cls, tz=None: cls(2031, 1, 1, tzinfo=tz))})
    monkeypatch.setattr(clock, "datetime", later)
    assert today.parity.dated
    assert audit(request).review == today.review


def test_the_page_tells_the_figures_of_the_catalogue():
    """docs/audit.md says how many faults there are, and how many are caught."""
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    every = len(FAULTS) + len(ENCODED_WRONGLY) + 2
    assert re.search(rf"\b{every} of {every}\b", page)
