"""Sweeps that are empty, misread, or whose best point is not what decides."""

from collections.abc import Callable
from pathlib import Path

from tests.playground import make_model
from tests.silent_pass.ways import Area, Way, edit, make_suite, nothing


def sweep(*points: str) -> tuple[str, ...]:
    """The options that sweep these points."""
    return tuple(word for point in points for word in ("--sweep", point))


def real(root: Path) -> None:
    """Let the trainers read the sweep."""
    text = "from trainers.sweep import make_sweep"
    edit(root / "conftest.py", "from tests.sweeping import FakeSweep", text)
    edit(root / "conftest.py", "return FakeSweep(options)", "return make_sweep(options)")


def file(text: str) -> Callable[[Path], None]:
    """Let the trainers read a file."""

    def apply(root: Path) -> None:
        real(root)
        (root / "sweep.toml").write_text(text)

    return apply


FILE = sweep("sweep.toml")

WAYS = [
    Way("the sweep holds no points", nothing, 4, "holds no points", sweep("none")),
    Way(
        "nobody trains",
        lambda root: edit(root / "conftest.py", "def pytest_tunegate_sweep", "def sweep"),
        4,
        "nothing here trains",
        sweep("good=117"),
    ),
    Way("every training fails", nothing, 11, "loss is nan", sweep("one=fails", "two=fails")),
    Way("every point is below its gate", nothing, 1, "winner: poor", sweep("poor=60", "poorer=30")),
    Way(
        "the best point fails and another is not measured",
        nothing,
        1,
        "winner: poor",
        sweep("poor=60", "broken=fails"),
    ),
    Way("the sweep stops at the first failure", nothing, 11, "never run", (*sweep("poor=60", "good=117"), "-x")),
    Way(
        "only the good point is selected",
        nothing,
        11,
        "partial run",
        (*sweep("poor=60", "good=117"), "-k", "good"),
        "verify",
    ),
    Way(
        "a failing adapter is given beside a good point",
        lambda root: make_model(root / "bad", right=30),
        1,
        "bad",
        (*sweep("good=117"), "--adapter", "bad"),
    ),
    Way(
        "a point is called like an adapter",
        lambda root: make_model(root / "good", right=117),
        4,
        "like another model",
        (*sweep("good=117"), "--adapter", "good"),
    ),
    Way(
        "half of the rows cannot show the gain",
        lambda root: make_suite(root, rows=104, gates='Gate("exact_match", min_gain=0.95)'),
        4,
        "examples cannot show it",
        sweep("good=117"),
    ),
    Way("what ranks the points is not there", nothing, 4, "nosuite", (*sweep("good=117"), "--rank-by", "nosuite")),
    Way("an axis is misspelt", real, 4, "did you mean 'rank'?", sweep("rnak=8,16")),
    Way("an axis has no values", real, 4, "a value is missing", sweep("rank=")),
    Way("a value is there twice", real, 4, "holds a value twice", sweep("rank=8,8")),
    Way("a value is out of range", real, 4, "rank", sweep("rank=0,8")),
    Way("a value is a word", real, 4, "rank", sweep("rank=eight,16")),
    Way("the sweep's file is not there", real, 4, "nowhere.toml", sweep("nowhere.toml")),
    Way("no sweep of that name ships", real, 4, "rank_by_targte", sweep("rank_by_targte")),
    Way("the sweep's file is empty", file(""), 4, "sweep.toml", FILE),
    Way("the sweep's grid is empty", file("grid = { rank = [] }"), 4, "an empty sweep decides nothing", FILE),
    Way("the sweep's key is misspelt", file("gird = { rank = [8, 16] }"), 4, "gird", FILE),
    Way("paired axes differ in length", file("paired = { rank = [8, 16], epochs = [1] }"), 4, "paired", FILE),
    Way("two points are the same", file("points = [{ rank = 8 }, { rank = 8 }]"), 4, "two points are called", FILE),
    Way("a sweep beside --base", nothing, 4, "--base beside --sweep", (*sweep("good=117"), "--base", "base2")),
]

AREA = Area("Sweeps", "pytest suites --model base --sweep ...", WAYS)
