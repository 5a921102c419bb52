"""All examples with all their texts as Parquet, for tools and for the page's file picker.

The layout is the plainest that Parquet knows, so that the page can read it without a library: no nulls, no nesting, no
dictionaries, text and 32-bit integers only, each column of a group of rows gzipped by itself.
"""

import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd  # noqa: F401  # pyarrow imports it with its first array, which must not happen beside other threads
import pyarrow as pa
import pyarrow.parquet as pq

from harness.types import Row
from reports.browser.measured import NAME, Measurement, cause, identity, milliseconds, names, written
from reports.load import Run
from reports.pairs import Pair

__all__ = ["write_sidecar"]

GROUP = 1000
"""Rows of a group: what the page reads to show one example."""
_TEXTS = (
    *("suite", "id", "model", "metric", "change", "cause", "tags", "prompt", "target"),
    *("base_output", "base_finish", "base_scores", "base_judge"),
    *("candidate_output", "candidate_finish", "candidate_scores", "candidate_judge"),
)
_NUMBERS = (
    *("base_prompt_tokens", "base_tokens", "base_ms"),
    *("candidate_prompt_tokens", "candidate_tokens", "candidate_ms"),
)


def write_sidecar(run: Run, measured: Sequence[Measurement]) -> Path:
    """Write `records.parquet` into the run directory, replacing an older one in one step.

    One row for each example and candidate, in the order of the page's index; of the base alone both sides are its own.
    `tags`, `..._scores` and `..._judge` are JSON. Nothing is cut; a lone surrogate, which UTF-8 cannot hold, is named.
    """
    target = run.folder / NAME
    draft = run.folder / f".records-{os.getpid()}.parquet"
    columns = [*((name, pa.string()) for name in _TEXTS), *((name, pa.int32()) for name in _NUMBERS)]
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns])
    options = {"compression": "gzip", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
    try:
        with pq.ParquetWriter(draft, schema, store_schema=False, data_page_version="1.0", **options) as writer:
            for rows in _groups(measured):
                writer.write_table(_table(rows, schema), row_group_size=GROUP)
            writer.add_key_value_metadata({"tunegate": identity(run)})
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)  # there only when a full disk or a bad value ended the writing
    return target


def _groups(measured: Sequence[Measurement]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows in groups of the same size but the last, across measurements."""
    group: list[tuple[Any, ...]] = []
    for each in measured:
        for pair in each.pairs:
            group.append(_row(each, pair))
            if len(group) == GROUP:
                yield group
                group = []
    if group:
        yield group


def _row(each: Measurement, pair: Pair) -> tuple[Any, ...]:
    old, new = pair.base, pair.candidate
    return (
        *(each.suite, old.id, each.model, each.metric, pair.change.value, cause(pair, each.metric), names(old.tags)),
        *(old.prompt, old.target),
        *(old.output, old.finish_reason.value, _scores(old), _encoded(each.base_opinions.get(old.id, ()))),
        *(new.output, new.finish_reason.value, _scores(new), _encoded(each.opinions.get(new.id, ()))),
        *(old.prompt_tokens, old.new_tokens, milliseconds(old)),
        *(new.prompt_tokens, new.new_tokens, milliseconds(new)),
    )


def _scores(row: Row) -> str:
    """An answer that is the whole output is not written twice."""
    read = (None if score.answer == row.output else score.answer for score in row.scores)
    scores = ((s.metric, s.value, answer, s.reason_code, s.where) for s, answer in zip(row.scores, read, strict=True))
    return _encoded(tuple(scores))


@lru_cache(maxsize=4096)
def _encoded(values: tuple[Any, ...]) -> str:
    """JSON; most rows have one of a few scores and no judge, so that most are encoded once."""
    return json.dumps(values)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    try:
        return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
    except UnicodeEncodeError:
        safe = [tuple(map(written, column)) if isinstance(column[0], str) else column for column in columns]
        return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(safe, schema, strict=True)], schema=schema)
