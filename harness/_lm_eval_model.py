"""The model that lm-eval is given: it answers from the store, and asks the model in memory for the rest."""

import io
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from inspect import signature
from typing import Any, TypeVar

from harness._lm_eval_encoding import remembered
from harness._tail_logits import tail_logits
from harness.answers import Engine
from harness.backends import LoadedModel
from harness.errors import ModelProblem, NotMeasured
from harness.fingerprint import digest
from harness.quiet import quiet
from harness.types import Json, ModelRef

__all__ = ["Reply", "StoredModel"]

Answer = TypeVar("Answer")
_KEY_VERSION = 2  # of the layout of keys and values below
_BATCHES_A_CHUNK = 4  # a chunk is what a kill can lose
_COMPANY = 16  # prompts that a head must have to be a group of its own


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model makes of one prompt.

    Attributes:
        logprobs: log-likelihood of each option, in order; finite.
        greedy: whether each option is what greedy decoding would write.
        prompt_tokens: length of the whole prompt.
        cut: whether the prompt was longer than the context, and lost its start.
    """

    logprobs: tuple[float, ...]
    greedy: tuple[bool, ...]
    prompt_tokens: int
    cut: bool

    @property
    def best(self) -> int:
        """Index of the likeliest option; the first one of equals, as in lm-eval."""
        return max(range(len(self.logprobs)), key=self.logprobs.__getitem__)


class StoredModel:
    """What lm-eval's `evaluate` needs of a model, for multiple choice in one process.

    Chunks are cut from the whole plan, sorted by length, and computed whole: which prompts share a batch does not
    depend on what the store knows already. `fresh` counts the prompts that it did not know.
    """

    rank = 0
    world_size = 1

    def __init__(self, engine: Engine, model: ModelRef, *, suite: str) -> None:
        """Prepare to answer as `model`, which must be identified; nothing is loaded yet."""
        if not model.fingerprint:
            raise NotMeasured(f"model {model.name!r} was not identified, so its answers cannot be told from another's")
        self.fresh = 0
        self.replies: dict[str, Reply] = {}
        self.tokens: dict[str, int] = {}
        self._engine, self._model, self._suite = engine, model, suite
        self._context = {
            "version": _KEY_VERSION,
            "kind": "loglikelihood",
            "model": model.fingerprint,
            "policy": dict(engine.backend.policy()),
            "lm_eval": version("lm_eval"),
            "repeat": engine.repeat,
        }

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Log-likelihood of each request's continuation, and whether it is the greedy one; in order.

        Raises:
            NotMeasured: a log-likelihood is not finite.
        """
        asked: dict[str, dict[str, Any]] = {}
        for request in requests:
            prompt, option = request.args
            asked.setdefault(prompt, {}).setdefault(option, request)  # a repeated row is asked once
        keys = {prompt: self._key(prompt, options) for prompt, options in asked.items()}
        stored = self._engine.store.get_many(list(keys.values()))
        for prompt, key in keys.items():
            if reply := _reply(stored.get(key), len(asked[prompt])):
                self.replies[prompt] = reply
        self._compute(asked, keys)
        answers = {}
        for prompt, options in asked.items():
            reply = self.replies[prompt]
            for option, logprob, greedy in zip(options, reply.logprobs, reply.greedy, strict=True):
                answers[prompt, option] = (logprob, greedy)
        return [answers[request.args] for request in requests]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """Log-likelihood of each request's whole document, in order; `tokens` holds their lengths then.

        Raises:
            NotMeasured: a log-likelihood is not finite, or the backend gives none of documents.
        """
        documents = list(dict.fromkeys(request.args[0] for request in requests))
        keys = {text: digest({**self._context, "kind": "rolling", "document": text}) for text in documents}
        stored = self._engine.store.get_many(list(keys.values()))
        known = {text: value for text, key in keys.items() if (value := _rolled(stored.get(key)))}
        unknown = sorted((text for text in documents if text not in known), key=lambda text: (-len(text), text))
        self.fresh = len(unknown)
        self._engine.progress(self._model.name, self._suite, len(known), len(documents))
        scorer = _Scorer(self._engine.backend.loaded(self._model), self._model.name) if unknown else None
        for text in unknown:  # a document is many windows, which fill batches by themselves
            assert scorer is not None
            nats, tokens = scorer.roll(text)
            self._engine.store.put_many({keys[text]: {"nats": nats, "tokens": tokens}})
            known[text] = (nats, tokens)
            self._engine.progress(self._model.name, self._suite, len(known), len(documents))
        self.tokens = {text: tokens for text, (_, tokens) in known.items()}
        return [known[request.args[0]][0] for request in requests]

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the prompts."""
        cut = sum(reply.cut for reply in self.replies.values())
        said = f"{cut} of {len(self.replies)} prompts exceed the model's context and were cut at the start"
        return (said,) if cut else ()

    def _compute(self, asked: Mapping[str, Mapping[str, Any]], keys: Mapping[str, str]) -> None:
        """Ask the model for what the store did not know, and keep each chunk at once."""
        unknown = asked.keys() - self.replies.keys()
        self.fresh = len(unknown)
        self._engine.progress(self._model.name, self._suite, len(self.replies), len(asked))
        if not unknown:
            return
        scorer = _Scorer(self._engine.backend.loaded(self._model), self._model.name)
        for chunk in _chunks(asked, scorer.batch_size * _BATCHES_A_CHUNK, self._engine.repeat):
            if unknown.isdisjoint(chunk):
                continue
            replies = scorer.score({prompt: list(asked[prompt].values()) for prompt in chunk})
            self._engine.store.put_many({keys[prompt]: _stored(reply) for prompt, reply in replies.items()})
            self.replies.update(replies)
            self._engine.progress(self._model.name, self._suite, len(self.replies), len(asked))

    def _key(self, prompt: str, options: Iterable[str]) -> str:
        return digest({**self._context, "prompt": prompt, "options": list(options)})


class _Scorer:
    """The model in memory behind lm-eval's own class for transformers, or one that answers lm-eval by itself."""

    def __init__(self, loaded: LoadedModel, name: str) -> None:
        self.batch_size = loaded.batch_size
        self._name = name
        self._model: Any = loaded.model
        self._longest = 0  # tokens of the longest option asked for
        if not hasattr(loaded.model, "loglikelihood"):
            with quiet():
                from lm_eval.models.huggingface import HFLM

                self._model = HFLM(
                    pretrained=loaded.model,
                    tokenizer=loaded.tokenizer,
                    batch_size=loaded.batch_size,
                    softmax_dtype="float32",
                )
            self._model.tok_encode = remembered(loaded.tokenizer, self._model.tok_encode)
            inner = loaded.model.get_base_model() if hasattr(loaded.model, "peft_config") else loaded.model
            if "logits_to_keep" in signature(inner.forward).parameters:
                self._model._model_call = self._tail_logits  # noqa: SLF001  # the one place where lm-eval calls the model

    def score(self, chunk: Mapping[str, Sequence[Any]]) -> dict[str, Reply]:
        """The reply to each prompt of a chunk, all computed in one call."""
        requests = [request for options in chunk.values() for request in options]
        answers = iter(self._ask(requests))
        replies = {}
        for prompt, options in chunk.items():
            logprobs, greedy = zip(*(next(answers) for _ in options), strict=True)
            if not all(map(math.isfinite, logprobs)):
                raise NotMeasured(
                    f"model {self._name!r}: a log-likelihood is not finite ({logprobs[0]}); its numbers overflow, "
                    "try --dtype float32"
                )
            tokens = len(self._model.tok_encode(prompt))
            replies[prompt] = Reply(logprobs, greedy, tokens, cut=tokens > self._model.max_length)
        return replies

    def roll(self, document: str) -> tuple[float, int]:
        """Log-likelihood of a document in nats, and its tokens; windows as lm-eval cuts them."""
        from lm_eval.api.instance import Instance

        if not hasattr(self._model, "loglikelihood_rolling"):
            raise NotMeasured(f"model {self._name!r}: this backend gives no likelihood of documents; use --backend hf")
        self._longest = self._model.max_length  # every token of a window counts
        request = Instance("loglikelihood_rolling", {}, (document,), 0)
        with redirect_stderr(io.StringIO()):  # lm-eval draws a bar for each batch
            (nats,) = self._halving(lambda: self._model.loglikelihood_rolling([request], disable_tqdm=True))
        if not math.isfinite(nats):
            raise NotMeasured(f"model {self._name!r}: a log-likelihood is not finite ({nats}); try --dtype float32")
        return float(nats), len(self._model.tok_encode(document))

    def _tail_logits(self, tokens: Any) -> Any:  # noqa: ANN401  # tensors; torch is not followed by the type checker
        """What lm-eval asks of a batch; it counts positions from the end, so that a tail will do."""
        return tail_logits(self._model.model, tokens, longest=self._longest)

    def _ask(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Ask in batches that fit."""
        if hasattr(self._model, "_encode_pair"):  # lm-eval's own class; options are split off as it will split them
            pairs = (self._model._encode_pair(*request.args) for request in requests)  # noqa: SLF001
            self._longest = max(len(option) for _, option in pairs)
        return self._halving(lambda: self._model.loglikelihood(requests, disable_tqdm=True))

    def _halving(self, ask: Callable[[], list[Answer]]) -> list[Answer]:
        """Ask; a batch for which memory runs out is halved, and all is asked again."""
        import torch

        while True:
            try:
                answers = ask()
            except torch.OutOfMemoryError as error:
                if self._model.batch_size_per_gpu == 1:
                    raise ModelProblem(
                        f"model {self._name!r}: one question does not fit into memory; use --quantization"
                    ) from error
            else:
                return answers
            self._model.batch_size_per_gpu //= 2
            torch.cuda.empty_cache()


def _chunks(prompts: Collection[str], size: int, repeat: int = 0) -> Iterator[list[str]]:
    """Prompts with one head together, as far as a head has company, long ones first; a repetition shuffles them."""
    heads = Counter(map(_head, prompts))
    groups: dict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        head = _head(prompt)
        groups[head if heads[head] >= _COMPANY else ""].append(prompt)
    for _, group in sorted(groups.items()):
        ordered = sorted(group, key=lambda prompt: (-len(prompt), prompt))
        if repeat:
            random.Random(repeat).shuffle(ordered)  # noqa: S311  # an order, not a secret
        yield from (ordered[start : start + size] for start in range(0, len(ordered), size))


def _head(prompt: str) -> str:
    """The first paragraph, which in lm-eval's tasks is the description: what follows is shared where it is."""
    return prompt.partition("\n\n")[0]


def _stored(reply: Reply) -> Json:
    return {
        "logprobs": list(reply.logprobs),
        "greedy": list(reply.greedy),
        "prompt_tokens": reply.prompt_tokens,
        "cut": reply.cut,
    }


def _rolled(value: Json) -> tuple[float, int] | None:
    """Read a stored likelihood of a document, likewise."""
    match value:
        case {"nats": float(nats), "tokens": int(tokens)} if math.isfinite(nats) and nats <= 0 and tokens > 0:
            return nats, tokens
    return None


def _reply(value: Json, options: int) -> Reply | None:
    """Read a stored reply; anything of another shape is a miss, never half trusted."""
    match value:
        case {"logprobs": list(logprobs), "greedy": list(greedy), "prompt_tokens": int(tokens), "cut": bool(cut)} if (
            len(logprobs) == len(greedy) == options and all(isinstance(number, float) for number in logprobs)
        ):
            return Reply(tuple(logprobs), tuple(map(bool, greedy)), tokens, cut)
    return None
