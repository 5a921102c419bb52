"""Comparisons of packed training: one table, and bench/packed.json, where each bench replaces its own rows."""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

OUT = Path(__file__).parents[2] / "bench" / "packed.json"
VERSIONS = ("torch", "transformers", "peft", "trl")


@dataclass(frozen=True)
class Comparison:
    """Seconds of two ways, round by round, and how far apart their results are."""

    work: str
    against: str
    ours: Sequence[float]
    theirs: Sequence[float]
    apart: float
    close: float
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether it was the same work; NaN is not."""
        return self.apart < self.close

    def document(self) -> dict[str, object]:
        """The row of bench/packed.json."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return {
            "work": self.work,
            "against": self.against,
            "ratio": theirs / ours,
            "equal": self.equal,
            "apart": self.apart,
            "ours_s": ours,
            "theirs_s": theirs,
            "ours_range_s": [min(self.ours), max(self.ours)],
            "theirs_range_s": [min(self.theirs), max(self.theirs)],
            "rounds": len(self.ours),
            "versions": {name: version(name) for name in VERSIONS},
            **self.extra,
        }


def report(rows: Sequence[Comparison], conditions: Mapping[str, object]) -> None:
    """Print the table, and write the rows in the place of those of the same work and peer."""
    fresh = [row.document() | {"conditions": dict(conditions)} for row in rows]
    OUT.parent.mkdir(exist_ok=True)
    kept = json.loads(OUT.read_text(encoding="utf-8"))["rows"] if OUT.exists() else []
    named = {(row["work"], row["against"]) for row in fresh}
    rest = [row for row in kept if (row["work"], row["against"]) not in named]
    OUT.write_text(json.dumps({"rows": rest + fresh}, indent=1) + "\n", encoding="utf-8")
    lines = ["| work | against | ours, s | theirs, s | ratio | equal work |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row['work']} | {row['against']} | {row['ours_s']:.3g} | {row['theirs_s']:.3g} | {row['ratio']:.2f} "
        f"| {'yes' if row['equal'] else 'NO'} ({row['apart']:.1e}) |"
        for row in fresh
    ]
    sys.stdout.write("\n".join([*lines, f"conditions: {dict(conditions)}", f"written: {OUT}"]) + "\n")
