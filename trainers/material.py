"""All that a training reads, checked before any weights are loaded, and the digest of it that names the job."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.audit.preflight import Preflight, preflight
from harness.chat import Tokenizer, load_tokenizer, tokenizer_digest
from harness.errors import BadExamples, BadSpec, ModelProblem
from harness.fingerprint import digest, file_digest, weights_digest
from harness.types import Json
from trainers.bases import stop_ids
from trainers.config import TrainConfig
from trainers.encode import IGNORED_LABEL, EncodedRow, encode, preview
from trainers.held_out import set_aside
from trainers.rows import TrainRow, mix, read_rows
from trainers.sections import Hub

__all__ = ["Material", "gather", "job_of", "show", "system_text", "token_counts"]

INPUTS = {
    "model",
    "revision",
    "data",
    "system",
    "system_file",
    "replay_data",
    "report_to",
    "interpreter",
    "against",
    "audit",
}
"""Fields that do not decide what is learned, or say where something is: the job's digest has the contents instead."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a run needs besides its settings. `replayed` of the `rows`, the last ones, are general, and not audited.

    `held` are rows of the data that are not learned, but looked at along the way.
    """

    base: Path
    tokenizer: Tokenizer
    system: str
    rows: tuple[EncodedRow, ...]
    replayed: int
    audit: Preflight
    held: tuple[EncodedRow, ...] = ()


def system_text(config: TrainConfig) -> str:
    """The system turn, from the configuration or the file that it names.

    Raises:
        BadSpec: the file cannot be read.
    """
    if config.system_file is None:
        return config.system
    try:
        return config.system_file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise BadSpec(
            f"{config.system_file}: cannot be read ({error.strerror}); check the key 'system_file'"
        ) from error


def job_of(config: TrainConfig, base: Path, system: str, scoring: str = "") -> str:
    """Digest of everything that decides the product, wherever the files lie.

    Args:
        config: the run.
        base: folder of the base's checkpoint.
        system: from `system_text`.
        scoring: digest of what `early_stopping` measures with.

    Raises:
        BadSpec: a data file is not there.
        ModelProblem: `base` holds no model.
    """
    places = {"data": config.data, "replay_data": config.replay_data}
    absent = set() if config.evaluation else {"evaluation"}  # a key that is not used makes no other job
    aside = dict.fromkeys(INPUTS | absent, True) | {"checkpoints": {"seconds"}, "early_stopping": {"suite"}}
    return digest(
        {
            "settings": config.model_dump(mode="json", exclude=aside),
            "system": system,
            "data": {key: _contents(key, place) for key, place in places.items() if place is not None},
            "base": {"weights": _weights(base), "tokenizer": tokenizer_digest(base)},
            "scoring": scoring,
        }
    )


def gather(config: TrainConfig, base: Path, system: str) -> Material:
    """Read, mix and encode the rows: every check that needs no weights.

    Raises:
        BadExamples: a row is malformed, too long, or not what the method learns from; or the audit refuses the rows.
        ModelProblem: the tokenizer or its template cannot be trained with.
    """
    tokenizer = load_tokenizer(base)
    own = read_rows(config.data, system=system)[: config.rows]
    for row in own:
        if (row.rejected is not None) != (config.method == "orpo"):
            wanted = "chosen and rejected answers" if config.method == "orpo" else "one answer a row"
            raise BadExamples(f"{row.source}: method '{config.method}' learns from {wanted}; change one of them")
    name = str(config.data) if isinstance(config.data, Path) else config.data.hub
    audit = preflight(own, name, against=config.against, accept=config.audit == "accept")
    general: tuple[TrainRow, ...] = read_rows(config.replay_data) if config.replay_data else ()
    rows = mix(own, general, fraction=config.replay_fraction, seed=config.seed)
    stops = stop_ids(base, tokenizer)
    encoded = encode(rows, tokenizer, stop_ids=stops, max_length=config.max_length)
    held: tuple[EncodedRow, ...] = ()
    if config.evaluation:
        learned, held = set_aside(encoded[: len(own)], config.evaluation.share, config.seed)
        encoded = (*learned, *encoded[len(own) :])
    return Material(base, tokenizer, system, rows=encoded, replayed=len(rows) - len(own), audit=audit, held=held)


def show(material: Material, say: Callable[[str], None], example: Callable[[str, str, str], None]) -> None:
    """Say what is learned: the counts, and one example of each kind as the model will see it.

    Args:
        material: from `gather`.
        say: gets a line.
        example: gets the kind, the text that is read, and the text that is learned.
    """
    rows = material.rows
    tokens, learned = token_counts(rows)
    say(f"{len(rows)} rows ({material.replayed} replayed), {tokens} tokens, {learned} of them learned")
    if material.held:
        say(f"{len(material.held)} more rows are set aside, and not learned; their loss is measured along the way")
    found = ", ".join(f"{count} {kind}" for kind, count in material.audit.counts.items()) or "nothing"
    say(f"audit {material.audit.digest[:12]}: {found} found{', accepted' if material.audit.accepted else ''}")
    shown = {"task": rows[0]} | ({"replay": rows[-1]} if material.replayed else {})
    for kind, row in shown.items():
        example(kind, *preview(row, material.tokenizer))


def token_counts(rows: tuple[EncodedRow, ...]) -> tuple[int, int]:
    """Tokens in all, and tokens that are learned."""
    labels = [label for row in rows for label in row.labels]
    return len(labels), sum(label != IGNORED_LABEL for label in labels)


def _contents(key: str, place: Path | Hub) -> Json:
    if isinstance(place, Hub):
        return [[list(map(dict, row.prompt)), row.answer, row.rejected] for row in read_rows(place)]
    if not place.is_file():
        raise BadSpec(f"{place}: no such file; check the key '{key}'")
    return file_digest(place)


def _weights(base: Path) -> str:
    try:
        return weights_digest(base)
    except FileNotFoundError as error:
        raise ModelProblem(f"{base}: holds no model ({error}); check the key 'model'") from error
