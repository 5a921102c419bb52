"""What an adapter folder pins beside its weights, so that it is only ever measured as it was trained.

`tunegate.json` holds the base's digest, the system prompt, the chat template's digest and the token ids of one
golden prompt. An adapter made elsewhere has no such file: it is measured, and the run says that nothing was pinned.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.chat import Tokenizer, render
from harness.errors import ModelProblem
from harness.types import Message

__all__ = ["PINS_FILE", "Pins", "golden_prompt", "read_pins", "write_pins"]

PINS_FILE = "tunegate.json"


@dataclass(frozen=True, slots=True)
class Pins:
    """The conditions of training that measuring must meet.

    Attributes:
        base_digest: `weights_digest` of the base that the adapter was trained on.
        system: system prompt of the training rows; empty for none.
        template_digest: `template_digest` of the tokenizer.
        golden_prompt_ids: `golden_prompt(tokenizer, system)`.
        train_config: the training configuration, as JSON values.
        environment: versions of the libraries, seeds, hardware; for people to read.
    """

    base_digest: str
    system: str
    template_digest: str
    golden_prompt_ids: tuple[int, ...]
    train_config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)


def golden_prompt(tokenizer: Tokenizer, system: str) -> tuple[int, ...]:
    """Token ids of one fixed conversation; they change when the template, the tokenizer or the renderer does."""
    turns: list[Message] = [{"role": "user", "content": "Grüße! Is {1, 2} == {2, 1}?\n- yes\n- no"}]
    if system:
        turns.insert(0, {"role": "system", "content": system})
    return render(tokenizer, turns).token_ids


def write_pins(folder: Path, pins: Pins) -> None:
    """Write `tunegate.json` into an adapter folder, whole or not at all."""
    target = folder / PINS_FILE
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(pins), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(target)


def read_pins(folder: Path) -> Pins | None:
    """The pins of an adapter folder; None when it has none.

    Raises:
        ModelProblem: the file is there and cannot be read as pins.
    """
    path = folder / PINS_FILE
    if not path.exists():
        return None
    wanted = {item.name for item in fields(Pins)}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or set(values) != wanted:
            raise ModelProblem(f"{path}: its keys must be {', '.join(sorted(wanted))}; train the adapter again")
        return Pins(**values | {"golden_prompt_ids": tuple(values["golden_prompt_ids"])})
    except (ValueError, TypeError) as error:
        raise ModelProblem(f"{path}: not readable as pins ({error}); train the adapter again") from error
