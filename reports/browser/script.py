"""The page's one script: our own files in order, so short a list that a reader of the source can follow it."""

from functools import cache
from importlib.resources import files

__all__ = ["script"]

_ORDER = (
    "text",
    "packed",
    "parquet",
    "differences",
    "example",
    "texts",
    "browser",
    "address",
    "start",
    "linked",
    "columns",
    "edges",
    "comforts",
)


@cache
def script() -> str:
    """The text of the script. It writes text nodes only, starts no request and needs no other file."""
    parts = (files("reports.browser").joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _ORDER)
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"
