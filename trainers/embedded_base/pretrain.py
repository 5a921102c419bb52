"""Pretrain the embedded base: `python -m trainers.embedded_base.pretrain --out DIR` (minutes on one GPU).

A Llama of 5.8 million parameters reads the endless mixture in rows of 1,024 tokens, each row a run of documents.
Weights are trained in fp32 under bf16 autocast and stored in bf16. Nothing is read from a network.
"""

import argparse
import json
import math
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from trainers.embedded_base.document import Document
from trainers.embedded_base.mixture import documents
from trainers.embedded_base.muon import Muon
from trainers.embedded_base.tokenizer import CONTEXT, train_tokenizer

__all__ = ["Recipe", "pretrain"]

KEPT = 64  # batches that a process can send again


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, besides the code.

    Attributes:
        steps: optimiser steps; each reads `rows` rows of 1,024 tokens.
        learning_rate: peak of AdamW's rate, reached after `warmup` steps; from there it falls in a line to zero.
        matrix_rate: the same of Muon, which moves the matrices inside the layers, in units of AdamW's rate.
        passes: times that a row is read on average. Writing rows takes the processes longer than learning from them
            takes a GPU, so each fresh batch is followed by some of the last 64.
        dropout: of BPE merges in a third of the prompts and a ninth of the answers, so that no token is only a step of
            merging: each one is read, copied and written.
        workers: generating processes; each has its own stream, so their number is part of the recipe.
    """

    steps: int = 13_366
    rows: int = 64
    learning_rate: float = 2.5e-3
    matrix_rate: float = 5e-3
    warmup: int = 300
    weight_decay: float = 0.1
    hidden: int = 256
    layers: int = 8
    heads: int = 4
    key_value_heads: int = 2
    intermediate: int = 512
    passes: int = 4
    workers: int = 15
    dropout: float = 0.1
    seed: int = 1


class _Rows(IterableDataset):  # type: ignore[misc]  # torch is not followed by the type checker
    """Endless (tokens, labels) batches of shape (rows, 1024) int64; unlearned positions have the label -100."""

    def __init__(self, tokenizer: Any, recipe: Recipe) -> None:
        self.exact, self.recipe = tokenizer.backend_tokenizer, recipe
        self.loose = type(self.exact).from_str(self.exact.to_str())
        self.loose.model.dropout = recipe.dropout

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        info = get_worker_info()
        name = f"{self.recipe.seed}/{info.id if info else 0}"
        rng, kept = Random(f"{name}/again"), deque[tuple[Any, Any]](maxlen=KEPT)
        for fresh in self._fresh(name):
            kept.append(fresh)
            yield fresh
            yield from rng.choices(kept, k=self.recipe.passes - 1)

    def _fresh(self, name: str) -> Iterator[tuple[Any, Any]]:
        stream = documents(name)
        width, height = CONTEXT + 1, self.recipe.rows
        tokens: list[int] = []
        learned: list[bool] = []  # in step with tokens
        while True:
            while len(tokens) < height * width:
                for ids, mask in self._encode([next(stream) for _ in range(500)]):
                    tokens += ids
                    learned += mask
            size = height * width
            rows = np.array(tokens[:size]).reshape(height, width)
            masks = np.array(learned[:size]).reshape(height, width)
            del tokens[:size], learned[:size]
            targets = np.where(masks, rows, -100)
            yield torch.from_numpy(rows[:, :-1].copy()), torch.from_numpy(targets[:, 1:].copy())

    def _encode(self, batch: list[Document]) -> Iterator[tuple[list[int], list[bool]]]:
        for index, document in enumerate(batch):
            for text, learn in document.parts:
                coder = self.loose if index % (9 if learn else 3) == 0 else self.exact
                ids = coder.encode(text, add_special_tokens=False).ids
                yield ids, [learn] * len(ids)


def build(recipe: Recipe, tokenizer: Any) -> Any:
    """The untrained model in fp32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(config)


