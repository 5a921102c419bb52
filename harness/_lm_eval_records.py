"""Records of an lm-eval task: each row as lm-eval logged it, beside what the model said."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness._lm_eval_model import Reply
from harness._lm_eval_written import UNFILTERED, is_rate
from harness.errors import NotMeasured
from harness.types import Example, FinishReason, Generation, Row, Score

__all__ = ["Log", "Logged", "chosen_row", "logged", "parts", "written_row"]

Log = Mapping[tuple[int, str], Mapping[str, Any]]
"""What lm-eval logged, by place of the row in the task and filter."""


class Logged(NamedTuple):
    """One score of a row: the metric's name here, its value in [0, 1], and lm-eval's own entry."""

    metric: str
    value: float
    entry: Mapping[str, Any]


def parts(name: str) -> tuple[str, str]:
    """Metric and filter of a name such as `exact_match,strict-match`."""
    metric, _, filtered = name.partition(",")
    return metric, filtered or UNFILTERED


def logged(row: str, place: int, metrics: Sequence[str], log: Log) -> list[Logged]:
    """The scores of a row, in the order of `metrics`.

    Raises:
        NotMeasured: lm-eval left it out, or a score is no rate.
    """
    found = []
    for name in metrics:
        metric, filtered = parts(name)
        entry = log.get((place, filtered))
        if entry is None:
            raise NotMeasured(f"lm-eval left row {row} out; report this")
        if not is_rate(entry.get(metric)):
            raise NotMeasured(f"lm-eval gave row {row} {name}={entry.get(metric)}, it must be in [0, 1]")
        found.append(Logged(name, float(entry[metric]), entry))
    return found


def chosen_row(example: Example, scores: Sequence[Logged], replies: Mapping[str, Reply]) -> Row:
    """A row whose options were compared by likelihood; every score is 0 or 1.

    Raises:
        NotMeasured: a score is another number.
    """
    entry = scores[0].entry
    asked_of = [(str(context), str(said)) for context, said in entry["arguments"]]
    likely = [reply[0] for reply in entry["filtered_resps"]]
    best = max(range(len(likely)), key=likely.__getitem__)
    output = asked_of[best][len({context for context, _ in asked_of}) == 1].strip()  # options, or beginnings
    if other := [score for score in scores if score.value not in (0.0, 1.0)]:
        raise NotMeasured(f"lm-eval gave row {example.id} {other[0].metric}={other[0].value}, it must be 0 or 1")
    prompt = asked_of[0][0]
    said = Generation(output, (), FinishReason.STOP, replies[prompt].prompt_tokens, 0)
    return _row(example, prompt, said, [_score(score, output) for score in scores])


def written_row(example: Example, scores: Sequence[Logged], answers: Mapping[str, Generation]) -> Row:
    """A row whose answer was written; each score tells what its filter left of the answer."""
    ((prompt, _),) = scores[0].entry["arguments"]
    said = answers[prompt]
    cut = said.finish_reason is FinishReason.LENGTH
    filtered = [_score(score, _text(score.entry["filtered_resps"][0]), cut=cut) for score in scores]
    return _row(example, prompt, said, filtered)


def _score(score: Logged, answer: str, *, cut: bool = False) -> Score:
    wrong = "truncated" if cut else "wrong_value"
    return Score(score.metric, score.value, answer, "ok" if score.value == 1.0 else wrong)


def _text(filtered: object) -> str:
    return filtered if isinstance(filtered, str) else repr(filtered)


def _row(example: Example, prompt: str, said: Generation, scores: Sequence[Score]) -> Row:
    return Row(
        id=example.id,
        cluster=example.cluster,
        tags=example.tags,
        prompt=prompt,
        target=str(example.target),
        output=said.text,
        finish_reason=said.finish_reason,
        prompt_tokens=said.prompt_tokens,
        new_tokens=said.new_tokens,
        scores=tuple(scores),
        seconds=said.seconds,
    )
