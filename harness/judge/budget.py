"""Money and calls: reserved before each request, settled after it, so that no cap is ever passed. Fails closed."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import BudgetSpent, UsageProblem
from harness.judge.daybook import DayBook

__all__ = ["UNBOUNDED", "Budget", "Caps", "Price", "Purse", "Reservation", "read_prices"]

_MILLION = 1e6
_CALLS, _MONEY = "--judge-calls", "--judge-budget"


@dataclass(frozen=True, slots=True)
class Caps:
    """The most of something, calls or money; None where there is no bound.

    Attributes:
        run: in one command.
        suite: for each suite of it.
        day: in a day, by UTC, for all commands with one store.
    """

    run: float | None = None
    suite: float | None = None
    day: float | None = None

    @property
    def given(self) -> bool:
        """Whether there is any bound."""
        return (self.run, self.suite, self.day) != (None, None, None)


UNBOUNDED = Caps()


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens, in whatever currency the budget is in."""

    input: float
    output: float

    def of(self, prompt_tokens: int, reply_tokens: int) -> float:
        """What that many tokens cost."""
        return (prompt_tokens * self.input + reply_tokens * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room for one request that is about to be sent; `money` is 0 without a price. It counts for suite and day."""

    money: float
    suite: str
    day: str


@dataclass(slots=True)
class _Account:
    """Requests sent, and money spent or set aside."""

    calls: int = 0
    money: float = 0.0


class Purse:
    """What all judges of one command may spend together."""

    def __init__(self, calls: Caps, money: Caps, daybook: DayBook | None = None) -> None:
        """Start with nothing spent but what the day book knows.

        Raises:
            UsageProblem: there is no bound at all.
        """
        if not (calls.given or money.given):
            raise UsageProblem(
                "--judge: an endpoint needs a budget; give --judge-calls N, or --judge-budget and --judge-prices"
            )
        self.money, self.suite = money, ""
        self._calls, self._daybook = calls, daybook
        self._accounts = {"": _Account()}

    @property
    def run(self) -> _Account:
        """Of the whole command."""
        return self._accounts[""]

    def take(self, money: float) -> Reservation:
        """Set aside one request and what it can cost at most.

        Raises:
            BudgetSpent: it might pass a bound; nothing was sent.
        """
        reserved = Reservation(money, self.suite, f"{datetime.now(UTC):%Y-%m-%d}")
        own = self._accounts.setdefault(self.suite, _Account())
        self._allow(self.run, money, (self._calls.run, self.money.run), "")
        if self.suite:
            self._allow(own, money, (self._calls.suite, self.money.suite), f" for suite {self.suite!r}")

        def today(calls: int, spent: float) -> None:
            self._allow(_Account(calls, spent), money, (self._calls.day, self.money.day), f" for {reserved.day} (UTC)")

        if self._daybook is not None:
            self._daybook.add(reserved.day, 1, money, today)
        for account in self._of(reserved):
            account.calls += 1
            account.money += money
        return reserved

    def give_back(self, reserved: Reservation, money: float) -> None:
        """Return what a request did not use of its reservation."""
        for account in self._of(reserved):
            account.money -= money
        if self._daybook is not None and money:
            self._daybook.add(reserved.day, 0, -money)

    def _of(self, reserved: Reservation) -> list[_Account]:
        return [self._accounts[name] for name in dict.fromkeys(("", reserved.suite))]

    @staticmethod
    def _allow(account: _Account, money: float, most: tuple[float | None, float | None], where: str) -> None:
        most_calls, most_money = most
        again = "every reply is kept, raise {} and repeat the command"
        if most_calls is not None and account.calls >= most_calls:
            raise BudgetSpent(f"judge: the budget of {most_calls:,g} calls{where} is used up; {again.format(_CALLS)}")
        if most_money is not None and account.money + money > most_money:
            raise BudgetSpent(
                f"judge: {account.money:.4f} of {most_money:g}{where} is spent or set aside, and the next request may "
                f"cost {money:.4f}; {again.format(_MONEY)}"
            )


class Budget:
    """One judge's part in a purse. A request is sent only after `reserve`, and must be followed by `settle`."""

    def __init__(self, purse: Purse, price: Price | None = None) -> None:
        """Start with nothing spent.

        Raises:
            UsageProblem: money is bounded, and a token has no price.
        """
        if purse.money.given and price is None:
            raise UsageProblem(
                "--judge-budget: the model has no price; add it to --judge-prices FILE, or use --judge-calls"
            )
        self.purse, self.price = purse, price

    @property
    def calls(self) -> int:
        """Requests sent by all judges of the purse."""
        return self.purse.run.calls

    @property
    def spent(self) -> float:
        """Money spent or set aside by all of them."""
        return self.purse.run.money

    def reserve(self, prompt_bytes: int, reply_tokens: int) -> Reservation:
        """Set aside what one request can cost at most.

        Args:
            prompt_bytes: of the whole request in UTF-8; no tokenizer makes more tokens than bytes.
            reply_tokens: the most that the reply may have.

        Raises:
            BudgetSpent: it might pass a bound; nothing was sent.
        """
        return self.purse.take(self.price.of(prompt_bytes, reply_tokens) if self.price else 0.0)

    def settle(self, reserved: Reservation, used: tuple[int, int] | None, *, billed: bool = True) -> float:
        """Replace a reservation by what was used, and return that.

        Args:
            reserved: of this request.
            used: prompt and reply tokens as the endpoint counts them; None when it did not say.
            billed: False when the endpoint refused the request, so that nothing was computed.

        Returns:
            Money. Without a count the whole reservation counts as spent: a reply that was lost may still be billed.
        """
        cost = 0.0
        if billed and self.price:
            cost = reserved.money if used is None else self.price.of(*used)
        self.purse.give_back(reserved, reserved.money - cost)
        return cost


def read_prices(path: Path) -> Mapping[str, Price]:
    """Prices by model, from TOML: one table `["model"]` each, with `input` and `output` for a million tokens.

    Raises:
        UsageProblem: the file cannot be read, or a price is no finite number of at least 0.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageProblem(f"--judge-prices {path}: cannot be read ({error}); give a TOML file") from error
    return {model: _price(path, model, table) for model, table in tables.items()}


def _price(path: Path, model: str, table: Any) -> Price:  # noqa: ANN401  # whatever TOML holds
    if not isinstance(table, dict) or table.keys() != {"input", "output"}:
        raise UsageProblem(
            f"--judge-prices {path}: [{model!r}] needs exactly `input` and `output`, for a million tokens"
        )
    for key, value in table.items():
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        if not good:
            raise UsageProblem(f"--judge-prices {path}: {key} of {model!r} is {value!r}; give a number of at least 0")
    return Price(float(table["input"]), float(table["output"]))