def pretrain(recipe: Recipe, out: Path, *, start: Path | None = None, seconds: float | None = None) -> None:
    """Train and save model, tokenizer and `pretraining.json` (recipe, loss curve, earlier stages) to `out`.

    Args:
        recipe: what to do.
        out: folder, made if missing.
        start: folder of an earlier stage, whose tokenizer and weights this one goes on from.
        seconds: when given, `recipe.steps` is replaced by what fits, judged after 100 steps.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the generating processes are forked; each tokenizes alone
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    tokenizer = train_tokenizer(out) if start is None else load_tokenizer(start, out)
    model = build(recipe, tokenizer).to(device)
    if start is not None:
        safetensors.torch.load_model(model, start / "model.safetensors", strict=False)  # the tied head is not stored
    adamw, muon = _optimizers(model, recipe, fused=device == "cuda")
    forward = torch.compile(_loss) if device == "cuda" else _loss
    loader = DataLoader(
        _Rows(tokenizer, recipe),
        batch_size=None,
        num_workers=recipe.workers,
        prefetch_factor=8 if recipe.workers else None,
    )
    batches = iter(loader)
    steps, curve, started = recipe.steps, [], time.monotonic()
    step, waited = 0, 0.0  # seconds spent waiting for rows
    while step < steps:
        if step == 100:
            started_after_compile = time.monotonic()
        if step == 200 and seconds is not None:
            each = (time.monotonic() - started_after_compile) / 100
            steps = 200 + int((seconds - (time.monotonic() - started)) / each)
            print(f"{each * 1000:.1f} ms a step: {steps} steps", flush=True)
        share = _schedule(step, steps, recipe.warmup)
        for group in adamw.param_groups:
            group["lr"] = recipe.learning_rate * share
        asked = time.monotonic()
        ids, labels = (part.to(device) for part in next(batches))
        waited += time.monotonic() - asked
        with torch.autocast(device, torch.bfloat16):
            loss = forward(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        muon.step(recipe.matrix_rate * share)
        model.zero_grad(set_to_none=True)
        if step % 100 == 0 or step == steps - 1:
            point = {"step": step, "loss": loss.item(), "seconds": time.monotonic() - started, "waited": waited}
            curve.append({name: round(value, 4) for name, value in point.items()})
            print(json.dumps(curve[-1]), flush=True)
            if not math.isfinite(curve[-1]["loss"]):
                raise FloatingPointError(f"loss is not finite at step {step}: lower the learning rate")
        step += 1
    model.to(torch.bfloat16).save_pretrained(out)
    record = {
        "recipe": asdict(recipe) | {"steps": steps},
        "tokens": steps * recipe.rows * CONTEXT,
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "versions": {"torch": torch.__version__, "transformers": version("transformers")},
        "curve": curve,
        "earlier": [] if start is None else stages(start),
    }
    (out / "pretraining.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_tokenizer(start: Path, out: Path) -> Any:
    """The tokenizer of an earlier stage, saved again beside what comes of it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(start)
    tokenizer.save_pretrained(out)
    return tokenizer


def stages(folder: Path) -> list[Any]:
    """The records of a base's stages, first one first."""
    record = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    return [*record.pop("earlier", []), record]


def _optimizers(model: Any, recipe: Recipe, *, fused: bool) -> tuple[Any, Muon]:
    """AdamW for embedding and norms, Muon for the matrices inside the layers."""
    weights = dict(model.named_parameters())
    inside = [weight for name, weight in weights.items() if ".layers." in name and weight.ndim == 2]
    norms = [weight for weight in weights.values() if weight.ndim < 2]
    groups = [
        {"params": [model.get_input_embeddings().weight], "weight_decay": recipe.weight_decay},
        {"params": norms, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95), fused=fused)
    return adamw, Muon(inside, decay=recipe.weight_decay)


def _loss(model: Any, ids: Any, labels: Any) -> Any:
    """Mean cross entropy over learned positions; ids and labels (B, T), labels already shifted."""
    logits = model(input_ids=ids, use_cache=False).logits  # (B, T, V)
    return torch.nn.functional.cross_entropy(
        logits.view(-1, logits.shape[-1]).float(), labels.view(-1), ignore_index=-100
    )


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate: up in a line, down in a line to zero (Bergsma et al. 2025, arXiv 2502.15938)."""
    if step < warmup:
        return (step + 1) / warmup
    return (steps - step) / max(1, steps - warmup)


def main() -> None:
    """Command line: every field of the recipe is an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, tokenizer and record")
    parser.add_argument("--start", type=Path, help="folder of an earlier stage, to go on from its weights")
    parser.add_argument("--seconds", type=float, help="choose the number of steps so that training takes this long")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")
    options = vars(parser.parse_args())
    out, start, seconds = (options.pop(name) for name in ("out", "start", "seconds"))
    out.mkdir(parents=True, exist_ok=True)
    pretrain(Recipe(**options), out, start=start, seconds=seconds)


if __name__ == "__main__":
    main()
