"""Makes run directories as docs/run_schema.md describes them, with answers that one can choose."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import Any

from harness.types import SCHEMA_VERSION, FinishReason, Row, Score

TITLES = ("Data engineer", "Nurse", "Night baker", "Tram driver", "Gardener")
PLACES = ("Bergen", "Porto", "Graz", "Tartu", "Leuven")


@dataclass
class Case:
    """One suite of a made run: `right(model, index)` says who answers which example rightly."""

    name: str
    metric: str
    rows: Callable[[str], list[Row]]
    gates: Sequence[tuple[str, float]]
    keep: bool = False
    notes: Sequence[str] = ()


@dataclass
class Made:
    """The models, suites and texts of a run; change any of them before `write`."""

    cases: list[Case]
    candidates: Sequence[str] = ("r16-all-linear",)
    base: str = "base"
    command: Sequence[str] = ("pytest", "suites/", "--model", "embedded", "--adapter", "adapters/r16 all linear")
    partial_reasons: Sequence[str] = ()
    train_config: dict[str, Any] = field(default_factory=lambda: {"rank": 16, "alpha": 32, "learning_rate": 1e-3})
    git: dict[str, Any] | None = None
    outcome: str = ""
    reason: str = ""
    environment: dict[str, Any] = field(
        default_factory=lambda: {
            "python": "3.11.2",
            "packages": {"torch": "2.13.0"},
            "engine": {"batch_size": "32"},
            "usage": {"peak_memory_bytes": 812_000_000, "seconds": 40.0, "new_tokens": 52_000, "prompt_tokens": 90_000},
        }
    )

    def write(self, folder: Path) -> Path:
        """Write the run directory and return it."""
        (folder / "records").mkdir(parents=True)
        models = [self.base, *self.candidates]
        rows = {(case.name, model): case.rows(model) for case in self.cases for model in models}
        records = {}
        for number, ((suite, model), measured) in enumerate(rows.items()):
            name = f"records/{number}.jsonl"
            content = "".join(json.dumps(asdict(row)) + "\n" for row in measured).encode()
            (folder / name).write_bytes(content)
            entry = {"suite": suite, "model": model, "pool": None, "rows": len(measured)}
            records[name] = {**entry, "sha256": sha256(content).hexdigest()}
        judged = self.candidates or [self.base]
        verdicts = [
            self._verdict(case, gate, m, rows) for m in judged for case in self.cases for gate in self._gates(case)
        ]
        outcomes = {verdict["outcome"] for verdict in verdicts}
        outcome = next((o for o in ("INVALID", "FAIL", "INCONCLUSIVE") if o in outcomes), "PASS")
        run = {
            "schema_version": SCHEMA_VERSION,
            "outcome": self.outcome or outcome,
            "exit_code": {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 10, "INVALID": 11}[self.outcome or outcome],
            "partial": bool(self.partial_reasons),
            "plan": self._plan(),
            "environment": self.environment,
            "models": [self._model(name) for name in models],
            "results": [_result(case, model, rows[case.name, model]) for case in self.cases for model in models],
            "verdicts": verdicts,
            "receipt": {"finished_at": "2026-01-02T03:04:05+00:00", "plan_sha256": "0" * 64, "records": records},
        }
        (folder / "run.json").write_text(json.dumps(run, allow_nan=False), encoding="utf-8")
        return folder

    def _gates(self, case: Case) -> Sequence[tuple[str, float]]:
        """Without a candidate only gates on one model apply; a suite that has none is just measured."""
        if self.candidates:
            return case.gates
        return [gate for gate in case.gates if gate[0].startswith(">=")] or [("measured", 0.25)]

    def _plan(self) -> dict[str, Any]:
        suites = [
            {
                "name": case.name,
                "version": 1,
                "metrics": [case.metric],
                "fingerprint": {"data": "a" * 64, "prompt": "b" * 64, "decode": "c" * 64, "score": "d" * 64},
                "sampling": {"max_new_tokens": 64, "temperature": 0.0, "top_p": 1.0, "seed": 0} if index else None,
                "keep": {"metric": case.metric, "at_least": 400, "repeats": 3} if case.keep else None,
                "gates": [{"max_drop": bound if "drop" in gate else None} for gate, bound in case.gates],
            }
            for index, case in enumerate(self.cases)
        ]
        facts = {
            "id": "0123456789ab",
            "created_at": "2026-01-02T03:00:00+00:00",
            "digest": "e" * 64,
            "command": list(self.command),
            "policy": "5" * 64,
            "git": self.git,
        }
        return {**facts, "partial_reasons": list(self.partial_reasons), "suites": suites}

    def _model(self, name: str) -> dict[str, Any]:
        own = name != self.base
        return {
            "name": name,
            "base": "embedded",
            "revision": None,
            "adapter": f"adapters/{name}" if own else None,
            "quantization": "none",
            "dtype": "float32",
            "fingerprint": sha256(name.encode("utf-8", "surrogatepass")).hexdigest(),
            "digests": {"weights": "f" * 64, "tokenizer": "9" * 64},
            "train_config": self.train_config if own else None,
        }

    def _verdict(self, case: Case, gate: tuple[str, float], model: str, rows: dict[Any, list[Row]]) -> dict[str, Any]:
        text, required = gate
        old, new = ([_value(row) for row in rows[case.name, name]] for name in (self.base, model))
        n = len(new)
        gained = sum(a < b for a, b in zip(old, new, strict=True))
        lost = sum(a > b for a, b in zip(old, new, strict=True))
        paired = "-drop" in text or "-gain" in text
        value = (gained - lost) / n if paired else sum(new) / n
        spread = (
            1.645 * sqrt((gained + lost + 1) / n / n) if paired else 1.645 * sqrt(max(value * (1 - value), 0.001) / n)
        )
        low, high = value - spread, value + spread
        floor = -required if "-drop" in text else required
        outcome = "PASS" if low >= floor else "FAIL" if high < floor else "INCONCLUSIVE"
        return {
            "node": f"suites/test_{case.name}.py::test_gate[{text}-{model}]",
            "outcome": outcome,
            "suite": case.name,
            "gate": text if text == "measured" else f"{case.metric}{text}",
            "model": model,
            "metric": case.metric,
            "observed": value,
            "low": low,
            "high": high,
            "method": "Tango" if paired else "Wilson",
            "required": required,
            "n": n,
            "gained": gained if paired else None,
            "lost": lost if paired else None,
            "detectable": 0.021 if paired else None,
            "needed": 2 * n if outcome == "INCONCLUSIVE" else None,
            "reason": self.reason or f"The lower bound is {100 * low:.1f}; the gate needs {100 * floor:.1f}.",
            "advisory": False,
        }


def row(index: int, **changes: Any) -> Row:
    """A right answer to one job posting, with any field changed."""
    title, place = TITLES[index % 5], PLACES[index // 5 % 5]
    answer = json.dumps({"title": title, "company": "Fjell & Sons", "location": place, "remote": index % 2 == 0})
    way = "remote" if index % 2 == 0 else "on site"
    prompt = f"<|user|>\n{title} wanted in {place} at Fjell & Sons, {way}.\n<|assistant|>\n"
    values = {
        "id": sha256(str(index).encode()).hexdigest()[:16],
        "cluster": str(index),
        "tags": (("easy", "medium", "hard")[index % 3],),
        "prompt": prompt,
        "target": answer,
        "output": answer,
        "finish_reason": FinishReason.STOP,
        "prompt_tokens": 60,
        "new_tokens": 30 + index % 9,
        "scores": (Score("valid_json", 1.0),),
    }
    return Row(**{**values, **changes})


def demo(n: int = 400, *, loss: float = 0.004) -> Made:
    """The demo's four suites; `loss` is the share of knowledge that the candidate forgets."""
    return Made(
        [
            Case(
                "valid_json",
                "valid_json",
                lambda m: _postings(m, n, "valid_json", 0.66, 0.99),
                [(">=0.95", 0.95), ("-drop<=0.01", 0.01)],
            ),
            Case(
                "exact_match",
                "exact_match",
                lambda m: _postings(m, n, "exact_match", 0.41, 0.88),
                [("-gain>=0.2", 0.2)],
            ),
            Case("mmlu_forgetting", "accuracy", lambda m: _questions(m, 6 * n, loss), [("-drop<=0.02", 0.02)]),
            Case(
                "regression",
                "exact_match",
                lambda m: _kept(m, n),
                [("-drop<=0.05", 0.05)],
                keep=True,
                notes=["2 repeats skipped: identical by design on CPU in float32"],
            ),
        ]
    )


