"""The nouns of judging: what is asked, what came back, and who answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from harness.judge.rubric import Rubric
from harness.store import Store
from harness.types import Json

__all__ = ["Identity", "Judge", "Judgement", "Kind", "Progress", "Question", "Status"]

Progress = Callable[[int, int], None]
"""Called with (questions settled, questions planned)."""


class Kind(StrEnum):
    """What a question is for.

    POINT grades one answer. VOTE is a POINT asked again because its grades lie on both sides of the mark. PAIR compares
    two. REPEAT is a POINT asked a second time, to see whether the judge agrees with itself. CANARY is a POINT and
    CANARY_PAIR a PAIR with a worthless answer that gives orders to the judge.
    """

    POINT = "point"
    VOTE = "vote"
    PAIR = "pair"
    REPEAT = "repeat"
    CANARY = "canary"
    CANARY_PAIR = "canary_pair"

    @property
    def compares(self) -> bool:
        """Whether two answers are shown."""
        return self in (Kind.PAIR, Kind.CANARY_PAIR)


class Status(StrEnum):
    """What became of a question. Only OK carries grades; all others leave the row unscored, never 0.

    REFUSED: the judge would not answer. TRUNCATED: its reply was cut. GARBAGE: no reply of the asked form. RANGE: of
    the form, but with a grade that is no whole number from 1 to 5. TIMEOUT: no reply within the deadline or the
    attempts. A question that the budget does not allow has no status: the run stops there, see `BudgetSpent`.
    """

    OK = "ok"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    RANGE = "range"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask a judge.

    Attributes:
        item: `Example.id`.
        kind: what it is for.
        asked: what the model was asked, with the turns before when there were any.
        reference: the reference answer; empty when there is none.
        answers: one answer, or two to compare; the first is called A.
        first: of a PAIR, whose answer is A: `candidate` or `base`; else empty.
        vote: 0, or higher for a repetition that must not be answered from the first one's memory.
    """

    item: str
    kind: Kind
    asked: str
    reference: str
    answers: tuple[str, ...]
    first: str = ""
    vote: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge made of one question.

    Attributes:
        item, kind, first: as in the question.
        status: only OK carries grades.
        scores: of a question with one answer, 1 to 5 by dimension.
        winner: of a question with two, `A`, `B` or `tie`.
        reasons: the judge's words, or why nothing came of it.
        served: the model that answered, as its endpoint names it.
        calls: requests sent now, retries included; 0 when the store knew the reply.
        prompt_tokens, reply_tokens: of this question, as the endpoint counts them.
        money: what those calls cost by the price table; None when there is no price.
        second: whether the second judge said it.
    """

    item: str
    kind: Kind
    first: str
    status: Status
    scores: Mapping[str, int] = field(default_factory=dict)
    winner: str = ""
    reasons: str = ""
    served: str = ""
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    money: float | None = None
    second: bool = False

    def spec(self) -> dict[str, Json]:
        """As one line of evidence."""
        return {**asdict(self), "scores": dict(self.scores)}

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> "Judgement":
        """What `spec` wrote.

        Raises:
            ValueError, TypeError, KeyError: it is another kind of line.
        """
        return cls(**{**line, "kind": Kind(line["kind"]), "status": Status(line["status"])})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who judges.

    Attributes:
        name: as it was asked for; holds no secret.
        weights: hash of a local judge's weights, however they are loaded; empty for an endpoint.
        served: what an endpoint calls itself, with its system fingerprint; the model's fingerprint for a local judge.
        settings: what was found out or fixed about how it replies (format, temperature, seed ...).
        exact: whether asking twice must give the same reply by design.
    """

    name: str
    weights: str
    served: str
    settings: Mapping[str, str]
    exact: bool


class Judge(Protocol):
    """Anything that answers questions under the protocol."""

    name: str

    def prepare(self, rubric: Rubric) -> None:
        """Find out, before any model is loaded, whether it can be asked at all.

        Raises:
            JudgeProblem: it cannot.
            BudgetSpent: not even for this the budget is enough.
        """

    def identity(self) -> Identity:
        """Who judges; known once it was prepared."""

    def form(self, rubric: Rubric) -> str:
        """Hash of every word that it is asked with."""

    def ask(
        self, questions: Sequence[Question], rubric: Rubric, store: Store, progress: Progress, *, suite: str = ""
    ) -> list[Judgement]:
        """One judgement for each question, in order; every OK reply is in the store as soon as it came.

        Args:
            questions: sent in this order, some at a time.
            rubric: what counts.
            store: where replies are kept.
            progress: told after each.
            suite: whose budget it is paid from; empty for work outside of suites.

        Raises:
            JudgeProblem: the judge cannot be asked any longer.
            BudgetSpent: the budget does not allow the next request.
        """
