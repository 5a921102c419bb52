"""What must be equal before two runs may be compared, and what differs; nothing here is a matter of opinion.

Everything that can change an answer or its score refuses. What only moves later decimals (versions of packages, the
engine's settings) is told beside the numbers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.fingerprint import digest
from harness.types import ModelRef
from reports.load import Run
from reports.texts import flat

__all__ = ["ABSENT", "RUN", "Difference", "hard", "soft"]

ABSENT = "not measured"
RUN = "(run)"
"""Stands for the suite where something of the whole run differs."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in both runs: where, which layer, and what it is in A and in B."""

    suite: str
    layer: str
    first: str
    second: str


def hard(first: Run, second: Run, models: tuple[ModelRef, ModelRef]) -> tuple[Difference, ...]:
    """What refuses a comparison of these two models, in the order of the layers; empty when they may be compared.

    Layers of a suite are `suite` (measured in one run only), `data`, `prompt`, `decode`, `score` and `judge`; of the
    run `base` (weights, tokenizer, template), `arithmetic` (dtype and quantisation of both sides) and `prompting`.
    """
    one, two = models
    sides = [
        ("base", _identity(first.base), _identity(second.base)),
        ("arithmetic of base", _arithmetic(first.base), _arithmetic(second.base)),
        ("arithmetic of candidate", _arithmetic(one), _arithmetic(two)),
        ("prompting", one.prompting or "as the suite asks", two.prompting or "as the suite asks"),
    ]
    found = [Difference(RUN, layer, ours, theirs) for layer, ours, theirs in sides if ours != theirs]
    unknown = [run.base.name for run in (first, second) if not run.base.fingerprint]
    if unknown:
        found.append(Difference(RUN, "base", *(_identity(run.base) or "not identified" for run in (first, second))))
    ours, theirs = _layers(first, one.name), _layers(second, two.name)
    for suite in dict.fromkeys([*ours, *theirs]):
        if suite not in ours or suite not in theirs:
            stands = ["measured" if suite in side else ABSENT for side in (ours, theirs)]
            found.append(Difference(suite, "suite", *stands))
        else:
            found += _unequal(suite, ours[suite], theirs[suite])
    return tuple(found)


def soft(first: Run, second: Run) -> tuple[Difference, ...]:
    """What differs in the surroundings: package versions, engine, machine. Told, never refused."""
    ours, theirs = (dict(_surroundings(run.environment)) for run in (first, second))
    return tuple(_unequal(RUN, ours, theirs))


def _unequal(suite: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[Difference]:
    for layer in dict.fromkeys([*ours, *theirs]):
        one, two = ours.get(layer, ABSENT), theirs.get(layer, ABSENT)
        if one != two:
            yield Difference(suite, layer, one, two)


def _layers(run: Run, model: str) -> dict[str, dict[str, str]]:
    """Hash of each layer, by suite, of the suites that this model was measured on."""
    measured = {result.suite for result in run.results if result.model == model}
    judges = _judges(run.plan["suites"], run)
    return {
        suite.name: {**suite.layers, **judges.get(suite.name, {})} for suite in run.suites if suite.name in measured
    }


def _judges(planned: Iterable[Mapping[str, Any]], run: Run) -> dict[str, dict[str, str]]:
    asked = {each.suite: each.judge for each in run.judged}
    return {
        suite["name"]: {"judge": f"{asked.get(suite['name'], 'nobody')} {digest(suite['judge'])}"}
        for suite in planned
        if suite.get("judge")
    }


def _identity(model: ModelRef) -> str:
    """The weights, tokenizer and template, wherever the files lie; arithmetic is a layer of its own."""
    parts = {name: value for name, value in model.digests.items() if name not in {"adapter", "pins"}}
    return digest(parts) if model.fingerprint and parts else model.fingerprint


def _arithmetic(model: ModelRef) -> str:
    return f"{model.dtype}, quantization {model.quantization}"


def _surroundings(environment: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    kept = ("python", "platform", "machine", "packages", "engine")
    return list(flat({key: environment[key] for key in kept if environment.get(key)}))
