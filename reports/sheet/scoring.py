"""From a filled sheet to what people think of the candidate, and whether the run's metric thinks so too."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import UsageProblem
from harness.outputs import write_output
from harness.runs import json_bytes
from harness.stats import clopper_pearson, mcnemar_midp
from harness.types import Estimate
from reports.numbers import percent, percent_interval
from reports.sheet.cells import read_table
from reports.sheet.key import COLUMNS, FIXED, KeyRow, SheetKey, cells_sha256, key_path, read_key

__all__ = ["Agreement", "Scored", "as_text", "score", "write_json"]

_CHOICES = {"a": "A", "b": "B", "tie": "tie", "": ""}


@dataclass(frozen=True, slots=True)
class Agreement:
    """People beside the run's metric: `n` = `both` + `metric_even` + `people_even` + `unscored`.

    Attributes:
        both: rows on which people and metric each prefer one answer.
        agreed: those of them on which it is the same one.
        share: `agreed` of `both`, with its two-sided 95 % interval; None when `both` is 0.
        metric_even: people prefer one, the metric scores both answers alike.
        people_even: a tie for people; the metric prefers one, or neither.
        unscored: rows without a score of either model.
    """

    both: int
    agreed: int
    share: Estimate | None
    metric_even: int
    people_even: int
    unscored: int


@dataclass(frozen=True, slots=True)
class Scored:
    """What people said: `rows` = `wins` + `ties` + `losses` + `unfilled`, and `n` is the first three.

    Attributes:
        run, suite, base, model, metric: as the key has them.
        units, differ: rows that could have been drawn, and those of them on which the answers differ.
        wins, ties, losses: of the candidate.
        share: wins of the decisive rows (wins and losses), with its two-sided exact 95 % interval; None without any.
        p: two-sided mid-p of the sign test on the decisive rows, in (0, 1]; 1 without any.
        left: decisive rows in which the left answer won.
        alike: rows with the same text on both sides that were called different; they count as ties.
        agreement: with the run's metric.
    """

    run: str
    suite: str
    base: str
    model: str
    metric: str
    units: int
    differ: int
    rows: int
    n: int
    wins: int
    ties: int
    losses: int
    unfilled: int
    share: Estimate | None
    p: float
    left: int
    alike: int
    agreement: Agreement


def score(sheet: Path, key_file: Path | None = None) -> Scored:
    """Score a sheet that people filled in.

    Args:
        sheet: as exported, with `better` filled in on at least one row; rows may stand in another order.
        key_file: its key; by default the one beside it.

    Raises:
        UsageProblem: a fixed cell was edited, a row is missing or there twice, `better` holds another word, nothing is
            filled in, or a file cannot be read.
    """
    key = read_key(key_file or key_path(sheet))
    choices = _choices(sheet, key)
    filled = [(row, choices[row.row]) for row in key.rows if choices[row.row]]
    if not filled:
        raise UsageProblem(f"{sheet}: no row is filled in; write A, B or tie into the column `better`")
    sides = [
        (row, 0 if choice == "tie" or row.alike else 1 if choice == row.candidate else -1) for row, choice in filled
    ]
    counts = Counter(side for _, side in sides)
    wins, losses = counts[1], counts[-1]
    one_sided = mcnemar_midp(wins, losses)
    return Scored(
        **key.model_dump(include={"run", "suite", "base", "model", "metric", "units", "differ"}),
        rows=len(key.rows),
        n=len(filled),
        wins=wins,
        ties=counts[0],
        losses=losses,
        unfilled=len(key.rows) - len(filled),
        share=_share(wins, wins + losses),
        p=2 * min(one_sided, 1 - one_sided),
        left=sum(choice == "A" and not row.alike for row, choice in filled),
        alike=sum(choice != "tie" and row.alike for row, choice in filled),
        agreement=_agreement(sides),
    )


def as_text(found: Scored) -> str:
    """A few lines for a terminal."""
    decisive, beside = found.wins + found.losses, found.agreement
    counts = f"{found.wins} wins, {found.ties} ties, {found.losses} losses"
    left_out = f"{beside.metric_even} decided by people alone, {beside.people_even} ties, {beside.unscored} unscored"
    lines = [
        f"{found.model} beside {found.base} on {found.suite}: {counts}",
        f"n = {found.n} of {found.rows} rows; {found.unfilled} not filled in",
        f"share of wins: {_said(found.share)} of {decisive} decisive rows, two-sided sign test mid-p {found.p:.3g}",
        f"agreement with {found.metric}: {_said(beside.share)} of {beside.both} rows that both decide; {left_out}",
        f"the left answer won {found.left} of {decisive} decisive rows",
        f"the answers differ on {found.differ} of the {found.units} rows to draw from; the shares speak of those alone",
    ]
    if found.alike:
        lines.append(
            f"CAUTION {found.alike} rows have the same text twice and were called different; they count as ties"
        )
    return "\n".join(lines)


def write_json(found: Scored, path: Path) -> None:
    """All of it as JSON.

    Raises:
        UsageProblem: the file cannot be written.
    """
    write_output(path, json_bytes(asdict(found)))


def _choices(sheet: Path, key: SheetKey) -> Mapping[int, str]:
    """What `better` says on each row, after making sure that the sheet is the exported one."""
    wanted = {str(row.row): row for row in key.rows}
    found: dict[int, str] = {}
    fixed: dict[int, tuple[str, ...]] = {}
    for cells in read_table(sheet, COLUMNS):
        row = wanted.get(cells[0])
        if row is None or row.row in found:
            what = "is not a row of the key" if row is None else "is there twice"
            raise UsageProblem(f"{sheet}: row {cells[0]!r} {what}; give the sheet that belongs to this key, once each")
        fixed[row.row] = cells[: len(FIXED)]
        found[row.row] = _choice(sheet, row, cells[len(FIXED)])
    if missing := [row.row for row in key.rows if row.row not in found]:
        raise UsageProblem(
            f"{sheet}: {len(missing)} of {len(key.rows)} rows are missing, the first is row {missing[0]}; "
            "leave `better` empty where nothing can be said, and keep the row"
        )
    if cells_sha256([fixed[row.row] for row in key.rows]) != key.sheet_sha256:
        edited = [row.row for row in key.rows if cells_sha256([fixed[row.row]]) != row.sha256]
        raise UsageProblem(
            f"{sheet}: row {edited[0]} was edited, {len(edited)} in all; only `better` and `note` may change, "
            f"restore {', '.join(FIXED)}"
        )
    return found


def _choice(sheet: Path, row: KeyRow, text: str) -> str:
    try:
        return _CHOICES[text.strip().casefold()]
    except KeyError:
        raise UsageProblem(f"{sheet}: row {row.row}: `better` is {text!r}; write A, B or tie, or nothing") from None


def _agreement(sides: Sequence[tuple[KeyRow, int]]) -> Agreement:
    counts: Counter[str] = Counter()
    for row, people in sides:
        if row.base_score is None or row.candidate_score is None:
            counts["unscored"] += 1
            continue
        metric = (row.candidate_score > row.base_score) - (row.candidate_score < row.base_score)
        counts["people_even" if people == 0 else "metric_even" if metric == 0 else "both"] += 1
        counts["agreed"] += people * metric > 0
    return Agreement(
        both=counts["both"],
        agreed=counts["agreed"],
        share=_share(counts["agreed"], counts["both"]),
        metric_even=counts["metric_even"],
        people_even=counts["people_even"],
        unscored=counts["unscored"],
    )


def _share(part: int, whole: int) -> Estimate | None:
    return clopper_pearson(part, whole) if whole else None


def _said(share: Estimate | None) -> str:
    return "none" if share is None else f"{percent(share.value)} ({percent_interval(share.low, share.high)})"