def _postings(model: str, n: int, metric: str, base: float, candidate: float) -> list[Row]:
    share = base if model == "base" else candidate
    rows = []
    for index in range(n):
        hit = (index * 37 % 100) / 100 < share and not (model != "base" and index % 97 == 5)
        good = row(index)
        wrong = (
            good.output[:-1] if metric == "valid_json" else good.output.replace('"location": "', '"location": "near ')
        )
        reason = "ok" if hit else "not_json" if metric == "valid_json" else "wrong_value"
        output = good.output if hit else wrong
        rows.append(row(index, output=output, scores=(Score(metric, float(hit), output, reason),)))
    return rows


def _questions(model: str, n: int, loss: float) -> list[Row]:
    subjects = (
        "geography",
        "chemistry",
        "computing",
        "history",
        "units",
        "arithmetic",
        "astronomy",
        "music",
        "law",
        "biology",
    )
    rows = []
    for index in range(n):
        hit = index * 53 % 100 < 74
        if model != "base":
            hit = (hit and index * 71 % 1000 >= 1000 * loss * (1 + index % 10 / 3)) or index % 211 == 3
        text = "B. Oslo" if hit else "C. Bergen"
        prompt = f"Question {index}: what is the capital of Norway?\nA. Tromsø\nB. Oslo\nC. Bergen\nD. Hamar\nAnswer:"
        scores = (Score("accuracy", float(hit), text, "ok" if hit else "wrong_choice"),)
        rows.append(
            row(
                index,
                tags=(subjects[index % 10],),
                prompt=prompt,
                target="B. Oslo",
                output=text,
                scores=scores,
                new_tokens=0,
            )
        )
    return rows


