"""Content hashes: two things with equal digests give equal answers, wherever their files lie.

Paths, host names and library versions written into configuration files stay out of the digests,
so that moving a folder changes nothing and changing a weight changes everything.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.types import Json

__all__ = ["adapter_digest", "digest", "file_digest", "weights_digest"]

_PROVENANCE = {"_name_or_path", "base_model_name_or_path", "peft_version", "revision", "transformers_version"}
"""Keys that say where something came from, not what it computes."""


def digest(value: Json) -> str:
    """SHA-256 of a JSON value, as 64 hex digits; the order of keys does not matter.

    Raises:
        ValueError: the value holds NaN or infinity.
        TypeError: it holds something that JSON cannot write.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes. Read once per process while its size and time stay the same."""
    stat = path.stat()
    return _hash_file(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


def weights_digest(folder: Path) -> str:
    """Digest of a checkpoint: every safetensors file at the top of `folder`, and `config.json` less its provenance.

    Raises:
        FileNotFoundError: no safetensors file, or no `config.json`.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder}: no *.safetensors")
    return digest(
        {
            "config": _semantic(json.loads((folder / "config.json").read_text(encoding="utf-8"))),
            "weights": {file.name: file_digest(file) for file in files},
        }
    )


def adapter_digest(folder: Path) -> str:
    """Digest of a PEFT adapter: its safetensors, and `adapter_config.json` less its provenance.

    Raises:
        FileNotFoundError: one of the two files is missing.
    """
    config = _semantic(json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")))
    return digest({"config": config, "weights": file_digest(folder / "adapter_model.safetensors")})


def _semantic(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` without provenance; lists of names sorted, because PEFT writes them from sets in any order."""
    return {
        key: sorted(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
        for key, value in config.items()
        if key not in _PROVENANCE
    }


@lru_cache(maxsize=256)
def _hash_file(path: str, size: int, mtime_ns: int) -> str:  # noqa: ARG001  # size and time are the cache's key
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
