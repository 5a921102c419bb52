"""Data files that are empty, torn, repeated or not what they seem."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.silent_pass.ways import Area, Way, edit, make_suite

QUESTIONS = """
from harness.gates import Gate
from harness.lm_eval_suite import LmEvalSuite
from harness.questions import mc_csv

suite = LmEvalSuite(name="knows", version=1, source=mc_csv("data/knows.csv"), gates=[Gate("acc", max_drop=0.5)])

def test_gate(gate, check):
    check(gate)
"""
HEADER = "subject,question,choice0,choice1,choice2,choice3,answer\n"


def rows(change: Callable[[str], str]) -> Callable[[Path], None]:
    """Change the text of the suite's JSONL file."""

    def apply(root: Path) -> None:
        file = root / "suites/data/asks.jsonl"
        file.write_text(change(file.read_text()))

    return apply


def row(**values: object) -> Callable[[Path], None]:
    """Put one more row before the others."""
    return rows(lambda text: json.dumps({"input": "one more", "output": "yes", **values}) + "\n" + text)


def line(text: str) -> Callable[[Path], None]:
    """Put one more line before the others."""
    return rows(lambda others: f"{text}\n{others}")


def raw(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change the bytes of the suite's JSONL file."""

    def apply(root: Path) -> None:
        file = root / "suites/data/asks.jsonl"
        file.write_bytes(change(file.read_bytes()))

    return apply


def table(text: str) -> Callable[[Path], None]:
    """Read the examples from a CSV file with that text."""

    def apply(root: Path) -> None:
        file = make_suite(root, gates='Gate("exact_match", at_least=0.5)')
        edit(file, "from harness.datasets import jsonl", "from harness.datasets import csv as jsonl")
        (root / "suites/data/asks.jsonl").write_text(text)

    return apply


def questions(text: str) -> Callable[[Path], None]:
    """A second suite, of four-choice questions."""

    def apply(root: Path) -> None:
        (root / "suites/test_knows.py").write_text(QUESTIONS)
        (root / "suites/data/knows.csv").write_text(text)

    return apply


JSONL, CSV, KNOWS = "asks.jsonl:1: ", "asks.jsonl:2: ", "knows.csv:"

WAYS = [
    Way("the data file is empty", rows(lambda _: ""), 4, f"{JSONL}holds no examples"),
    Way("the data file is gone", lambda root: (root / "suites/data/asks.jsonl").unlink(), 4, "cannot be read"),
    Way(
        "the data file is a folder",
        lambda root: ((root / "suites/data/asks.jsonl").unlink(), (root / "suites/data/asks.jsonl").mkdir()),
        4,
        "cannot be read",
    ),
    Way("the last row is torn", rows(lambda text: text[:-20]), 4, "asks.jsonl:120: not JSON"),
    Way(
        "a row is cut in the middle of a character",
        raw(lambda data: data + '{"input": "é'.encode()[:-1]),
        4,
        "not UTF-8 at byte",
    ),
    Way("the file is UTF-16", raw(lambda data: data.decode().encode("utf-16")), 4, "not UTF-8 at byte 0"),
    Way(
        "the file begins with a byte order mark",
        raw(lambda data: b"\xef\xbb\xbf" + data),
        4,
        "starts with a byte order mark",
    ),
    Way("a line is blank", line(""), 4, f"{JSONL}blank line"),
    Way("the file ends in blank lines", rows(lambda text: text + "\n\n"), 4, "asks.jsonl:121: blank line"),
    Way("a row is a list", line("[1, 2]"), 4, f"{JSONL}is a list; write one object a line"),
    Way(
        "a row has a key twice",
        line('{"input": "a", "output": "no", "output": "yes"}'),
        4,
        f"{JSONL}not JSON (a key is given twice)",
    ),
    Way("a row holds NaN", line('{"input": "a", "output": NaN}'), 4, f"{JSONL}not JSON (NaN is no number)"),
    Way("a row holds a number that is infinite", line('{"input": "a", "output": 1e999}'), 4, f"{JSONL}not JSON"),
    Way("a row is nested without end", line('{"input": "a", "output": ' + "[" * 100_000), 4, f"{JSONL}not JSON"),
    Way("a row lacks its answer", line('{"input": "a"}'), 4, f"{JSONL}'output' is missing"),
    Way("a row's answer is null", row(output=None), 4, f"{JSONL}'output' is missing"),
    Way("a row lacks its question", line('{"output": "yes"}'), 4, f"{JSONL}'input' must be a text"),
    Way("a row's question is blank", row(input=" \t"), 4, f"{JSONL}'input' must be a text"),
    Way("a row's question is a number", row(input=7), 4, f"{JSONL}'input' must be a text"),
    Way(
        "a row's key is misspelt",
        line('{"input": "a", "ouput": "yes"}'),
        4,
        f"{JSONL}unknown key 'ouput'; did you mean 'output'?",
    ),
    Way("a row's tags are one text", row(tags="hard"), 4, f"{JSONL}'tags' must be a list of texts"),
    Way("a row's id is blank", row(id=" "), 4, f"{JSONL}'id' must be a text that is not blank"),
    Way("a row holds half a character", row(input="a \ud83d"), 4, f"{JSONL}holds half of a surrogate pair"),
    Way("a row is there twice", rows(lambda text: text + text.splitlines()[0] + "\n"), 4, "same id as line 1"),
    Way(
        "a question is there twice, once in capitals",
        rows(lambda text: text + text.splitlines()[0].replace("asks", "ASKS") + "\n"),
        4,
        "same input as line 1",
    ),
    Way(
        "a question is there twice, with other spaces",
        rows(lambda text: text + text.splitlines()[0].replace("question", "\\u00a0 question") + "\n"),
        4,
        "same input as line 1",
    ),
    Way(
        "two rows have one id",
        line('{"id": "a", "input": "x", "output": "y"}\n{"id": "a", "input": "z", "output": "y"}'),
        4,
        "asks.jsonl:2: same id as line 1",
    ),
    Way("a CSV file is empty", table(""), 4, f"{JSONL}holds no examples"),
    Way("a CSV file has a header alone", table("input,output\n"), 4, f"{JSONL}holds no examples"),
    Way("a CSV row lacks a cell", table("input,output\na\n"), 4, f"{CSV}1 cells, the header has 2"),
    Way("a CSV row has a cell too many", table("input,output\na,b,c\n"), 4, f"{CSV}3 cells, the header has 2"),
    Way(
        "a CSV header is misspelt",
        table("input,outptu\na,b\n"),
        4,
        f"{CSV}unknown key 'outptu'; did you mean 'output'?",
    ),
    Way("a CSV quote never ends", table('input,output\n"a,b\n'), 4, "not CSV"),
    Way("there are no questions", questions(HEADER), 4, f"{KNOWS}1: holds no questions"),
    Way(
        "a question has three options",
        questions(f"{HEADER}art,q,a,b,c,A\n"),
        4,
        f"{KNOWS}2: 5 cells, expected question",
    ),
    Way("a question's answer is E", questions(f"{HEADER}art,q,a,b,c,d,E\n"), 4, f"{KNOWS}2: the answer is 'E'"),
    Way(
        "an option is blank",
        questions(f"{HEADER}art,q,a,,c,d,A\n"),
        4,
        f"{KNOWS}2: subject, question and options must not be blank",
    ),
    Way(
        "the questions have no header",
        questions("art,q,a,b,c,d,A\n"),
        4,
        f"{KNOWS}1: the header must be subject,question",
    ),
]

AREA = Area("Data that is empty, torn or repeated", "pytest suites --model base --adapter good", WAYS)
