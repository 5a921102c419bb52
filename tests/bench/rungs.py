"""How well adapters on the way foretell their end, and what cutting by it comes to; a table, and bench/rungs.json.

    python -m tests.bench.rungs [--seeds 16] [--first 0] [--rows 1000] [--device cpu] [--quick]

The eight points of tests.bench.halving, all trained to the end in one pack, fp32. At 1/8, 1/4 and 1/2 of the steps
three adapters are measured of each point, by exact match on the select half, answers written greedily:

    last    the weights as they are
    later   the mean over the later half of the steps so far, which is what halving measures
    latest  the mean over the last quarter of them

From these scores follows who every way of cutting would have chosen. It is *within* when its exact match on the confirm
half reaches the lower bound of the best one's (Wilson, one-sided 95 %), and lies *behind* it by so many points on the
select half. One point drawn blindly is what all are compared with. A seed is of rows and training.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from statistics import fmean

import torch
from scipy.stats import spearmanr

import trainers.packed.fit as loop
from harness.chat import load_tokenizer, render
from harness.halving import Halving, best
from harness.metrics.exact_match import exact_match
from harness.models import locate
from harness.stats.proportions import wilson
from harness.sweeps import in_confirm
from harness.types import FinishReason, Generation
from suites.test_exact_match import suite
from tests.bench.halving import RANKS, RATES
from trainers.bases import load_base, stop_ids
from trainers.config import load_config
from trainers.material import gather, system_text
from trainers.packed.fit import PackTask, fit_pack
from trainers.packed.stack import Member
from trainers.sweep import DEFAULT

ROOT = Path(__file__).parents[2]
PARTS = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2))
KINDS = {"last": Fraction(1), "later": Fraction(1, 2), "latest": Fraction(3, 4)}
"""Of the steps so far, after which the mean begins; 1 is no mean."""
WAYS = ("eta=2,first=0", "eta=2", "eta=2,first=1/2", "eta=2,keep=2")
END = (Fraction(1), "last")
ONE_SIDED = 0.90
"""Of a two-sided interval whose lower bound is right in 95 %."""


def main() -> int:
    """Measure, print and write after every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16, help="sweeps (default: 16)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one (default: 0)")
    parser.add_argument("--rows", type=int, default=1000, help="training rows of each point (default: 1000)")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--quick", action="store_true", help="1 seed, 120 rows, 12 questions: no measurement")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.rows = 1, 120
    found = []
    for seed in range(options.first, options.first + options.seeds):
        found.append(scores_of(seed, options))
        told = report(found)
        sys.stdout.write(f"seeds {options.first} to {seed}\n{told}\n")
        out = ROOT / "bench" / "rungs.json"
        out.parent.mkdir(exist_ok=True)
        seeds = [
            {f"{part} {kind} {name}": marks for (part, kind), each in one.items() for name, marks in each.items()}
            for one in found
        ]
        out.write_text(json.dumps({"options": vars(options), "table": told, "seeds": seeds}), encoding="utf-8")
    return 0


def scores_of(seed, options):
    """Marks of answers, 0 or 1: by (part, kind), by point, of the select and the confirm half; None where not asked."""
    config = load_config(DEFAULT).model_copy(update={"rows": options.rows, "seed": seed})
    base = locate(config.model, config.revision)
    rows = gather(config, base, system_text(config)).rows
    model = load_base(base, dtype="float32", quantization=config.quantization, device=options.device)
    members = tuple(
        Member(
            f"r{rank}-lr{rate}",
            config.lora.model_copy(update={"rank": rank}),
            config.optim.model_copy(update={"learning_rate": rate}),
            seed,
        )
        for rank in RANKS
        for rate in RATES
    )
    with tempfile.TemporaryDirectory() as folder:
        kept, stack = weights_on_the_way(model, PackTask(config, members, rows, Path(folder) / "pack", "job"))
    ask = Questions(model, base, 12 if options.quick else None)
    found = {}
    for key, weights in kept.items():
        found[key] = {
            member.name: ask(stack.adapter(row, weights), member.lora.effective_scale, whole=key == END)
            for row, member in enumerate(members)
        }
        sys.stderr.write(f"seed {seed}: {key[1]} at {key[0]} measured\n")
    return found


