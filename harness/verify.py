"""The second key: trusts neither pytest's exit code nor run.json, but recomputes every verdict from the records."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from harness.decide import shown, with_unused
from harness.document import result_json, verdict_json
from harness.ending import ending_fault
from harness.errors import BadRunDirectory, HarnessError, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate, aggregate
from harness.halving_recheck import rung_faults
from harness.judge.recheck import file_faults, grade_faults, with_judgements
from harness.judge.standing import examined, is_advisory, requested, weigh, without_judge
from harness.keep import PassedByBase
from harness.lm_eval_recheck import score_faults
from harness.noise import Noise, read_noise, tempered
from harness.plan import MEASURED, gate_from
from harness.policy import policy
from harness.prompting import KINDS, beyond_prompts
from harness.records import read_rows
from harness.runs import PLAN_FILE, RECORDS, RUN_FILE, record_name, sha256
from harness.spending import Terms
from harness.sweeps import Ranking
from harness.trajectory import Rules, Trajectory
from harness.types import SCHEMA_VERSION, Estimate, Outcome, Row, SuiteResult, Verdict

__all__ = ["Verified", "verify"]

Document = Mapping[str, Any]
UNMEASURED = frozenset({Outcome.INVALID.value, Outcome.NOT_RUN.value, Outcome.CUT.value})
COMPARED = ("value", "low", "high", "n", "unscored", "unread")
MISSING = "missing"
TOLERANCE = 1e-9  # another scipy may differ in the last digits


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out of a verification.

    Attributes:
        outcome: recomputed; INVALID when anything disagrees.
        partial: whether the run left rows or gates out.
        disagreements: one line for each thing that is not as run.json says.
        unchecked: one line for each suite whose answers could have been scored again, had its rows been here.
    """

    outcome: Outcome
    partial: bool
    disagreements: tuple[str, ...]
    unchecked: tuple[str, ...] = ()


def verify(run_dir: Path) -> Verified:
    """Recompute results, verdicts and outcome of a finished run from its plan and records.

    Raises:
        BadRunDirectory: it holds no finished run of this version.
    """
    plan_bytes, plan, run = _read(run_dir)
    try:
        return _verified(run_dir, plan_bytes, plan, run)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise BadRunDirectory(f"{run_dir}: plan.json, run.json or a record has another form ({error!r})") from error


def _verified(run_dir: Path, plan_bytes: bytes, plan: Document, run: Document) -> Verified:
    files = _Files(run_dir, plan, run["receipt"]["records"])
    judgements = run["receipt"]["judgements"]
    found = list(_plan_faults(plan_bytes, plan, run)) or [*files.faults(), *file_faults(run_dir, judgements)]
    verdicts: list[Verdict] = []
    unchecked: list[str] = []
    if not found:
        results = with_judgements(run_dir, judgements, files.results())
        ungrounded = list(grade_faults(plan, run, results))
        found += ungrounded
        found += _result_faults(plan, run, results)
        otherwise, unchecked = score_faults(plan, results)
        found += otherwise
        for item, written in zip(plan["items"], run["verdicts"], strict=True):
            noise = read_noise(run["aa"].get(item["suite"]))
            number = run["numbers"].get(item["suite"], {}).get(item["model"])
            verdict, fault = _recomputed(plan, item, written, _Measured(results, noise, number))
            verdicts.append(verdict)
            found += [fault] if fault else []
        trajectory = Trajectory.read(plan["trajectory"])
        unjudged = trajectory.names if trajectory else frozenset()
        ways = {model["name"]: model["prompting"] for model in plan["models"] if model["name"] not in unjudged}
        if not ungrounded:
            judged = examined({suite["name"]: suite["judge"] for suite in plan["suites"]}, results, ways)
            found += [] if _equal(judged, run["judge"]) else ["judge: is not what the judgements give"]
        again = beyond_prompts(
            ways, {suite["name"]: suite["metrics"][0] for suite in plan["suites"] if suite["gates"]}, results
        )
        found += [] if _equal(again, run["prompting"]) else ["prompting: is not what the records give"]
        followed = _followed(plan, trajectory, results)
        found += [] if _equal(followed, run["trajectory"]) else ["trajectory: is not what the records give"]
        verdicts, faults = _settled(plan, run, verdicts, results)
        found += [*faults, *rung_faults(run_dir, plan, run, results)]
    outcome = Outcome.INVALID if found else aggregate(verdicts)
    if not found and outcome.value != run["outcome"]:
        found.append(f"outcome: run.json says {run['outcome']}, the verdicts make it {outcome}")
        outcome = Outcome.INVALID
    if not found and (fault := ending_fault(outcome, run["exit_code"])):
        found, outcome = [fault], Outcome.INVALID
    return Verified(outcome, bool(plan["partial"]), tuple(found), tuple(unchecked))


