"""A sweep of made-up points: `--sweep small=380:1000` answers 380 questions right and counts 1,000 parameters.

In place of the number, `fails` makes training fail. A point whose name starts with `full` is a model of its own.
`r8=380:1000:lora.rank=8,lora.target_modules=qv,cut=20` sets more, of which `cut` are answers that are cut short, and
such a point leaves the account of a training: ten seconds and a megabyte for each thousand parameters, a peak of a
hundred times that, and a curve.
What is trained is written to `trained.log`.

On the way a point answers three quarters of its questions, and of the others the part that it has of its steps; one
with `late=1` answers none of them before the end, one with `dies=1` cannot be trained beyond a half, and one whose name
starts with `solo` cannot be stopped. What was stopped leaves the account of its training as far as it went.
"""

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from harness.errors import HarnessError, NotMeasured
from harness.halving import Reached
from harness.options import Options
from harness.sweeps import Point, Screen
from harness.types import Json, ModelRef
from tests.playground import make_model
from tests.training import STEPS, point

__all__ = ["CONFTEST", "FakeSweep"]

CONFTEST = """
import harness.session
from tests.playground import FakeBackend
from tests.sweeping import FakeSweep
harness.session.make_backend = lambda options: FakeBackend()
pytest_plugins = ["harness.plugin"]
def pytest_tunegate_sweep(options): return FakeSweep(options)
"""


@dataclass(frozen=True)
class FakeSweep:
    """Implements `harness.sweeps.Sweep` with the models of the playground."""

    options: Options
    rank_by: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What stands before `=`."""
        return tuple(word.partition("=")[0] for word in self.options.sweep if word != "none")

    def plan(self, base: ModelRef, system: str) -> tuple[Point, ...]:  # noqa: ARG002
        """A point for each word."""
        return tuple(self._point(base, word) for word in self.options.sweep)

    def train(self, name: str, screen: Screen) -> bool:
        """Make the model's folder, once."""
        right = self._words()[name].partition(":")[0]
        if right == "fails":
            raise NotMeasured(f"training {name} failed: loss is nan")
        folder = self._folder(name)
        if folder.exists():
            return False
        size, more = [*self._words()[name].split(":"), "", ""][1:3]
        settings = _settings(more)
        make_model(folder, right=int(right), cut=settings.get("cut", 0))
        if settings:
            curve = [point(step, STEPS) for step in range(1, STEPS + 1)]
            cost = {"seconds": int(size) / 100, "adapter_bytes": 1000 * int(size)}
            cost |= {"peak_memory_bytes": 100_000 * int(size)}
            (folder / "training.json").write_text(json.dumps({"curve": curve, **cost}))
        screen.say(f"trained {name}")
        with Path("trained.log").open("a") as log:
            log.write(f"{name}\n")
        return True

    @property
    def uncut(self) -> dict[str, str]:
        """Those that are called so."""
        return {name: "it is no adapter" for name in self.names if name.startswith("solo")}

    def reach(self, names, screen: Screen, *, after: Fraction, until: Fraction) -> dict[str, Reached | HarnessError]:
        """Make each model's folder for a part of the steps, once."""
        return {name: self._reached(name, screen, after, until) for name in names}

    def _reached(self, name: str, screen: Screen, after: Fraction, until: Fraction) -> Reached | HarnessError:
        right, size, more = [*self._words()[name].split(":"), "", ""][:3]
        settings = _settings(more)
        if right == "fails" or (settings.get("dies") and until > Fraction(1, 2)):
            return NotMeasured(f"training {name} failed: loss is nan")
        base = ModelRef("base", "base")
        model = self._point(base, f"{name}={self._words()[name]}").model
        if until == 1:
            return Reached(model, STEPS, STEPS, self.train(name, screen))
        folder, step = self._folder(f"{name}.at-{until.numerator}-{until.denominator}"), ceil(STEPS * until)
        fresh = not folder.exists()
        if fresh:
            make_model(folder, right=0 if settings.get("late") else int(int(right) * (3 + until) / 4))
            curve = [point(each, STEPS) for each in range(1, step + 1)]
            told = {"curve": curve, "seconds": int(size or 0) / 100}
            (folder / "training.json").write_text(json.dumps(told))
            with Path("trained.log").open("a") as log:
                log.write(f"{name}@{after}-{until}\n")
        return Reached(replace(model, adapter=str(folder)), step, STEPS, fresh)

    def _words(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in self.options.sweep)

    def _folder(self, name: str) -> Path:
        return self.options.store / "adapters" / name

    def _point(self, base: ModelRef, word: str) -> Point:
        name, _, rest = word.partition("=")
        _, size, more = [*rest.split(":"), "", ""][:3]
        rate = {"optim.learning_rate": int(size) / 1e6} if size and not more else {}
        rate |= {key: value for key, value in _settings(more).items() if key not in ("cut", "late", "dies")}
        where = "base" if name.startswith("full") else "adapter"
        model = replace(base, name=name, **{where: str(self._folder(name))})
        derived = {"lora.rank": len(base.base)} if size and not more else {}  # as matched ranks differ between bases
        return Point(name, model, rate | derived, job=name, parameters=int(size) if size else None, given=rate)


def _settings(words: str) -> dict[str, Json]:
    """`lora.rank=8,lora.target_modules=qv` as a mapping; what reads as a whole number is one."""
    pairs = (word.partition("=") for word in words.split(",") if word)
    return {key: int(value) if value.isdigit() else value for key, _, value in pairs}
