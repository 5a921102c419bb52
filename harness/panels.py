"""The order in which `tunegate --help` shows the commands: the path from rows to a model card first, then the rest."""

from collections.abc import Iterable

import typer

__all__ = ["EPILOG", "PANELS", "arrange"]

REST = "More"
PANELS = {
    "Begin": ("init", "doctor"),
    "The path, in order; after train comes the gate, pytest suites/": (
        "plan",
        "audit",
        "train",
        "verify",
        "report",
        "card",
    ),
    "Look at runs": ("runs", "show", "compare", "compare-sweeps", "speed"),
    "Publish runs": ("summary", "comment", "history"),
    "Know what a gate can tell": ("power", "aa", "regression"),
    "Judges and people": ("calibrate-judge", "sheet"),
}
"""Title of each panel, and its commands in order; a command that none names is shown under `More`."""

EPILOG = """Three commands to begin with:

tunegate init gate --data rows.jsonl --schema schema.json

tunegate audit gate/data/train.jsonl --against gate/suites/

pytest suites/ --model embedded --adapter out/adapter
"""


def arrange(app: typer.Typer) -> None:
    """Put the commands of `app` into panels, in the order of `PANELS`. Call it once all of them are there."""
    places = {name: (index, title) for title, names in PANELS.items() for index, name in enumerate(names)}
    order = {name: number for number, name in enumerate(places)}
    last = len(order)

    def name(command: typer.models.CommandInfo | typer.models.TyperInfo) -> str:
        said = command.name if isinstance(command.name, str) else None
        return said or getattr(command.callback, "__name__", "").replace("_", "-")

    def titled(commands: Iterable[typer.models.CommandInfo | typer.models.TyperInfo]) -> None:
        for command in commands:
            command.rich_help_panel = places.get(name(command), (last, REST))[1]

    titled(app.registered_commands)
    titled(app.registered_groups)
    app.registered_commands.sort(key=lambda command: order.get(name(command), last))