def _read(run_dir: Path) -> tuple[bytes, Document, Document]:
    if not run_dir.is_dir():
        raise BadRunDirectory(f"{run_dir}: no such directory; give a run directory such as runs/<time>-<id>")
    if not (run_dir / RUN_FILE).exists():
        raise BadRunDirectory(f"{run_dir}: has no receipt ({RUN_FILE}); the run never finished, continue or repeat it")
    try:
        plan_bytes = (run_dir / PLAN_FILE).read_bytes()
        plan, run = json.loads(plan_bytes), json.loads((run_dir / RUN_FILE).read_bytes())
        versions = {plan["schema_version"], run["schema_version"]}
        run["receipt"]["records"], run["verdicts"], run["results"], run["models"], plan["items"], plan["suites"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRunDirectory(f"{run_dir}: plan.json or run.json cannot be read ({error!r})") from error
    if versions != {SCHEMA_VERSION}:
        said = ", ".join(sorted(map(str, versions)))
        raise BadRunDirectory(
            f"{run_dir}: was written with schema {said}, this version reads {SCHEMA_VERSION}; repeat the run's command"
        )
    return plan_bytes, plan, run


def _plan_faults(plan_bytes: bytes, plan: Document, run: Document) -> Iterator[str]:
    promise = {key: plan[key] for key in ("options", "suites", "models", "items", "sweep", "trajectory")}
    if plan["digest"] != digest(promise):
        yield "plan.json: does not match its own digest; it was edited"
    if plan["policy"] != policy(plan):
        yield "plan.json: its policy is not the hash of what its gates ask; it was edited"
    if run["receipt"]["plan_sha256"] != sha256(plan_bytes) or run["plan"] != plan:
        yield "plan.json: is not the plan that run.json was made with"
    if run["receipt"]["exit_code"] != run["exit_code"]:
        yield "exit_code: is not what the receipt says that the run ended with; it was edited"
    if run["receipt"]["aa_sha256"] != digest(run["aa"]):
        yield "aa: is not what the receipt says of the base against itself; it was edited"
    if run["receipt"]["numbers_sha256"] != digest(run["numbers"]):
        yield "numbers: are not what the receipt says of the candidates before; they were edited"
    if run["partial"] != plan["partial"]:
        yield "run.json: says something else than the plan on whether the run is partial"
    if [item["node"] for item in plan["items"]] != [verdict["node"] for verdict in run["verdicts"]]:
        yield f"run.json: {len(run['verdicts'])} verdicts for {len(plan['items'])} planned gates, or in another order"
    if [model["name"] for model in plan["models"]] != [model["name"] for model in run["models"]]:
        yield "run.json: its models are not the planned ones"


@dataclass(frozen=True, slots=True)
class _Files:
    """The record files of a run, as its receipt lists them."""

    run_dir: Path
    plan: Document
    listed: Document

    def faults(self) -> Iterator[str]:
        present = {f"{RECORDS}/{path.name}" for path in (self.run_dir / RECORDS).iterdir() if path.suffix == ".jsonl"}
        for name in sorted(set(self.listed) ^ present):
            yield f"{name}: {'is missing' if name in self.listed else 'is not in the receipt'}"
        for name in sorted(set(self.listed) & present):
            entry, data = self.listed[name], (self.run_dir / name).read_bytes()
            if (self.run_dir / name).is_symlink():
                yield f"{name}: is no plain file; records are not followed to other places"
            elif name != f"{RECORDS}/{record_name(entry['suite'], entry['model'], entry['pool'])}":
                yield f"{name}: is listed as a record of something else"
            elif sha256(data) != entry["sha256"]:
                yield f"{name}: differs from the receipt; a record was edited"
            elif len(data.splitlines()) != entry["rows"]:
                yield f"{name}: {len(data.splitlines())} rows, the receipt says {entry['rows']}"
            else:
                yield from self._row_faults(name, entry, read_rows(data))

    def results(self) -> dict[tuple[str, str], SuiteResult]:
        """Every measurement, by suite and model; only after `faults` found none."""
        found = {}
        for name, entry in self.listed.items():
            if entry["pool"] is None:
                rows = read_rows((self.run_dir / name).read_bytes())
                found[entry["suite"], entry["model"]] = self._result(entry, rows)
        return found

    def _row_faults(self, name: str, entry: Document, rows: Sequence[Row]) -> Iterator[str]:
        suite = _suite(self.plan, entry["suite"])
        planned = [example_id for example_id, _ in suite["examples"]]
        if suite["keep"] is not None and entry["pool"] is None:
            pools = [
                self._result(other, read_rows((self.run_dir / file).read_bytes()))
                for file, other in self.listed.items()
                if other["suite"] == entry["suite"] and other["pool"] is not None
            ]
            if not pools:
                yield f"{name}: the pool measurements that chose its rows are missing"
                return
            planned = list(PassedByBase(**suite["keep"]).kept(pools))
        if len(rows) in (suite["looks"] or ()) and entry["model"] != self.plan["models"][0]["name"]:
            planned = planned[: len(rows)]  # measuring ended early; whether it may is for the gates, which read on
        if [row.id for row in rows] != planned:
            yield f"{name}: its rows are not the {len(planned)} planned ones"
        for row in rows:
            if [score.metric for score in row.scores] != suite["metrics"]:
                yield f"{name}: row {row.id} is not scored by the planned metrics"
                return

    def _result(self, entry: Document, rows: tuple[Row, ...]) -> SuiteResult:
        fingerprint = _suite(self.plan, entry["suite"])["fingerprint"]
        return SuiteResult(entry["suite"], fingerprint, entry["model"], rows, seconds=0.0)


def _result_faults(plan: Document, run: Document, results: Mapping[tuple[str, str], SuiteResult]) -> Iterator[str]:
    written = {(entry["suite"], entry["model"], entry["metric"]): entry for entry in run["results"]}
    for (suite, model), result in results.items():
        planned = _suite(plan, suite)
        unread = 0 if planned["keep"] else len(planned["examples"]) - len(result.rows)
        for entry in result_json(result, planned["metrics"], attempts=0, tried=0, unread=unread):
            said = written.pop((suite, model, str(entry["metric"])), None)
            if said is None or not all(_equal(said[key], entry[key]) for key in COMPARED):
                yield f"results: {entry['metric']} of {model} on {suite} is not what the records give"
    for suite, model, metric in written:
        yield f"results: {metric} of {model} on {suite} has no records"


class _Measured(NamedTuple):
    """All measurements of the run, the base's noise on the suite at hand, and which candidate the model is on it."""

    results: Mapping[tuple[str, str], SuiteResult]
    noise: Sequence[Noise] | None
    number: int | None


def _recomputed(plan: Document, item: Document, written: Document, measured: _Measured) -> tuple[Verdict, str]:
    """The item's verdict, and a fault when run.json says otherwise. An INVALID one is believed: it is never green."""
    results = measured.results
    suite, base = _suite(plan, item["suite"]), plan["models"][0]["name"]
    gate = _gate(suite, item["gate"])
    rested = [results.get((item["suite"], name)) for name in dict.fromkeys((base, item["model"]))]
    advisory = is_advisory(suite["judge"], gate, rested) or not suite["gates"]
    claimed = replace(_claimed(written), advisory=advisory, model=item["model"])
    if written["outcome"] in UNMEASURED:
        return claimed, ""
    ranking = Ranking.read(plan)
    confirm = ranking is not None and ranking.confirms(gate, suite=item["suite"], model=item["model"])
    trajectory = Trajectory.read(plan["trajectory"])
    try:
        prompted = [results[item["suite"], name] for name in _prompted(plan)]
        for beside in trajectory.needs(item["suite"], item["model"]) if trajectory else ():
            results[beside]  # a verdict counts only beside all that was planned with it
        candidate = None if item["model"] == base else results[item["suite"], item["model"]]
        terms, yardstick = _terms(plan, suite, measured.number), results[item["suite"], base]
        decided = terms.decide(gate, yardstick, candidate, confirm=confirm, prompted=prompted)
        decided = weigh(decided, suite["judge"], gate and terms.gate(gate), yardstick, candidate)
        if gate is not None:
            decided = with_unused(tempered(decided, measured.noise), suite["full"] - len(suite["examples"]))
    except KeyError:
        return claimed, f"{item['node']}: {written['outcome']} without records"
    except HarnessError as error:
        return claimed, f"{item['node']}: {written['outcome']}, but it cannot be decided: {error}"
    verdict = shown(decided, suite["gates"])
    again = verdict_json(item["node"], verdict)
    wrong = [key for key, value in again.items() if key != "advisory" and not _equal(written.get(key, MISSING), value)]
    return verdict, f"{item['node']}: {', '.join(wrong)} not as the records give ({verdict.outcome})" if wrong else ""


def _terms(plan: Document, suite: Document, number: int | None) -> Terms:
    """What the plan and the count of candidates make of a gate's error.

    Raises:
        NotMeasured: the plan spends error by candidate, and this one was not counted.
    """
    spends = plan["options"]["attempts"] == "spend"
    if spends and number is None:
        raise NotMeasured("run.json does not say which candidate on these rows it is; repeat the run")
    return Terms(suite["chance"], suite["first"], number if spends else None)


def _settled(
    plan: Document, run: Document, verdicts: list[Verdict], results: Mapping[tuple[str, str], SuiteResult]
) -> tuple[list[Verdict], list[str]]:
    """The verdicts as the sweep's choice leaves them, and what run.json says otherwise about either."""
    ranking, found = Ranking.read(plan), []
    if ranking is None:
        if run["sweep"] is not None:
            found.append("sweep: run.json tells of a sweep that was not planned")
    else:
        choice = ranking.choose(results)
        verdicts = ranking.settle(verdicts, choice)
        said = run["sweep"] or {}
        wrong = [key for key, value in choice.spec().items() if not _equal(said.get(key, MISSING), value)]
        found += [f"sweep: {', '.join(wrong)} not as the records give (winner: {choice.winner})"] if wrong else []
    for written, verdict in zip(run["verdicts"], verdicts, strict=True):
        if written["advisory"] is not verdict.advisory:
            found.append(f"{written['node']}: advisory is {written['advisory']}, it must be {verdict.advisory}")
    return verdicts, found


def _followed(
    plan: Document, trajectory: Trajectory | None, results: Mapping[tuple[str, str], SuiteResult]
) -> Document | None:
    if trajectory is None:
        return None
    rules = [
        Rules(
            suite["name"],
            suite["metrics"],
            without_judge(suite["judge"], [gate_from(gate) for gate in suite["gates"]]),
            suite["chance"],
        )
        for suite in plan["suites"]
        if requested(suite["judge"])
    ]
    return trajectory.follow(rules, results, base=plan["models"][0]["name"], prompted=_prompted(plan))


def _prompted(plan: Document) -> list[str]:
    """Names of the base's rows with other prompting."""
    return [model["name"] for model in plan["models"] if model["prompting"] in KINDS]


def _claimed(written: Document) -> Verdict:
    seen = None
    if written["observed"] is not None:
        seen = Estimate(written["observed"], written["low"], written["high"], written["n"], written["method"])
    names = ("suite", "gate", "model", "metric", "required", "n", "reason", "advisory")
    return Verdict(outcome=Outcome(written["outcome"]), observed=seen, **{name: written[name] for name in names})


def _suite(plan: Document, name: str) -> Document:
    suite: Document = {suite["name"]: suite for suite in plan["suites"]}[name]
    return suite


def _gate(suite: Document, text: str) -> Gate | None:
    return None if text == MEASURED else gate_from({gate["text"]: gate for gate in suite["gates"]}[text])


def _equal(one: object, other: object) -> bool:
    """Equal but for the last digits of numbers, however deep."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE
    return one == other
