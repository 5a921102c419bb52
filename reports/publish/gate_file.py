"""gate.json: a run as numbers and short names, small enough to publish. Read as if a stranger had written it.

Standard library only, so that a CI job can read it with nothing installed. There is no free text in it: a name matches
a pattern, a number is finite and in its range, and the outcome follows from the gates. Whoever shows a file that was
read here shows nothing that could be markup.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NoReturn

__all__ = [
    "MOST_BYTES",
    "OUTCOMES",
    "BadGateFile",
    "GateFile",
    "GateLine",
    "read_gate_file",
    "safe_name",
    "write_gate_file",
]

OUTCOMES = ("PASS", "FAIL", "INCONCLUSIVE", "INVALID", "NOT_RUN", "CUT")
SCHEMA_VERSION = 1
MOST_BYTES = 256_000
MOST_GATES = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:<>=+-]{0,99}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:<>=+-]")
_HASH = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"[0-9a-f]{12}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?\+00:00")
_MOST_ROWS = 10**9


class BadGateFile(ValueError):
    """The file is no gate.json, or one that nobody should show; the message is one line without its content."""


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate on one model.

    Attributes:
        suite, gate, model, metric: names.
        outcome: one of `OUTCOMES`.
        advisory: whether it is left out of the file's outcome.
        n: planned rows.
        base, candidate: mean of the metric, in [0, 1]; None when not measured.
        observed, low, high: what the gate decided on, a rate or a difference in [-1, 1]; None when not measured.
        required: the limit, likewise.
        gained, lost: rows that became right and wrong; None for a gate on one model.
        fingerprint: one hash of all layers of the suite.
    """

    suite: str
    gate: str
    model: str
    metric: str
    outcome: str
    advisory: bool
    n: int
    base: float | None
    candidate: float | None
    observed: float | None
    low: float | None
    high: float | None
    required: float
    gained: int | None
    lost: int | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class GateFile:
    """The whole run.

    Attributes:
        run: id of the run, 12 hex digits.
        finished_at: UTC, ISO 8601.
        outcome: of the gates that are not advisory; never NOT_RUN or CUT.
        partial: whether rows or gates were left out.
        policy: SHA-256 of what the gates ask.
        run_sha256: of run.json.
        gates: in the order of the run; at least one.
    """

    run: str
    finished_at: str
    outcome: str
    partial: bool
    policy: str
    run_sha256: str
    gates: tuple[GateLine, ...]


def safe_name(text: str) -> str:
    """`text` as a name that this file may hold: other characters become `_`."""
    name = _UNSAFE.sub("_", text)[:99]
    return name if _NAME.fullmatch(name) else f"x{name}"


def write_gate_file(made: GateFile) -> bytes:
    """The file's bytes, checked by reading them again.

    Raises:
        BadGateFile: a value is none that may be published.
    """
    values = {"schema_version": SCHEMA_VERSION, **asdict(made)}
    data = (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()
    if read_gate_file(data) != made:
        raise BadGateFile("gate.json: does not read back as it was written")
    return data


def read_gate_file(data: bytes) -> GateFile:
    """What a file says, when everything in it is as it must be.

    Raises:
        BadGateFile: with the place of the first value that is not.
    """
    if len(data) > MOST_BYTES:
        raise BadGateFile(f"gate.json: has more than {MOST_BYTES} bytes, which are not read")
    try:
        values = json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadGateFile("gate.json: is not JSON") from None
    if not isinstance(values, dict) or values.pop("schema_version", None) != SCHEMA_VERSION:
        raise BadGateFile(f"gate.json: is not of schema version {SCHEMA_VERSION}")
    _check(values, _FILE, "gate.json", {field.name for field in fields(GateFile)})
    gates = values["gates"]
    if not isinstance(gates, list) or not 1 <= len(gates) <= MOST_GATES:
        raise BadGateFile(f"gate.json: gates must be a list of 1 to {MOST_GATES}")
    known = {field.name for field in fields(GateLine)}
    for index, gate in enumerate(gates):
        _check(gate, _GATE, f"gate.json: gates[{index}]", known)
    found = GateFile(**values | {"gates": tuple(GateLine(**gate) for gate in gates)})
    if found.outcome != _aggregate(found.gates):
        raise BadGateFile("gate.json: its outcome does not follow from its gates")
    return found


def _check(values: Any, rules: Mapping[str, Callable[[Any], bool]], where: str, known: set[str]) -> None:  # noqa: ANN401  # JSON
    if not isinstance(values, dict) or values.keys() != known:
        raise BadGateFile(f"{where}: must have the keys {', '.join(sorted(known))} and no others")
    for key, fits in rules.items():
        if not fits(values[key]):
            raise BadGateFile(f"{where}: {key} is missing or not what it must be")


def _aggregate(gates: tuple[GateLine, ...]) -> str:
    outcomes = {gate.outcome for gate in gates if not gate.advisory}
    if not outcomes or outcomes & {"INVALID", "NOT_RUN", "CUT"}:
        return "INVALID"
    return next(each for each in ("FAIL", "INCONCLUSIVE", "PASS") if each in outcomes)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _flag(value: Any) -> bool:  # noqa: ANN401  # JSON
    return isinstance(value, bool)


def _count(value: Any) -> bool:  # noqa: ANN401  # JSON
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_ROWS


def _share(value: Any) -> bool:  # noqa: ANN401  # JSON
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and -1 <= value <= 1


def _maybe(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _outcome(value: Any) -> bool:  # noqa: ANN401  # JSON
    return value in OUTCOMES


_FILE: Mapping[str, Callable[[Any], bool]] = {
    "run": _matches(_RUN),
    "finished_at": _matches(_TIME),
    "outcome": _outcome,
    "partial": _flag,
    "policy": _matches(_HASH),
    "run_sha256": _matches(_HASH),
}
_GATE: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("suite", "gate", "model", "metric"), _matches(_NAME)),
    **dict.fromkeys(("base", "candidate", "observed", "low", "high"), _maybe(_share)),
    **dict.fromkeys(("gained", "lost"), _maybe(_count)),
    "outcome": _outcome,
    "advisory": _flag,
    "n": _count,
    "required": _share,
    "fingerprint": _matches(_HASH),
}
