"""Two-turn questions: read strictly, asked in turns, judged in turns."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.answers import Engine
from harness.backends import Prompt
from harness.datasets import jsonl
from harness.errors import BadExamples
from harness.gates import Gate
from harness.judge import COMPLETE, CORRECT, Judgement, Rubric, Status
from harness.judge.judgement import Identity
from harness.judge.panel import Panel
from harness.judge_suite import JudgeSuite
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.store import Store
from harness.suite import Suite
from harness.two_turns import two_turns
from harness.types import Example, FinishReason, Generation, ModelRef, Sampling

RUBRIC = Rubric((CORRECT, COMPLETE))
QUESTIONS = [
    {"question_id": 81, "category": "writing", "turns": ["Write a line.", "Now rhyme it."]},
    {"question_id": 101, "category": "reasoning", "turns": ["Who is second?", "And last?"]},
]
REFERENCES = [{"question_id": 101, "choices": [{"index": 0, "turns": ["You.", "Nobody."]}]}]


def write(folder, questions=QUESTIONS, references=REFERENCES):
    """The files as MT-Bench has them."""
    path = folder / "question.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in questions))
    if references is not None:
        (folder / "reference_answer.jsonl").write_text("".join(json.dumps(each) + "\n" for each in references))
    return path


def test_each_turn_is_a_row_of_its_questions_cluster(tmp_path):
    """With the turns before it, and the reference where there is one."""
    rows = two_turns(write(tmp_path)).read()
    assert [(row.id, row.cluster, row.tags, row.earlier, row.target) for row in rows] == [
        ("81-1", "81", ("writing",), (), ""),
        ("81-2", "81", ("writing",), ("Write a line.",), ""),
        ("101-1", "101", ("reasoning",), (), "You."),
        ("101-2", "101", ("reasoning",), ("Who is second?",), "Nobody."),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"question_id": 81, "turns": ["x"]}, "was there before"),
        ({"turns": ["x"]}, "'question_id' is missing"),
        ({"question_id": 1, "turns": []}, "'turns' must be a list"),
        ({"question_id": 1, "turns": ["x", " "]}, "'turns' must be a list"),
        ({"question_id": 1, "turns": "x"}, "'turns' must be a list"),
        ([], "is no object"),
    ],
)
def test_a_malformed_question_is_refused_by_line(tmp_path, line, said):
    """Nothing is left out silently."""
    with pytest.raises(BadExamples, match=said) as caught:
        two_turns(write(tmp_path, [*QUESTIONS, line])).read()
    assert f"{tmp_path}/question.jsonl:3" in str(caught.value)


def test_a_malformed_reference_is_refused_by_line(tmp_path):
    """So that no row loses its reference unnoticed."""
    path = write(tmp_path, references=[{"question_id": 101, "choices": []}])
    with pytest.raises(BadExamples, match=r"reference_answer.jsonl:1: a reference has"):
        two_turns(path).read()


def test_a_suite_that_asks_once_refuses_rows_with_earlier_turns(tmp_path):
    """It would ask the second turn as if nothing had gone before."""
    suite = Suite(
        name="asks",
        version=1,
        examples=two_turns(write(tmp_path)),
        render=chat(),
        sampling=Sampling(max_new_tokens=4),
        metrics=[exact_match()],
        gates=[Gate("exact_match", at_least=0.5)],
    )
    with pytest.raises(BadExamples, match="81-2 has earlier turns"):
        suite.plan()


class Numbers:
    """A backend that answers with the model's name, the number of turns that it saw, and the last one."""

    name = "numbers"

    def policy(self):
        """A CPU."""
        return {"device": "cpu"}

    def render(self, _model, messages):
        """Roles and texts between bars."""
        text = "|".join(f"{turn['role']}:{turn['content']}" for turn in messages)
        return Prompt(text, tuple(text.encode()))

    def generate(self, model, prompts, _sampling, on_batch):
        """One answer each."""
        for index, prompt in enumerate(prompts):
            turns = prompt.text.split("|")
            text = f"{model.name} {len(turns)} to {turns[-1].removeprefix('user:')}"
            on_batch([(index, Generation(text, (1,), FinishReason.STOP, 3, 1))])


