"""Whether something is done from home or on site, said in many ways; `manner.toml` holds them."""

import tomllib
from pathlib import Path
from random import Random

from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.lexicon import NOUNS, sentence

__all__ = ["manner", "remote_or_not"]

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_SLOTS = _TABLE["slots"] | {"f": _TABLE["far"], "f2": _TABLE["far"], "r": _TABLE["near"], "p": NOUNS}
_SLOTS |= {"a": _TABLE["degrees"], "t": _TABLE["times"]}


def manner(rng: Random) -> tuple[str, bool, str]:
    """Whether something is done from home or on site, as key, truth and sentence."""
    home = rng.random() < 0.5
    says = _says_where(rng, home=home)
    if rng.random() < 0.7:
        return rng.choice(_TABLE["home_keys"]), home, says
    return rng.choice(_TABLE["site_keys"]), not home, says


def remote_or_not(rng: Random) -> Document:
    """A text about something done from home or on site, and a yes/no question about it."""
    key, holds, says = manner(rng)
    sentences = [says, *(sentence(rng) for _ in range(rng.randint(0, 2)))]
    rng.shuffle(sentences)
    if rng.random() < 0.5:
        key, holds = ("remote", holds if key in _TABLE["home_keys"] else not holds)
    ask = rng.choice(("Is it {k}?", "Is this {k}? Yes or no.", "{k}: yes or no?", "{K}?")).format(
        k=key.replace("_", " "), K=key.replace("_", " ").capitalize()
    )
    return chat("manner", f"{' '.join(sentences)}\n{ask}", "yes" if holds else "no")


def _says_where(rng: Random, *, home: bool) -> str:
    """A sentence that tells whether something is done from home."""
    subject = rng.choice(_TABLE["subjects"]) if rng.random() < 0.65 else rng.choice(NOUNS)
    shape = rng.random()
    if shape < 0.06:
        return _label(rng, subject, home=home)
    side, other = ("far", "near") if home else ("near", "far")
    if shape < 0.56:
        form, how = rng.choice(_TABLE["home" if home else "site"]), ""
    elif shape < 0.67:
        form, how = rng.choice(_TABLE["contrasts"]), ""
    elif shape < 0.79:
        form, how = rng.choice(_TABLE["home_mixed" if home else "site_mixed"]), ""
    else:
        how = rng.choice(("_is", "_do"))
        form = rng.choice(_TABLE["forms" if how == "_is" else "forms_do"])
    modes = _TABLE[side] if rng.random() < 0.6 else _TABLE[f"{side}{how}"]
    not_so, in_general = rng.choice(_TABLE[other]), rng.choice(_TABLE[f"{other}_any"])
    words = _Words(rng, s=subject, m=rng.choice(modes), x=not_so, y=in_general)
    return str(form.format_map(words))


class _Words(dict[str, str]):
    """What fills a form: the words given, others drawn when they are asked for, a capital letter for a capitalised one."""

    def __init__(self, rng: Random, **given: str) -> None:
        super().__init__(given)
        self.rng = rng

    def __missing__(self, slot: str) -> str:
        if slot in "SMXYFR":
            word = self[slot.lower()]
            return word[0].upper() + word[1:]
        self[slot] = drawn = str(self.rng.choice(_SLOTS[slot]))
        return drawn


def _label(rng: Random, subject: str, *, home: bool) -> str:
    """A label that says home or on site, and yes or no."""
    yes = rng.random() < 0.5
    key = rng.choice(_TABLE["home_labels" if home == yes else "site_labels"])
    label = key if rng.random() < 0.5 else f"{key} ({subject})"
    return f"{label}: {'yes' if yes else 'no'}."