def weights_on_the_way(model, task):
    """Train to the end; the stack's weights by (part, kind), and the stack."""
    stacks, sums, kept, plain = [], {}, {}, loop.Stack.__init__

    def init(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        stacks.append(self)

    def on_step(done, steps, _):
        weights = stacks[-1].weights
        for part in (*PARTS, Fraction(1)):
            last = -(-steps * part.numerator // part.denominator)
            for kind, after in KINDS.items():
                begin = last - 1 if kind == "last" else int(last * after)
                if begin < done <= last and (kind == "last" or part < 1):
                    total = sums.setdefault((part, kind), torch.zeros_like(weights))
                    total += weights
                    if done == last:
                        kept[part, kind] = total / (last - begin)

    loop.Stack.__init__ = init
    try:
        fit_pack(model, task, on_step=on_step, say=lambda line: sys.stderr.write(f"{line}\n"))
    finally:
        loop.Stack.__init__ = plain
    return kept, stacks[-1]


class Questions:
    """Asks the suite's questions of the base with an adapter added to it."""

    def __init__(self, model, base, limit) -> None:
        self._model, self._tokenizer = model.eval(), load_tokenizer(base)
        examples = suite.plan(limit)
        self._halves = [[each for each in examples if in_confirm(each) is confirm] for confirm in (False, True)]
        self._stops = sorted(stop_ids(base, self._tokenizer))
        self._layers = dict(model.named_modules())
        self._judge = exact_match()

    @torch.no_grad()
    def __call__(self, adapter, scale, *, whole):
        """Marks of the select half, and of the other one where `whole`."""
        before = {name: self._layers[name].weight.clone() for name in adapter}
        for name, (a, b) in adapter.items():
            self._layers[name].weight.add_(scale * (b @ a))
        marks = [self._marks(half) for half in (self._halves if whole else self._halves[:1])]
        for name, weight in before.items():
            self._layers[name].weight.copy_(weight)
        return marks if whole else [*marks, None]

    def _marks(self, examples):
        prompts = [render(self._tokenizer, suite.render.messages(each)).token_ids for each in examples]
        longest, device = max(map(len, prompts)), self._model.device
        read = torch.tensor([[0] * (longest - len(each)) + list(each) for each in prompts], device=device)
        there = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in prompts], device=device)
        how = {"do_sample": False, "eos_token_id": self._stops, "pad_token_id": self._stops[0]}
        written = self._model.generate(
            input_ids=read, attention_mask=there, max_new_tokens=suite.sampling.max_new_tokens, **how
        )
        told = []
        for prompt, answer in zip(prompts, written[:, longest:].tolist(), strict=True):
            end = next((at for at, token in enumerate(answer) if token in self._stops), None)
            ids = tuple(answer[:end])
            reason = FinishReason.LENGTH if end is None else FinishReason.STOP
            told.append(Generation(self._tokenizer.decode(ids), ids, reason, len(prompt), len(ids)))
        return [score.value for score in self._judge(examples, told)]


def report(seeds) -> str:
    """The table of all seeds."""
    lines = ["| measured on the way | correlation with the end at " + ", ".join(map(str, PARTS)) + " |", "|---|---|"]
    for kind in KINDS:
        told = [fmean(correlation(seed, part, kind) for seed in seeds) for part in PARTS]
        lines.append(f"| {kind} | {', '.join(f'{each:.2f}' for each in told)} |")
    lines += ["", f"| way | measured | within, of {len(seeds)} | behind, points | rank |", "|---|---|---|---|---|"]
    for way in WAYS:
        for kind in KINDS:
            told = [outcome(seed, chosen(seed, kind, way)) for seed in seeds]
            lines.append(row_of(f"{way} | {kind}", told))
    blind = defaultdict(list)
    for seed in seeds:
        for place, name in enumerate(seed[END]):
            blind[place].append(outcome(seed, name))
    lines.append(row_of("one point blindly | ", [each for told in blind.values() for each in told], share=len(blind)))
    return "\n".join(lines)


def row_of(head, told, *, share=1) -> str:
    """One line; of blind choices the expectation, over `share` of them."""
    within = sum(each[0] for each in told) / share
    return f"| {head} | {within:g} | {100 * fmean(each[1] for each in told):.1f} | {fmean(e[2] for e in told):.1f} |"


def select(seed, part, kind):
    """Means on the select half, by point."""
    return {name: fmean(marks[0]) for name, marks in seed[part, kind].items()}


def correlation(seed, part, kind) -> float:
    """Spearman's, over the points; 0 where all of one side are equal."""
    pair = [list(select(seed, *key).values()) for key in ((part, kind), END)]
    return float(spearmanr(*pair).statistic) if all(len(set(side)) > 1 for side in pair) else 0.0


def chosen(seed, kind, way) -> str:
    """The point that halving would have chosen."""
    end = select(seed, *END)
    alive = set(end)
    for rung in Halving.read(way).rungs(len(end)):
        scores = select(seed, rung.part, kind)
        alive = best({name: score for name, score in scores.items() if name in alive}, rung.stay)
    return max(sorted(alive), key=end.__getitem__)


def outcome(seed, name) -> tuple[bool, float, int]:
    """Whether a point is within the best one's interval, how far behind it, and its rank."""
    end = select(seed, *END)
    winner = max(sorted(end), key=end.__getitem__)
    theirs, its = seed[END][winner][1], seed[END][name][1]
    bound = wilson(round(sum(theirs)), len(theirs), ONE_SIDED).low
    return fmean(its) >= bound, end[winner] - end[name], 1 + sum(score > end[name] for score in end.values())


if __name__ == "__main__":
    sys.exit(main())
