"""`tunegate init`: from rows of one's own to a project with suites, gates, a training and a CI file.

rows ──read_task──▶ Task ──split──▶ Split ──make_project──▶ files

`data/` holds links to the general questions of suites/data, so that a wheel carries them.
"""

from harness.starter.project import Made, Wanted, make_project

__all__ = ["Made", "Wanted", "make_project"]
