"""The gate.json of a finished run."""

from hashlib import sha256

from harness.errors import BadRunDirectory
from harness.fingerprint import digest
from reports.load import Run
from reports.publish.gate_file import BadGateFile, GateFile, GateLine, safe_name, write_gate_file

__all__ = ["gate_file", "gate_json"]


def gate_file(run: Run) -> GateFile:
    """The run as it may be published: no text of a model, of a row, or of a reason."""
    layers = {suite.name: digest(dict(suite.layers)) for suite in run.suites}
    means = {
        (each.suite, each.model, each.metric): each.estimate.value for each in run.results if each.estimate is not None
    }
    lines = []
    for verdict in run.verdicts:
        seen = verdict.observed
        lines.append(
            GateLine(
                suite=safe_name(verdict.suite),
                gate=safe_name(verdict.gate),
                model=safe_name(verdict.model),
                metric=safe_name(verdict.metric),
                outcome=verdict.outcome.value,
                advisory=verdict.advisory,
                n=verdict.n,
                base=means.get((verdict.suite, run.base.name, verdict.metric)),
                candidate=means.get((verdict.suite, verdict.model, verdict.metric)),
                observed=seen.value if seen else None,
                low=seen.low if seen else None,
                high=seen.high if seen else None,
                required=verdict.required,
                gained=verdict.gained,
                lost=verdict.lost,
                fingerprint=layers[verdict.suite],
            )
        )
    return GateFile(
        run=str(run.plan["id"]),
        finished_at=str(run.receipt["finished_at"]),
        outcome=run.outcome.value,
        partial=run.partial,
        policy=str(run.plan["policy"]),
        run_sha256=sha256((run.folder / "run.json").read_bytes()).hexdigest(),
        gates=tuple(lines),
    )


def gate_json(run: Run) -> bytes:
    """The file's bytes.

    Raises:
        BadRunDirectory: a value of the run is none that may be published.
    """
    try:
        return write_gate_file(gate_file(run))
    except BadGateFile as error:
        raise BadRunDirectory(f"{run.folder}: {error}; see tunegate verify {run.folder}") from error
