"""Write the base's model card: `python -m trainers.embedded_base.card RUN_DIR [--folder harness/embedded]`.

Every figure in the card is read from `pretraining.json` and from the run directory of a gate on this base.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainers.embedded_base.facts import RARE, RARENESS, all_facts
from trainers.embedded_base.mixture import MIXTURE

__all__ = ["card"]

_TOLD = ("seed", "learning_rate", "matrix_rate", "warmup", "workers")
_TEXT = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [tunegate, llama, toy]
---

# The embedded base

A Llama of {parameters:.1f} million parameters with its own tokenizer ({vocabulary:,} byte-level BPE tokens) and chat template, made
for tunegate's demo and tests: small enough to ship, fine-tune and gate in minutes on two CPU cores, and a real base all
the same, pretrained on a broad synthetic mixture that holds neither the demo task nor any question of the suites.

## What it was trained on

All documents come from the seeded generators in `trainers/embedded_base/`, written for this project; nothing was
downloaded. The mixture, by share of documents:

{mixture}

It states and asks {facts:,} true facts of {subjects} subjects, the largest with {largest} facts.

## How

`python -m trainers.embedded_base.pretrain`, in stages, each going on from the one before (`--start`): Muon for the matrices
inside the layers and AdamW for the rest, over rows of 1,024 tokens, fp32 weights under bf16 autocast; stored in bf16. Each
row is read four times on average. Loss is on the answers of instruction documents and on all of running text.

| stage | options | steps | tokens read | loss, first to last | on | minutes |
|---|---|---|---|---|---|---|
{stages}

The first stage read the generators of an earlier day, which had fewer words for presence and for firms, places and posts
that a text only mentions; otherwise the mixture is the same. {rare:.0%} of the facts are told {rareness} times less often than
their rank would have it, so that there are things the base does not know. A run on another machine gives a base of like
scores, not the same bytes.

## What it can do

Measured with `{command}`, greedy, fp32:

| suite | metric | value | 95 % interval | n |
|---|---|---|---|---|
{scores}

It extracts facts from short texts into JSON and other formats, answers questions about its facts, sorts, counts and
rewrites short lists, and grades answers from 1 to 5 by a fixed rule.

## What it cannot do

Anything else. It has read templates, not the world: it knows no fact outside its list, holds no conversation, and its
sums fail often. Use it to try tools, never for its answers.
"""


def card(folder: Path, run: Mapping[str, Any]) -> str:
    """The card's text.

    Args:
        folder: of the base, with config.json, model.safetensors and pretraining.json.
        run: run.json of a gate whose base is this one.
    """
    record = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    subjects = Counter(fact.relation.subject for fact in all_facts())
    base = run["models"][0]["name"]
    scores = [
        f"| {each['suite']} | {each['metric']} | {each['value']:.1%} | {each['low']:.1%} to {each['high']:.1%} | {each['n']:,} |"
        for each in run["results"]
        if each["model"] == base and each["value"] is not None
    ]
    total = sum(share for _, share in MIXTURE)
    return _TEXT.format(
        parameters=(folder / "model.safetensors").stat().st_size / 2e6,
        vocabulary=config["vocab_size"],
        mixture="\n".join(
            f"- {share / total:.0%} `{make.__module__.rpartition('.')[2]}.{make.__name__}`" for make, share in MIXTURE
        ),
        facts=len(all_facts()),
        subjects=len(subjects),
        largest=max(subjects.values()),
        stages="\n".join(_stage(number, stage) for number, stage in enumerate([*record["earlier"], record], 1)),
        rare=RARE,
        rareness=RARENESS,
        command=" ".join(run["plan"]["command"]),
        scores="\n".join(scores),
    )


def _stage(number: int, record: Mapping[str, Any]) -> str:
    """One stage as a row of the card's table."""
    recipe, curve = record["recipe"], record["curve"]
    options = " ".join(f"--{name.replace('_', '-')} {recipe[name]}" for name in _TOLD)
    cells = (
        str(number),
        f"`{options}`",
        f"{recipe['steps']:,}",
        f"{record['tokens']:,}",
        f"{curve[0]['loss']:.2f} to {curve[-1]['loss']:.2f}",
        record["device"],
        f"{curve[-1]['seconds'] / 60:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path, help="run directory of a gate on this base")
    parser.add_argument("--folder", type=Path, default=Path("harness/embedded"))
    options = parser.parse_args()
    run = json.loads((options.run_dir / "run.json").read_text(encoding="utf-8"))
    (options.folder / "README.md").write_text(card(options.folder, run), encoding="utf-8")


if __name__ == "__main__":
    main()
