"""Backend for models that answer behind an OpenAI-compatible endpoint: the reference row of `--reference URL#MODEL`.

Such a model has no weights to identify, no template of ours and no likelihoods: it is asked in messages, greedily, and
only suites of generated answers can measure it. Its key comes from `OPENAI_API_KEY`; local servers need none.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from harness.backends import Backend, LoadedModel, Prompt, Usage
from harness.errors import NotMeasured, UsageProblem
from harness.fingerprint import digest
from harness.types import FinishReason, Generation, ModelRef, Sampling

__all__ = ["Beside", "EndpointBackend", "split_reference"]

_TOGETHER = 8
"""Requests in flight, and answers that a kill can lose."""
_TRIES = 4
_TIMEOUT_S = 120.0


def split_reference(text: str) -> tuple[str, str]:
    """URL and model name of `URL#MODEL`.

    Raises:
        UsageProblem: it is not of that form, or not http.
    """
    url, mark, name = text.partition("#")
    if not (mark and name and url.startswith(("http://", "https://"))):
        raise UsageProblem(f"--reference {text}: give URL#MODEL, such as http://localhost:8000/v1#my-model")
    return url, name


class EndpointBackend:
    """Asks a model over HTTP. Implements `Backend`; `ModelRef.base` is `URL#MODEL`."""

    name = "endpoint"

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._seconds = 0.0
        self._new_tokens = self._prompt_tokens = 0

    def identify(self, model: ModelRef) -> ModelRef:
        """See `Backend.identify`. The endpoint's word is all there is: it may serve other weights tomorrow."""
        url, name = split_reference(model.base)
        said = digest({"endpoint": url, "model": name})
        return replace(model, fingerprint=said, digests={"endpoint": said})

    def render(self, model: ModelRef, messages: Sequence[Mapping[str, str]]) -> Prompt:  # noqa: ARG002  # one protocol
        """See `Backend.render`: the messages as JSON, for the template is the endpoint's own."""
        text = json.dumps([dict(message) for message in messages], ensure_ascii=False)
        return Prompt(text, tuple(text.encode()))

    def plain(self, model: ModelRef, text: str) -> Prompt:  # noqa: ARG002  # one protocol
        """See `Backend.plain`.

        Raises:
            NotMeasured: always; an endpoint is asked in messages.
        """
        raise NotMeasured(
            f"model {model.name!r} answers messages and continues no plain text; this suite leaves it out"
        )

    def context(self, model: ModelRef) -> int | None:  # noqa: ARG002  # one protocol
        """See `Backend.context`; the endpoint does not say."""
        return None

    def policy(self) -> Mapping[str, str]:
        """See `Backend.policy`."""
        return {"engine": f"{self.name}-1", "device": "remote"}

    def generate(
        self,
        model: ModelRef,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_batch: Callable[[Sequence[tuple[int, Generation]]], None],
    ) -> None:
        """See `Backend.generate`.

        Raises:
            NotMeasured: the endpoint gives no answer, or one that is none, after four tries.
        """
        import openai

        url, name = split_reference(model.base)
        settings: dict[str, Any] = {
            "model": name,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        http = openai.DefaultHttpxClient(trust_env=False, follow_redirects=False)
        with (
            http,
            openai.OpenAI(
                base_url=url,
                api_key=os.environ.get("OPENAI_API_KEY") or "none",
                max_retries=_TRIES - 1,
                timeout=_TIMEOUT_S,
                http_client=http,
            ) as client,
            ThreadPoolExecutor(_TOGETHER) as pool,
        ):

            def ask(prompt: Prompt) -> Generation:
                asked = time.perf_counter()
                try:
                    reply = client.chat.completions.create(messages=json.loads(prompt.text), **settings)
                except (openai.OpenAIError, ValueError) as error:  # a reply that is no JSON is a ValueError
                    what = " ".join(str(error).split())[:160]
                    raise NotMeasured(
                        f"reference {name!r} at {url}: gave no answer ({type(error).__name__}: {what}); check the "
                        "address, the model's name and OPENAI_API_KEY"
                    ) from error
                spent = round(time.perf_counter() - asked, 4)
                return replace(_generation(reply, f"reference {name!r} at {url}"), seconds=spent)

            for start in range(0, len(prompts), _TOGETHER):
                started = time.perf_counter()
                part = range(start, min(start + _TOGETHER, len(prompts)))
                answers = list(pool.map(ask, (prompts[index] for index in part)))
                self._seconds += time.perf_counter() - started
                self._new_tokens += sum(answer.new_tokens for answer in answers)
                self._prompt_tokens += sum(answer.prompt_tokens for answer in answers)
                on_batch(list(zip(part, answers, strict=True)))

    def loaded(self, model: ModelRef) -> LoadedModel:
        """See `Backend.loaded`.

        Raises:
            NotMeasured: always; nothing is in memory.
        """
        raise NotMeasured(f"model {model.name!r} answers over HTTP and gives no likelihoods; this suite leaves it out")

    def usage(self) -> Usage:
        """See `Backend.usage`; memory is the endpoint's own affair."""
        return Usage(0, self._seconds, self._new_tokens, self._prompt_tokens)


class Beside:
    """A backend, and the endpoint for models whose base is an address. Implements `Backend`."""

    def __init__(self, near: Backend, far: Backend) -> None:
        """Join two backends; whatever does not depend on a model is the near one's."""
        self.name, self._near, self._far = near.name, near, far
        self.policy, self.usage = near.policy, near.usage

    def identify(self, model: ModelRef) -> ModelRef:
        """See `Backend.identify`."""
        return self._of(model).identify(model)

    def render(self, model: ModelRef, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """See `Backend.render`."""
        return self._of(model).render(model, messages)

    def plain(self, model: ModelRef, text: str) -> Prompt:
        """See `Backend.plain`."""
        return self._of(model).plain(model, text)

    def context(self, model: ModelRef) -> int | None:
        """See `Backend.context`."""
        return self._of(model).context(model)

    def generate(
        self,
        model: ModelRef,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_batch: Callable[[Sequence[tuple[int, Generation]]], None],
    ) -> None:
        """See `Backend.generate`."""
        self._of(model).generate(model, prompts, sampling, on_batch)

    def loaded(self, model: ModelRef) -> LoadedModel:
        """See `Backend.loaded`."""
        return self._of(model).loaded(model)

    def _of(self, model: ModelRef) -> Backend:
        return self._far if "://" in model.base else self._near


def _generation(reply: Any, where: str) -> Generation:  # noqa: ANN401  # servers send what they like
    choice = reply.choices[0] if getattr(reply, "choices", None) else None
    text = getattr(getattr(choice, "message", None), "content", None)
    reason = getattr(choice, "finish_reason", None)
    if not isinstance(text, str) or reason not in ("stop", "length"):
        raise NotMeasured(f"{where}: an answer has no text or did not end by itself (finish_reason {reason!r})")
    used = getattr(reply, "usage", None)
    return Generation(
        text=text,
        token_ids=(),
        finish_reason=FinishReason(reason),
        prompt_tokens=int(getattr(used, "prompt_tokens", 0) or 0),
        new_tokens=int(getattr(used, "completion_tokens", 0) or 0),
    )
