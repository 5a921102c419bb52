"""Writes the page: one HTML file that opens from disk, asks nobody for anything and runs no script."""

import os
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import numbers
from reports.headline import bounds, rule
from reports.load import load, mean_of
from reports.page import Page, build
from reports.slices import FEW
from reports.sweep_page import setting_name, setting_value
from reports.texts import anchor, visible

__all__ = ["render", "render_template", "write_report"]

_STYLES = ("report.css", "charts.css")
_GLYPHS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "INVALID": "!", "NOT_RUN": "○"}


def write_report(run_dir: Path, *, limit: int = 50) -> Path:
    """Make `report.html` from the files of a finished run, replacing an older one in one step.

    Args:
        run_dir: holds plan.json, records/ and run.json.
        limit: broken, and fixed, examples shown for each suite; the page says how many it leaves out.

    Raises:
        BadRunDirectory: the run is unfinished, malformed or was edited.
        Incomparable: base and candidate hold different examples.
    """
    page = render(build(load(run_dir), limit))
    target = run_dir / "report.html"
    draft = run_dir / f".report-{os.getpid()}.html"
    draft.write_bytes(page.encode("utf-8"))
    draft.replace(target)
    return target


def render(page: Page) -> str:
    """The page as HTML text that encodes as UTF-8 whatever the models wrote."""
    return render_template("report.html.j2", page=page)


def render_template(name: str, **values: object) -> str:
    """A page of this room: its own style sheet allowed by hash, and nothing else."""
    css = "".join(files("reports").joinpath(name).read_text(encoding="utf-8") for name in _STYLES)
    digest = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    style = Markup(css)  # noqa: S704 (our own file; escaping would change what the policy's hash covers)
    return _environment().get_template(name).render(style=style, policy=policy, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(numbers, name) for name in numbers.__all__}
    environment.filters |= {"bounds": bounds, "rule": rule, "mean_of": mean_of}
    environment.filters |= {"setting_name": setting_name, "setting_value": setting_value}
    environment.globals |= {"anchor": anchor, "few": FEW, "glyphs": _GLYPHS}
    return environment


def _shown(value: Any) -> Any:  # noqa: ANN401 (whatever an expression of the template came to)
    """The one gate between values and page: hidden characters become visible, and nothing prints as `None`."""
    if value is None:
        raise TypeError("the page was about to print None: say what was not measured")
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
