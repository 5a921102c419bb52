"""Tasks of lm-eval whose answers are written: how they are decoded, and how lm-eval's own code scores them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

from harness.errors import BadSpec

__all__ = ["UNFILTERED", "Decoding", "decoding", "label", "rescored", "written_metrics"]

UNFILTERED = "none"
"""What lm-eval calls answers that no filter of the task changes."""
_DEFAULT_TOKENS = 256  # lm-eval's own class for transformers
_TRIED = 8  # rows whose right answers are scored beforehand
_NEUTRAL = frozenset({"do_sample", "max_gen_toks", "temperature", "top_k", "top_p", "until"})
"""What greedy decoding takes, or has no use for."""
_BROKEN = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Decoding:
    """Greedy, up to `max_new_tokens` tokens, cut at the first of the texts `until`."""

    max_new_tokens: int
    until: tuple[str, ...]


def label(metric: str, filtered: str) -> str:
    """lm-eval's name of a metric behind a filter, such as `exact_match,strict-match`; without `,none`."""
    return metric if filtered == UNFILTERED else f"{metric},{filtered}"


def decoding(task: Any, name: str) -> Decoding:  # noqa: ANN401  # lm-eval declares no types
    """How the answers of a task are decoded, by what it asks for its first row.

    Raises:
        BadSpec: it draws answers, asks several times, runs what models write, or sets what this engine does not.
    """
    if getattr(task, "UNSAFE_CODE", False) or getattr(task, "MULTIMODAL", False):
        raise BadSpec(f"--lm-eval {name}: runs code that models write, or shows pictures; neither is done here")
    if (task.config.repeats or 1) > 1:
        raise BadSpec(f"--lm-eval {name}: asks every row {task.config.repeats} times; only tasks that ask once are run")
    doc = next(iter(task.eval_docs))
    asked = task.construct_requests(doc, "", metadata=(name, 0, 1))
    requests = asked if isinstance(asked, list) else [asked]
    if [request.request_type for request in requests] != ["generate_until"]:
        raise BadSpec(f"--lm-eval {name}: asks {len(requests)} things of a row; only one written answer is taken")
    return greedy(requests[0].args[1], name)


def greedy(settings: Mapping[str, Any], name: str) -> Decoding:
    """What `generation_kwargs` of lm-eval mean here.

    Raises:
        BadSpec: they ask for more than greedy decoding up to a text.
    """
    from lm_eval.models.utils import normalize_gen_kwargs

    plain = dict(normalize_gen_kwargs(dict(settings), _DEFAULT_TOKENS))
    if plain["do_sample"]:
        raise BadSpec(f"--lm-eval {name}: draws its answers (do_sample); only greedy decoding is reproduced exactly")
    if other := sorted(set(plain) - _NEUTRAL):
        raise BadSpec(f"--lm-eval {name}: sets {other[0]}={plain[other[0]]!r} for decoding, which this engine has not")
    return Decoding(int(plain["max_gen_toks"]), tuple(until for until in plain["until"] if until))


def written_metrics(task: Any, name: str, targets: Sequence[str]) -> tuple[str, ...]:  # noqa: ANN401  # likewise
    """What can be gated: means over rows of something that is better when higher and within [0, 1].

    Whether it is within shows on right answers, which are scored beforehand.

    Raises:
        BadSpec: nothing can, or its scoring breaks on its own right answers.
    """
    try:
        tried = rescored(task, list(zip(task.eval_docs, targets[:_TRIED], strict=False)))
    except _BROKEN as error:
        what = " ".join(str(error).split())[:160]
        raise BadSpec(
            f"--lm-eval {name}: its scoring breaks on its own right answers ({type(error).__name__}: {what})"
        ) from error
    better, means = task.higher_is_better(), task.aggregation()
    found = tuple(
        label(metric, kept.name)
        for kept in task._filters  # noqa: SLF001  # lm-eval has no other way to ask
        for metric in means
        if better.get(metric) and getattr(means[metric], "__name__", "") == "mean"
    )
    fit = tuple(metric for metric in found if all(is_rate(scores.get(metric)) for scores in tried))
    if not fit:
        raise BadSpec(f"--lm-eval {name}: has no metric that is a mean of rates of its rows, so that none can be gated")
    return fit


def is_rate(value: object) -> bool:
    """Whether a score is a number in [0, 1]."""
    if not isinstance(value, SupportsFloat) or isinstance(value, str):
        return False
    return 0.0 <= float(value) <= 1.0  # numpy's booleans, too, which are no numbers


def rescored(task: Any, answers: Sequence[tuple[Mapping[str, Any], str]]) -> list[dict[str, Any]]:  # noqa: ANN401
    """Every score of rows and their answers, by `label`: the task's own filters, then its own scoring."""
    return list(_rescored(task, answers))


def _rescored(task: Any, answers: Sequence[tuple[Mapping[str, Any], str]]) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    from lm_eval.api.instance import Instance

    asked = [
        Instance("generate_until", dict(doc), ("", {}), 0, metadata=(None, index, 1), resps=[text])
        for index, (doc, text) in enumerate(answers)
    ]
    for kept in task._filters:  # noqa: SLF001  # see above
        kept.apply(asked)
    for instance in asked:
        yield {
            label(metric, filtered): value
            for filtered, said in instance.filtered_resps.items()
            for metric, value in task.process_results(instance.doc, [said]).items()
        }
