"""lm-eval's own tasks by name, found without its index, which takes many times as long."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from harness.errors import BadSpec

__all__ = ["packaged"]

_NAME = r"[\"']?([\w.+/-]+)[\"']?"
_TASK = re.compile(rf"^[\"']?task[\"']?:[ \t]*{_NAME}[ \t]*$", re.MULTILINE)
_GROUP = re.compile(rf"^[\"']?(?:group|tag)[\"']?:[ \t]*{_NAME}[ \t]*$", re.MULTILINE)
_TAGS = re.compile(r"^[\"']?(?:group|tag)[\"']?:[ \t]*\n((?:[ \t]*-.*\n)+)", re.MULTILINE)
_ITEM = re.compile(rf"-[ \t]*{_NAME}")


def packaged(task: str) -> Path:
    """The file that defines a task of lm-eval's own.

    Raises:
        BadSpec: there is none of that name, or it is a group of tasks.
    """
    tasks, groups = _names()
    if task in tasks:
        return tasks[task]
    if task in groups:
        raise BadSpec(f"--lm-eval {task}: is a group of tasks; name the tasks themselves")
    near = get_close_matches(task, tasks, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`lm-eval ls tasks` lists them"
    raise BadSpec(f"--lm-eval {task}: lm-eval has no such task; {hint}")


@lru_cache(maxsize=1)
def _names() -> tuple[Mapping[str, Path], frozenset[str]]:
    """lm-eval's own tasks with their files, and its groups and tags; its own index takes many times as long."""
    import lm_eval.tasks

    tasks: dict[str, Path] = {}
    groups: set[str] = set()
    for path in sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        groups.update(_GROUP.findall(text), *(_ITEM.findall(block) for block in _TAGS.findall(text)))
        if found := _TASK.search(text):
            tasks.setdefault(found[1], path)
    return tasks, frozenset(groups)
