"""Money and calls: reserved before each request, settled after it, so that the cap is never passed. Fails closed."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BudgetSpent, UsageProblem

__all__ = ["Budget", "Price", "Reservation", "read_prices"]

_MILLION = 1e6


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
    """Room for one request that is about to be sent; `money` is 0 without a price."""

    money: float


class Budget:
    """What may still be spent. A request is sent only after `reserve`, and must be followed by `settle`."""

    def __init__(self, *, calls: int | None = None, money: float | None = None, price: Price | None = None) -> None:
        """Start with nothing spent.

        Raises:
            UsageProblem: neither bound is given, or a bound on money without the price of a token.
        """
        if calls is None and money is None:
            raise UsageProblem(
                "--judge: an endpoint needs a budget; give --judge-calls N, or --judge-budget and --judge-prices"
            )
        if money is not None and price is None:
            raise UsageProblem(
                "--judge-budget: the model has no price; add it to --judge-prices FILE, or use --judge-calls"
            )
        self.calls = 0
        self.spent = 0.0
        self._reserved = 0.0
        self._most_calls, self._most_money, self.price = calls, money, price

    def reserve(self, prompt_bytes: int, reply_tokens: int) -> Reservation:
        """Set aside what one request can cost at most.

        Args:
            prompt_bytes: of the whole request in UTF-8; no tokenizer makes more tokens than bytes.
            reply_tokens: the most that the reply may have.

        Raises:
            BudgetSpent: it might pass a bound; nothing was sent.
        """
        if self._most_calls is not None and self.calls >= self._most_calls:
            raise BudgetSpent(
                f"judge: the budget of {self._most_calls:,} calls is used up; every reply is kept, raise --judge-calls "
                "and repeat the command"
            )
        money = self.price.of(prompt_bytes, reply_tokens) if self.price else 0.0
        if self._most_money is not None and self.spent + self._reserved + money > self._most_money:
            raise BudgetSpent(
                f"judge: {self.spent:.4f} of {self._most_money:g} is spent and the next request may cost {money:.4f}; "
                "every reply is kept, raise --judge-budget and repeat the command"
            )
        self.calls += 1
        self._reserved += money
        return Reservation(money)

    def settle(self, reserved: Reservation, used: tuple[int, int] | None, *, billed: bool = True) -> float:
        """Replace a reservation by what was used, and return that.

        Args:
            reserved: of this request.
            used: prompt and reply tokens as the endpoint counts them; None when it did not say.
            billed: False when the endpoint refused the request, so that nothing was computed.

        Returns:
            Money. Without a count the whole reservation counts as spent: a reply that was lost may still be billed.
        """
        self._reserved -= reserved.money
        cost = 0.0
        if billed and self.price:
            cost = reserved.money if used is None else self.price.of(*used)
        self.spent += cost
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
