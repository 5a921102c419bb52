"""Whether something is done from home or on site, said in many ways; `manner.toml` holds them."""

import tomllib
from pathlib import Path
from random import Random

from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.lexicon import NOUNS, sentence

__all__ = ["manner", "remote_or_not"]

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_LABELS = {True: ("Remote", "Online", "Home office", "From home"), False: ("On site", "In the office", "In person")}


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
    subject = rng.choice(_TABLE["subjects"]) if rng.random() < 0.6 else rng.choice(NOUNS)
    shape = rng.random()
    if shape < 0.45:
        ready: str = rng.choice(_TABLE["home" if home else "site"])
        return ready.format(s=subject, n=rng.randint(2, 4), d=rng.choice(_TABLE["days"]))
    if shape < 0.57:
        yes = rng.random() < 0.5
        key = rng.choice(_LABELS[home == yes])
        label = key if rng.random() < 0.5 else f"{key} {subject}"
        return f"{label}: {'yes' if yes else 'no'}."
    mode = rng.choice(_TABLE["far" if home else "near"])
    form: str = rng.choice(_TABLE["forms"])
    degree, time = rng.choice(_TABLE["degrees"]), rng.choice(_TABLE["times"])
    return form.format(s=subject, a=degree, m=mode, t=time, n2=rng.choice(NOUNS))
