"""Runs the `run:` steps of a composite action, or of a job, with bash, as GitHub would: expressions, outputs, `if`.

Only what our own files use is understood; any other expression is an error, so that none is passed over.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = ["Command", "Ran", "commands", "expand", "load_yaml", "run_steps"]

_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
_CONDITION = re.compile(r"always\(\)|([\w.-]+) != ''")
_NAMES = {"add-mask", "debug", "endgroup", "error", "group", "notice", "save-state", "set-output", "warning"}


@dataclass
class Ran:
    """What became of the steps: exit code of the first that failed, used actions with their inputs, what was said."""

    code: int = 0
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    said: str = ""
    names: list[str] = field(default_factory=list)
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


class Command(NamedTuple):
    """A line of a log that a runner takes for a command."""

    name: str
    properties: dict[str, str]
    message: str


def commands(log: str) -> list[Command]:
    """What a runner carries out of a log: `::name k=v,k=v::text` behind blanks, and `##[name k=v;]text` anywhere.

    Between `::stop-commands::TOKEN` and `::TOKEN::` it listens to nothing else.
    """
    found, token = list[Command](), ""
    for line in re.split(r"\r\n|\r|\n", log):
        if token:
            token = "" if line.strip() == f"::{token}::" else token
            continue
        match = re.match(r"\s*::([\w-]+) ?(.*?)::(.*)", line) or re.search(r"##\[([\w-]+) ?(.*?)\](.*)", line)
        if match and match[1] == "stop-commands":
            token = match[3]
        elif match and match[1] in _NAMES:
            pairs = (pair.partition("=") for pair in re.split("[,;]", match[2]) if pair)
            found.append(Command(match[1], {name: _unescaped(text) for name, _, text in pairs}, _unescaped(match[3])))
    return found


def _unescaped(text: str) -> str:
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def load_yaml(path: Path) -> dict[str, Any]:
    """The file as YAML has it; `on` stays a word."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # strings only, no objects


def expand(text: str, context: Mapping[str, str]) -> str:
    """`text` with its expressions replaced; one that is unknown is empty if a step may set it, else an error."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in context and not name.startswith("steps."):
            raise KeyError(name)
        return context.get(name, "")

    return _EXPRESSION.sub(value, text)


def run_steps(
    steps: list[dict[str, Any]], context: Mapping[str, str], home: Path, *, temp: Path, variables: Mapping[str, str]
) -> Ran:
    """Run the steps in `home`; after a failure only those whose `if` says `always()`."""
    ran, known = Ran(), dict(context)
    temp.mkdir(parents=True, exist_ok=True)
    summary, output = temp / "summary.md", temp / "output"
    summary.touch()
    for step in steps:
        if not _wanted(step.get("if", ""), known, failed=ran.code != 0):
            continue
        ran.names.append(step.get("name", ""))
        if "uses" in step:
            ran.used.append((step["uses"], {key: expand(text, known) for key, text in step.get("with", {}).items()}))
            continue
        assert step["shell"] == "bash"
        script = temp / "step.sh"
        script.write_text(step["run"])
        output.write_text("")
        own = {key: expand(text, known) for key, text in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": str(temp)}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=home,
            env={**os.environ, **files, **variables, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ran.said += done.stdout
        ran.code = ran.code or done.returncode
        told = dict(line.split("=", 1) for line in output.read_text().splitlines())
        known |= {f"steps.{step.get('id')}.outputs.{key}": text for key, text in told.items()}
        ran.outputs |= told
    ran.summary = summary.read_text()
    return ran


def _wanted(condition: str, known: Mapping[str, str], *, failed: bool) -> bool:
    terms = [
        term.strip() for term in condition.strip().removeprefix("${{").removesuffix("}}").split("&&") if term.strip()
    ]
    matched = [_CONDITION.fullmatch(term) for term in terms]
    assert all(matched), condition
    named = [match[1] for match in matched if match and match[1]]
    return ("always()" in terms or not failed) and all(known.get(name, "") for name in named)
