"""`--judge`: reads who is asked for, finds the key, and makes the judge. Loads nothing but code."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UsageProblem
from harness.judge.budget import UNBOUNDED, Budget, Caps, Purse, read_prices
from harness.judge.daybook import DayBook
from harness.judge.judgement import Judge

__all__ = ["KEY_VARIABLE", "Address", "JudgeSettings", "find_key", "make_judge", "read_address"]

KEY_VARIABLE = "TUNEGATE_JUDGE_KEY"
_OPENAI_VARIABLE, _OPENAI_HOST = "OPENAI_API_KEY", "api.openai.com"
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")
_HF, _EMBEDDED = "hf:", "embedded"


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """What was asked for.

    Attributes:
        asked: `URL#model`, `hf:PATH` or `embedded`.
        calls: most requests to send, retries included.
        money: most money to spend.
        prices: file with prices of tokens.
        concurrency: most requests at a time.
        deadline_s: most seconds for one question, retries included.
        device: where a local judge computes.
        store: folder of the store that keeps what was spent by day; None to keep nothing.
        reasons: whether verdicts give reasons.
    """

    asked: str
    calls: Caps = UNBOUNDED
    money: Caps = UNBOUNDED
    prices: str | Path | None = None
    concurrency: int = 8
    deadline_s: float = 120.0
    device: str = "auto"
    store: Path | None = None
    reasons: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint that speaks OpenAI's protocol, and the model that is asked for there."""

    url: str
    host: str
    model: str
    local: bool
    encrypted: bool


def read_address(asked: str) -> Address:
    """Read `URL#model`.

    Raises:
        UsageProblem: no URL, no model, or something in it that may be a secret.
    """
    url, _, model = asked.partition("#")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or not model.strip():
        raise UsageProblem("--judge: give URL#model such as https://host/v1#gpt-x, hf:PATH, or embedded")
    if parts.username or parts.password or parts.query:
        raise UsageProblem(f"--judge: the URL holds a user, password or query; put the key into {KEY_VARIABLE} instead")
    local = bool(_LOOPBACK.fullmatch(host))
    return Address(url.rstrip("/"), host, model.strip(), local, encrypted=parts.scheme == "https")


def find_key(address: Address, environment: Mapping[str, str] = os.environ) -> str:
    """The key for an endpoint, from the environment alone; empty for an endpoint that asks for none.

    On this machine none is needed; elsewhere the key `none` says so. OPENAI_API_KEY is sent to OpenAI's own host only.

    Raises:
        UsageProblem: none is set for another machine, or it would travel unencrypted.
    """
    key = environment.get(KEY_VARIABLE, "")
    if not key and address.host == _OPENAI_HOST:
        key = environment.get(_OPENAI_VARIABLE, "")
    if not key and not address.local:
        also = f" or {_OPENAI_VARIABLE}" if address.host == _OPENAI_HOST else ""
        raise UsageProblem(f"--judge: no key for {address.host}; set {KEY_VARIABLE}{also} (`none` if it wants none)")
    if key == "none":
        return ""
    if key and not address.encrypted and not address.local:
        raise UsageProblem(f"--judge: the key would travel to {address.host} unencrypted; give an https URL")
    return key


def make_judge(settings: JudgeSettings, purse: Purse | None = None) -> Judge:
    """The judge that was asked for; nothing is sent and nothing loaded yet.

    Args:
        settings: who, and how.
        purse: what it may spend together with another judge; by default one of its own, with the caps of `settings`.

    Raises:
        UsageProblem: no such judge, no key, or no budget.
    """
    if settings.asked == _EMBEDDED or settings.asked.startswith(_HF):
        from harness.judge.local import LocalJudge

        path = settings.asked.removeprefix(_HF)
        if not path:
            raise UsageProblem("--judge hf: names no model; give hf:PATH with a folder or a Hub id")
        return LocalJudge(settings.asked, path, device=settings.device, reasons=settings.reasons)
    from harness.judge.endpoint import EndpointJudge, Limits

    address = read_address(settings.asked)
    key = find_key(address)
    prices = read_prices(Path(settings.prices)) if settings.prices else {}
    daybook = DayBook(settings.store) if settings.store else None
    budget = Budget(purse or Purse(settings.calls, settings.money, daybook), prices.get(address.model))
    limits = Limits(deadline_s=settings.deadline_s, concurrency=settings.concurrency)
    return EndpointJudge(address, key, budget, limits, reasons=settings.reasons)
