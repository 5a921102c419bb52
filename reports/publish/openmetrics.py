"""A run as OpenMetrics text, for the metrics of a merge request and for scrapers of files."""

from collections.abc import Callable, Iterator

from reports.publish.gate_file import GateFile, GateLine

__all__ = ["as_openmetrics"]

_GAUGES: tuple[tuple[str, str, Callable[[GateLine], float | None]], ...] = (
    ("gate_pass", "1 when the gate passed, else 0", lambda gate: float(gate.outcome == "PASS")),
    ("gate_observed", "what the gate decided on: a rate, or a difference of rates", lambda gate: gate.observed),
    ("gate_low", "its lower one-sided 95 % bound", lambda gate: gate.low),
    ("gate_high", "its upper one-sided 95 % bound", lambda gate: gate.high),
    ("gate_required", "the limit of the gate", lambda gate: gate.required),
    ("gate_rows", "planned rows", lambda gate: gate.n),
    ("gate_fixed", "rows that became right", lambda gate: gate.gained),
    ("gate_broken", "rows that became wrong", lambda gate: gate.lost),
    ("gate_base", "mean of the metric with the base", lambda gate: gate.base),
    ("gate_candidate", "mean of the metric with the candidate", lambda gate: gate.candidate),
)


def as_openmetrics(found: GateFile) -> str:
    """The text, ending in `# EOF`. What was not measured has no line: a missing number is not 0."""
    return "\n".join([*_lines(found), "# EOF"]) + "\n"


def _lines(found: GateFile) -> Iterator[str]:
    yield from _head("run_pass", "1 when the whole run passed and nothing was left out, else 0")
    yield f"tunegate_run_pass {int(found.outcome == 'PASS' and not found.partial)}"
    for name, words, value in _GAUGES:
        yield from _head(name, words)
        for gate in found.gates:
            if (number := value(gate)) is not None:
                yield f"tunegate_{name}{_labels(gate)} {float(number)!r}"


def _head(name: str, words: str) -> Iterator[str]:
    yield f"# TYPE tunegate_{name} gauge"
    yield f"# HELP tunegate_{name} {words}"


def _labels(gate: GateLine) -> str:
    """Names need no escaping: what a gate file may hold has neither quotes, backslashes nor line ends."""
    labels = {"suite": gate.suite, "gate": gate.gate, "model": gate.model, "advisory": str(gate.advisory).lower()}
    return "{" + ",".join(f'{name}="{text}"' for name, text in labels.items()) + "}"
