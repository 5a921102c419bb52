"""From a finished run to a blind sheet: which rows people see, and which of the two answers stands left."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.atomic import write_atomically
from harness.errors import BadRunDirectory, UsageProblem
from harness.fingerprint import digest
from harness.runs import RECORDS, json_bytes, record_name
from harness.verify import verify
from reports.load import Key, Run, load
from reports.pairs import Pair, pairs, primary_metric, score_of
from reports.sheet.cells import cell, write_table
from reports.sheet.key import COLUMNS, KeyRow, SheetKey, Side, cells_sha256, key_path

__all__ = ["Exported", "Wanted", "export"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What people shall look at: at most `rows` answers (> 0) of `model` to `suite`, beside the base's."""

    suite: str
    model: str
    rows: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how many rows were left out because the two models saw different prompts."""

    sheet: Path
    key_file: Path
    key: SheetKey
    left_out: int


@dataclass(frozen=True, slots=True)
class _Dice:
    """Order out of a secret that the sheet does not hold: the run's id and the hashes of both record files."""

    secret: str

    def order(self, what: str, paired: Sequence[Pair]) -> list[Pair]:
        return sorted(paired, key=lambda pair: digest([self.secret, what, pair.base.id]))


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the sheet; the candidate's answer stands at `side`."""

    number: int
    pair: Pair
    side: Side

    @property
    def cells(self) -> tuple[str, ...]:
        base, candidate = self.pair.base, self.pair.candidate
        left, right = (candidate, base) if self.side == "A" else (base, candidate)
        return (str(self.number), *map(cell, (base.prompt, base.target, left.output, right.output)))

    def key(self, metric: str) -> KeyRow:
        return KeyRow(
            row=self.number,
            id=self.pair.base.id,
            candidate=self.side,
            alike=_alike(self.pair),
            base_score=score_of(self.pair.base, metric).value,
            candidate_score=score_of(self.pair.candidate, metric).value,
            sha256=cells_sha256([self.cells]),
        )


def export(run_dir: Path, wanted: Wanted, out: Path) -> Exported:
    """Write a sheet and, beside it, its key.

    Rows on which the answers differ come first, and one of each cluster, so that every row is a piece of evidence of
    its own. The candidate stands left in half of them. The same run and seed give the same sheet.

    Raises:
        BadRunDirectory: the run is unfinished, or does not verify.
        UsageProblem: no such suite or candidate, nothing to compare, or a file that exists or cannot be written.
    """
    for path in (out, key_path(out)):
        if path.exists():
            raise UsageProblem(f"--out {path}: exists, and people may have filled it in; give another name")
    run = _verified(run_dir)
    _check(run, wanted)
    paired = pairs(run, wanted.suite, wanted.model, primary_metric(run, wanted.suite))
    dice = _dice(run, wanted)
    same = _asked_alike(paired)
    units = _one_of_each_cluster(dice.order("draw", same))
    if all(map(_alike, units)):
        raise UsageProblem(
            f"--model {wanted.model}: answers {wanted.suite} as the base does in all {len(units)} rows that were asked "
            "alike; there is nothing to compare"
        )
    lines = _lines(dice, units[: wanted.rows])
    key = _key(run, wanted, lines, units=units)
    try:
        write_atomically(key_path(out), json_bytes(key.model_dump(mode="json")))
        write_atomically(out, write_table(COLUMNS, [(*line.cells, "", "") for line in lines]))
    except OSError as error:
        raise UsageProblem(f"--out {out}: cannot be written ({error.strerror}); give another place") from error
    return Exported(out, key_path(out), key, len(paired) - len(same))


def _verified(run_dir: Path) -> Run:
    found = verify(run_dir)
    if found.disagreements:
        raise BadRunDirectory(f"{run_dir}: does not verify ({found.disagreements[0]}); export from a run that does")
    return load(run_dir)


def _check(run: Run, wanted: Wanted) -> None:
    suites = [suite.name for suite in run.suites]
    models = [model.name for model in run.models[1:] if not model.prompting]
    if wanted.suite not in suites:
        raise UsageProblem(f"--suite {wanted.suite}: is not in {run.folder}; it has {', '.join(suites)}")
    if wanted.model not in models:
        known = ", ".join(models) or "the base alone"
        raise UsageProblem(f"--model {wanted.model}: is no candidate of {run.folder}; it has {known}")
    for model in (run.base.name, wanted.model):
        if Key(wanted.suite, model) not in run.rows:
            raise UsageProblem(f"--suite {wanted.suite}: was not measured on {model} in {run.folder}; name another")


def _dice(run: Run, wanted: Wanted) -> _Dice:
    names = [f"{RECORDS}/{record_name(wanted.suite, model)}" for model in (run.base.name, wanted.model)]
    return _Dice(digest([run.plan["id"], [run.receipt["records"][name]["sha256"] for name in names], wanted.seed]))


def _asked_alike(paired: Sequence[Pair]) -> list[Pair]:
    """Those with one question for both; a second turn, which quotes the model's own first answer, has two."""
    return [pair for pair in paired if pair.base.prompt == pair.candidate.prompt]


def _one_of_each_cluster(ordered: Sequence[Pair]) -> list[Pair]:
    """The first of each cluster, those that differ first."""
    units: dict[str, Pair] = {}
    for pair in sorted(ordered, key=_alike):
        units.setdefault(pair.base.cluster, pair)
    return list(units.values())


def _alike(pair: Pair) -> bool:
    return pair.base.output == pair.candidate.output


def _lines(dice: _Dice, drawn: Sequence[Pair]) -> list[_Line]:
    """Every second row of an order of its own has the candidate left; a coin says which ones, in an odd number."""
    odd = int(digest([dice.secret, "coin"]), 16) % 2
    places = {pair.base.id: place for place, pair in enumerate(sorted(dice.order("side", drawn), key=_alike))}
    return [
        _Line(number, pair, "A" if places[pair.base.id] % 2 == odd else "B")
        for number, pair in enumerate(drawn, start=1)
    ]


def _key(run: Run, wanted: Wanted, lines: Sequence[_Line], *, units: Sequence[Pair]) -> SheetKey:
    metric = primary_metric(run, wanted.suite)
    return SheetKey(
        run=run.plan["id"],
        suite=wanted.suite,
        base=run.base.name,
        model=wanted.model,
        metric=metric,
        units=len(units),
        differ=sum(not _alike(pair) for pair in units),
        rows=tuple(line.key(metric) for line in lines),
        sheet_sha256=cells_sha256([line.cells for line in lines]),
    ).sealed()
