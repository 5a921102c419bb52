"""Writes the page: one HTML file that opens from disk, asks nobody for anything and runs no script but its own."""

import os
import shlex
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.uncollected import uncollected
from reports import numbers
from reports.browser.embedded import BUDGET, Embedded, embed
from reports.browser.measured import NAME, Measurement, measure
from reports.browser.script import script
from reports.chance import p_value, p_words
from reports.headline import bounds, rule
from reports.load import Run, load, mean_of
from reports.page import Page, build
from reports.slices import FEW
from reports.sweep_page import setting_name, setting_value
from reports.texts import anchor, sentence, visible

__all__ = ["render", "render_template", "write_report"]

_STYLES = ("report.css", "charts.css")
_GLYPHS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "INVALID": "!", "NOT_RUN": "○", "CUT": "–"}


def write_report(run_dir: Path, *, limit: int = 20, budget: int = BUDGET) -> Path:
    """Make `report.html` from the files of a finished run, replacing an older one in one step.

    Where texts do not fit into the page, `records.parquet` is written beside it with all of them; else there is none.

    Args:
        run_dir: holds plan.json, records/ and run.json.
        limit: broken, and fixed, examples of each suite that are readable without scripts; the page says how many it
            leaves out.
        budget: bytes of the page that the texts of examples may take, >= 0.

    Raises:
        BadRunDirectory: the run is unfinished, malformed or was edited.
        Incomparable: base and candidate hold different examples.
    """
    with uncollected():  # rows hold no cycles, and looking for some takes a fifth of the time
        run = load(run_dir)
        measured = measure(run)
        browser = embed(run, measured, budget)
        with ThreadPoolExecutor(1) as meanwhile:
            beside = meanwhile.submit(_beside(run, measured, browser))  # compressing leaves the interpreter to the page
            page = render(build(run, limit), browser)
            beside.result()
    target = run_dir / "report.html"
    draft = run_dir / f".report-{os.getpid()}.html"
    draft.write_bytes(page.encode("utf-8"))
    draft.replace(target)
    return target


def _beside(run: Run, measured: Sequence[Measurement], browser: Embedded) -> Callable[[], object]:
    """What lays the texts beside the page that it leaves out, or takes away those that an older page left out."""
    if not browser.left_out:
        return partial((run.folder / NAME).unlink, missing_ok=True)
    from reports.browser.sidecar import write_sidecar  # pyarrow takes a moment to import, and few pages need it

    return partial(write_sidecar, run, measured)


def render(page: Page, browser: Embedded | None = None) -> str:
    """The page as HTML text that encodes as UTF-8 whatever the models wrote."""
    own = Markup(script())  # noqa: S704 (our own files; escaping would change what the policy's hash covers)
    return render_template(
        "report.html.j2", script=own, page=page, browser=browser or embed(page.run, measure(page.run))
    )


def render_template(name: str, *, script: Markup | None = None, **values: object) -> str:
    """A page of this room: its own style sheet and script, if it has one, are allowed by hash, and nothing else."""
    css = "".join(files("reports").joinpath(name).read_text(encoding="utf-8") for name in _STYLES)
    scripts = f"; script-src 'sha256-{_digest(script)}'" if script else ""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(css)}'{scripts}; connect-src 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
    style = Markup(css)  # noqa: S704 (our own file, see above)
    return _environment().get_template(name).render(style=style, policy=policy, script=script or "", **values)


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


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
    environment.filters |= {
        "shell": shlex.join,
        "sentence": sentence,
        "setting_name": setting_name,
        "setting_value": setting_value,
    }
    environment.globals |= {"p_value": p_value, "p_words": p_words}
    environment.globals |= {"anchor": anchor, "few": FEW, "glyphs": _GLYPHS}
    return environment


def _shown(value: Any) -> Any:  # noqa: ANN401 (whatever an expression of the template came to)
    """The one gate between values and page: hidden characters become visible, and nothing prints as `None`."""
    if value is None:
        raise TypeError("the page was about to print None: say what was not measured")
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