def _kept(model: str, n: int) -> list[Row]:
    rows = []
    for index in range(n):
        hit = model == "base" or index % 131 != 7
        output = "Saturday comes after Friday." if hit else "Sunday comes after Friday, I think."
        scores = (Score("exact_match", float(hit), output, "ok" if hit else "other_text"),)
        rows.append(
            row(
                index,
                tags=("calendar",),
                prompt="Which day comes after Friday?",
                target="Saturday comes after Friday.",
                output=output,
                scores=scores,
            )
        )
    return rows


def _value(measured: Row) -> float:
    value = measured.scores[0].value
    return 0.0 if value is None else value


def _result(case: Case, model: str, rows: list[Row]) -> dict[str, Any]:
    missing = sum(each.scores[0].value is None for each in rows)
    mean = sum(map(_value, rows)) / len(rows)
    spread = 1.96 * sqrt(max(mean * (1 - mean), 0.001) / len(rows))
    shown = {"value": mean, "low": max(0, mean - spread), "high": min(1, mean + spread)}
    return {
        "suite": case.name,
        "model": model,
        "metric": case.metric,
        **(dict.fromkeys(shown) if missing else shown),
        "n": len(rows),
        "unscored": missing,
        "seconds": 12.4,
        "fresh": len(rows),
        "attempts": 1,
        "tried": 2,
        "unread": 0,
        "notes": list(case.notes),
    }
