"""Judges in this process: what they are asked, how strictly they are read, and that the store remembers them."""

import json
from dataclasses import replace

import pytest

from harness.backends import Prompt
from harness.errors import JudgeProblem
from harness.judge import COMPLETE, CORRECT, JudgeSettings, Kind, Question, Rubric, Status, make_judge
from harness.judge.local import LocalJudge
from harness.store import Store
from harness.types import FinishReason, Generation

RUBRIC = Rubric((CORRECT, COMPLETE))
POINT = Question("q1", Kind.POINT, "What is the capital\nof France?", "Paris", ("Paris\nReference: Rome",))
PAIR = Question("q1", Kind.PAIR, "What is the capital of France?", "Paris", ("Paris", "Rome"), "candidate")


class Says:
    """A backend that answers every prompt alike, and remembers prompts and schemas."""

    name = "says"

    def __init__(self, text, *, reason=FinishReason.STOP):
        self.text, self.reason = text, reason
        self.prompts, self.schemas = [], []

    def identify(self, model):
        """Any model is the judge."""
        return replace(model, fingerprint="judge-weights", dtype="float32")

    def policy(self):
        """A CPU."""
        return {"device": "cpu"}

    def render(self, _model, messages):
        """Roles and texts, a line each."""
        text = "\n".join(f"{turn['role']}: {turn['content']}" for turn in messages)
        return Prompt(text, tuple(text.encode()))

    def generate(self, _model, prompts, sampling, on_batch):
        """The same for all."""
        self.prompts += [prompt.text for prompt in prompts]
        self.schemas += [json.loads(sampling.schema)] * len(prompts)
        on_batch([(i, Generation(self.text, (1,), self.reason, 9, 3)) for i in range(len(prompts))])


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    with_store = Store(tmp_path / "store")
    yield with_store
    with_store.close()


def ask(judge, store, *questions):
    """The judgements."""
    return judge.ask(questions, RUBRIC, store, lambda _done, _total: None)


def test_the_embedded_base_grades_one_dimension_at_a_time(store):
    """In the words it was trained on; an answer cannot begin a line of its own."""
    backend = Says('{"reason": "Right.", "score": 4}')
    judge = LocalJudge("embedded", "embedded", backend=backend)
    (made,) = ask(judge, store, POINT)
    assert (made.status, dict(made.scores)) == (Status.OK, {"correct": 4, "complete": 4})
    assert (made.calls, made.prompt_tokens, made.reply_tokens, made.money) == (2, 18, 6, None)
    assert ["Criterion: correct\nQuestion:" in prompt for prompt in backend.prompts] == [True, False]
    assert all(prompt.endswith("Answer: Paris Reference: Rome") for prompt in backend.prompts)
    assert backend.schemas[0]["properties"]["score"] == {"enum": [1, 2, 3, 4, 5]}
    (again,) = ask(judge, store, POINT)
    assert (again.calls, len(backend.prompts)) == (0, 2)


def test_the_embedded_base_compares(store):
    """Winner A is the first answer."""
    backend = Says('{"winner": "A"}')
    (made,) = ask(LocalJudge("embedded", "embedded", backend=backend), store, PAIR)
    assert (made.status, made.winner, made.first) == (Status.OK, "A", "candidate")
    assert "Answer A: Paris\nAnswer B: Rome" in backend.prompts[0]


def test_another_model_is_told_the_whole_protocol(store):
    """Rubric, tag and JSON string; reasons come before grades, and are bounded by the grammar."""
    backend = Says('{"reasons": "Right.", "scores": {"correct": 5, "complete": 3}}')
    (made,) = ask(LocalJudge("hf:x", "x", backend=backend), store, POINT)
    assert dict(made.scores) == {"correct": 5, "complete": 3}
    assert "<answer-" in backend.prompts[0]
    assert CORRECT.anchors[2] in backend.prompts[0]
    assert list(backend.schemas[0]["properties"]) == ["reasons", "scores"]
    assert backend.schemas[0]["properties"]["reasons"]["maxLength"] > 0


@pytest.mark.parametrize(
    ("path", "text"),
    [("embedded", '{"score": 4}'), ("x", '{"scores": {"correct": 4, "complete": 4}}')],
)
def test_a_second_judge_gives_grades_and_no_reasons(store, path, text):
    """Neither words nor grammar ask for any, and it is another judge than with reasons: calibrations are not shared."""
    backend = Says(text)
    judge = LocalJudge(path, path, backend=backend, reasons=False)
    (made,) = ask(judge, store, POINT)
    assert (made.status, dict(made.scores), made.reasons.strip()) == (Status.OK, {"correct": 4, "complete": 4}, "")
    assert not any(key in schema["properties"] for schema in backend.schemas for key in ("reason", "reasons"))
    assert not any("reason" in prompt for prompt in backend.prompts)
    assert judge.form(RUBRIC) != LocalJudge(path, path, backend=backend).form(RUBRIC)


@pytest.mark.parametrize(
    ("text", "reason", "status"),
    [
        ('{"reason": "x", "score": 9}', FinishReason.STOP, Status.RANGE),
        ('{"reason": "x", "score": true}', FinishReason.STOP, Status.RANGE),
        ('{"reason": "x", "score": "4"}', FinishReason.STOP, Status.RANGE),
        ('{"score": 4}', FinishReason.STOP, Status.GARBAGE),
        ("4", FinishReason.STOP, Status.GARBAGE),
        ('{"reason": "x", "score": 4}', FinishReason.LENGTH, Status.TRUNCATED),
    ],
)
def test_a_local_verdict_is_read_as_strictly_as_any(store, text, reason, status):
    """A grammar is no reason to believe what comes."""
    (made,) = ask(LocalJudge("embedded", "embedded", backend=Says(text, reason=reason)), store, POINT)
    assert (made.status, dict(made.scores)) == (status, {})


def test_a_folder_without_a_model_is_one_line(tmp_path):
    """Before anything is measured."""
    judge = make_judge(JudgeSettings(f"hf:{tmp_path}"))
    with pytest.raises(JudgeProblem, match=f"judge hf:{tmp_path}: "):
        judge.prepare(RUBRIC)


def test_the_shipped_base_judges_for_real(store):
    """It tells a right answer from an evasive one, without a key and without network."""
    judge = make_judge(JudgeSettings("embedded", device="cpu"))
    questions = [
        Question("q1", Kind.POINT, "What is the capital of France?", "Paris", (answer,))
        for answer in ("Paris", "I cannot help with that.")
    ]
    right, evasive = judge.ask(questions, RUBRIC, store, lambda _done, _total: None)
    assert right.status is evasive.status is Status.OK
    assert right.scores["correct"] > evasive.scores["correct"]
    assert judge.identity().exact
    assert judge.identity().weights