class Listens:
    """A judge that remembers what it was asked and finds everything good."""

    name = "listens"

    def __init__(self):
        self.questions = []

    def prepare(self, _rubric):
        """Nothing to find out."""

    def identity(self):
        """One that repeats itself."""
        return Identity(self.name, "", "v1", {}, exact=True)

    def form(self, _rubric):
        """Of no importance."""
        return "form"

    def ask(self, questions, _rubric, _store, _progress, *, suite):  # noqa: ARG002  # the protocol's signature
        """Best grades and ties."""
        self.questions += questions
        scores = {"correct": 5, "complete": 5}
        return [
            Judgement(each.item, each.kind, each.first, Status.OK, winner="tie")
            if each.kind.compares
            else Judgement(each.item, each.kind, each.first, Status.OK, scores=scores)
            for each in questions
        ]


def test_the_second_turn_sees_the_models_own_first_answer(tmp_path):
    """And the judge sees both turns, the answer of the first among them."""
    judge, store = Listens(), Store(tmp_path / "store")
    suite = JudgeSuite(
        name="turns",
        version=1,
        examples=two_turns(write(tmp_path)),
        render=chat("Be brief."),
        sampling=Sampling(max_new_tokens=9),
        rubric=RUBRIC,
        gates=[Gate("judge", max_drop=0.5)],
        judge=Panel(judge),
    )
    model = ModelRef("base", "x", fingerprint="f")
    result = suite.measure(model, suite.plan(), Engine(Numbers(), store))
    first, second = result.rows[:2]
    assert first.output == "base 2 to Write a line."
    assert second.prompt == f"system:Be brief.|user:Write a line.|assistant:{first.output}|user:Now rhyme it."
    assert second.output == "base 4 to Now rhyme it."
    asked = {question.item: question.asked for question in judge.questions}
    assert asked["81-1"] == "Write a line."
    assert asked["81-2"] == f"User: Write a line.\nModel: {first.output}\nUser: Now rhyme it."
    assert [row.cluster for row in result.rows] == ["81", "81", "101", "101"]
    judge.questions.clear()
    tuned = ModelRef("tuned", "x", adapter="a", fingerprint="g")
    suite.measure(tuned, suite.plan(), Engine(Numbers(), store, beside=result))
    store.close()
    pair = next(each for each in judge.questions if (each.item, each.kind, each.first) == ("81-2", "pair", "base"))
    assert pair.asked == "User: Write a line.\nUser: Now rhyme it."
    assert pair.answers == tuple(
        f"User: Write a line.\nModel: {who} 2 to Write a line.\nUser: Now rhyme it.\nModel: {who} 4 to Now rhyme it."
        for who in ("base", "tuned")
    )


def test_the_option_asks_a_files_questions_in_place_of_the_suites(tmp_path):
    """All of them, without the task's system text, with room for whole answers."""
    suite = JudgeSuite(
        name="judge",
        version=1,
        examples=jsonl(tmp_path / "none.jsonl"),
        render=chat("Extract."),
        sampling=Sampling(max_new_tokens=16),
        rubric=RUBRIC,
        gates=[Gate("judge", max_drop=0.5)],
        take=2,
    )
    asked = suite.judged(Panel(Listens()), questions=str(write(tmp_path)))
    assert len(asked.plan()) == 4
    assert (asked.render.system, asked.sampling.max_new_tokens) == ("", 512)


def test_mt_bench_itself_is_read():
    """Set TUNEGATE_DATA to a folder with mt_bench/question.jsonl to read the real questions."""
    home = os.environ.get("TUNEGATE_DATA")
    if not home:
        pytest.skip("TUNEGATE_DATA is not set: the real MT-Bench questions are not part of the project")
    rows = two_turns(Path(home) / "mt_bench" / "question.jsonl").read()
    assert len(rows) == 160
    assert len({row.cluster for row in rows}) == 80
    assert sum(bool(row.target) for row in rows) >= 40
    assert isinstance(replace(rows[1], id="x"), Example)
