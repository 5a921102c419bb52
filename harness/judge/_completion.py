"""A chat completion as bytes from the wire, read strictly: what is not exactly one is not read at all."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Completion", "read_completion"]


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint sent.

    Attributes:
        content: of the one choice; None when it has none.
        finish_reason: as sent, `stop` for a whole reply.
        refused: why the judge would not answer; empty when it did.
        served: model and system fingerprint as the endpoint names them.
        counted: whether tokens were counted; both numbers are 0 when not.
        rejected_for: why the endpoint did not take this one request; empty when it did.
    """

    content: str | None
    finish_reason: str | None
    refused: str
    served: str
    prompt_tokens: int = 0
    reply_tokens: int = 0
    counted: bool = False
    rejected_for: str = ""

    @classmethod
    def refusal(cls, why: str) -> "Completion":
        """The endpoint itself refused."""
        return cls(None, None, why, "")

    @classmethod
    def rejected(cls, why: str) -> "Completion":
        """The endpoint did not take the request, one too long for it perhaps."""
        return cls(None, None, "", "", rejected_for=why)


def read_completion(text: str) -> Completion | None:
    """The completion in a body of HTTP; None for HTML, prose, empty or several choices, and everything else."""
    try:
        body = _Body.model_validate_json(text)
    except ValidationError:
        return None
    (choice,) = body.choices
    refused = choice.message.refusal or ""
    if choice.finish_reason == "content_filter":
        refused = refused or "content filter"
    served = f"{body.model} {body.system_fingerprint}" if body.system_fingerprint else body.model
    counts = (body.usage.prompt_tokens, body.usage.completion_tokens) if body.usage else (0, 0)
    return Completion(
        choice.message.content, choice.finish_reason, refused, served, *counts, counted=body.usage is not None
    )


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Usage(_Strict):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Message(_Strict):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Strict):
    message: _Message
    finish_reason: str | None = None


class _Body(_Strict):
    model: str = Field(min_length=1)
    choices: list[_Choice] = Field(min_length=1, max_length=1)
    system_fingerprint: str | None = None
    usage: _Usage | None = None
