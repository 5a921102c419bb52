"""Which files a model is, and whether they can be trusted to be what was asked for. No weights are put in memory.

`embedded` | folder | Hub id  --locate-->  folder  --identify-->  ModelRef with fingerprint and digests
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.adapters import check_adapter
from harness.chat import Tokenizer, load_tokenizer, template_digest, tokenizer_digest
from harness.errors import ModelProblem
from harness.fingerprint import adapter_digest, digest, weights_digest
from harness.pins import PINS_FILE, read_pins
from harness.types import ModelRef

__all__ = ["EMBEDDED", "identify", "licence", "locate"]

EMBEDDED = Path(__file__).parent / "embedded"
"""Folder of the base model that ships with the project."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt", "README.md"]
_COMMIT = re.compile(r"[0-9a-f]{40}")


def locate(base: str, revision: str | None = None) -> Path:
    """The folder of a model: `embedded`, a local folder, or a Hub id, which is downloaded when it is not cached.

    Raises:
        ModelProblem: there is no such folder, or the Hub does not give it.
    """
    if base == "embedded":
        return EMBEDDED
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    if not _HUB_ID.fullmatch(base) or base.startswith("."):
        raise ModelProblem(f"{base}: no such folder; give `embedded`, a model folder, or a Hub id such as org/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(base, revision=revision, allow_patterns=_HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        wanted = f"{base}@{revision}" if revision else base
        raise ModelProblem(
            f"{wanted}: neither a folder here nor to be had from the Hub ({type(error).__name__}); check the name, "
            "the network and your access, or download it and give the folder"
        ) from error


def licence(folder: Path) -> str:
    """The licence that a model's card names, such as `apache-2.0`; empty when it has no card, or the card names none.

    A card that says `other` is told with the name that it gives.
    """
    import yaml  # type: ignore[import-untyped]  # it ships no types
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    try:
        said = metadata_load(card) if card.is_file() else None
    except (ValueError, yaml.YAMLError):  # a card that cannot be read says nothing
        return ""
    named = said or {}
    return str(named.get("license_name") or named.get("license") or "")


def identify(model: ModelRef) -> ModelRef:
    """`model` with fingerprint, digests, revision and training configuration filled in, from its files alone.

    The digests are `weights`, `tokenizer`, `template`, and with an adapter `adapter` and `pins`; `pins` is `absent`
    for an adapter that was trained elsewhere, whose base then could only be checked by names and shapes.

    Raises:
        ModelProblem: weights that are not safetensors, a tokenizer that is unfit or larger than the embedding.
        AdapterMismatch: see `check_adapter`.
    """
    folder = locate(model.base, model.revision)
    config = _config(folder, model.quantization)
    tokenizer = load_tokenizer(folder)
    _check_vocabulary(folder, tokenizer, config)
    digests = {
        "weights": weights_digest(folder),
        "tokenizer": tokenizer_digest(folder),
        "template": template_digest(tokenizer),
    }
    train_config = model.train_config
    if model.adapter is not None:
        adapter = Path(model.adapter)
        check_adapter(adapter, base=folder, base_digest=digests["weights"], tokenizer=tokenizer)
        pins = read_pins(adapter)
        digests["adapter"] = adapter_digest(adapter)
        digests["pins"] = digest((adapter / PINS_FILE).read_text(encoding="utf-8")) if pins else "absent"
        train_config = pins.train_config if pins else train_config
    answer_parts = {name: value for name, value in digests.items() if name != "pins"}
    return replace(
        model,
        revision=model.revision if Path(model.base).is_dir() else _snapshot_commit(folder) or model.revision,
        train_config=train_config,
        digests=digests,
        fingerprint=digest(answer_parts | {"quantization": model.quantization, "dtype": model.dtype}),
    )


def _config(folder: Path, quantization: str) -> dict[str, Any]:
    """The model's configuration, after checking that its files are safe to load."""
    if not any(folder.glob("*.safetensors")):
        unsafe = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl") for path in folder.glob(pattern))
        found = f"only {unsafe[0]}, which can run code when loaded" if unsafe else "none"
        raise ModelProblem(f"{folder}: weights must be *.safetensors, found {found}; convert them with save_pretrained")
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelProblem(f"{folder}/config.json: not readable ({error}); give a transformers model folder") from error
    if quantization != "none" and "quantization_config" in config:
        raise ModelProblem(f"{folder}: the weights are quantised already; drop --quantization {quantization}")
    return config


def _check_vocabulary(folder: Path, tokenizer: Tokenizer, config: dict[str, Any]) -> None:
    rows = config.get("vocab_size") or config.get("text_config", {}).get("vocab_size")
    if rows is not None and len(tokenizer) > rows:
        raise ModelProblem(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens and the model {rows} embedding rows; "
            "resize the embedding, or use the tokenizer that the model was trained with"
        )


def _snapshot_commit(folder: Path) -> str | None:
    """The commit of a Hub snapshot, which is the name of its folder in the cache."""
    return folder.name if _COMMIT.fullmatch(folder.name) else None
