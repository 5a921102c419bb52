"""One training as a process of its own, done once: its folder is named by everything that decides the adapter.

    <hash>/         the adapter, whole or not there
    <hash>.toml     its configuration, for `python -m trainers <hash>.toml --out <hash>`
    <hash>.log      what the training said
    <hash>.failed   why it is invalid; remove it to try again

A process that is killed leaves a training that ends by itself, or none; whoever comes next waits for it or goes on.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import NotMeasured, UsageProblem
from harness.sweeps import Screen
from trainers.config import TrainConfig
from trainers.devices import one_gpu, visible_gpus
from trainers.product import failure_of, finished_job

__all__ = ["Ended", "Job", "run", "surroundings", "to_toml", "train"]

INVALID = 11
"""Exit code of a training that would fail again: it diverged, or its base or rows are unfit."""
POLL_S = 0.2
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True, slots=True)
class Job:
    """A named training.

    Attributes:
        name: for people.
        config: what is trained.
        out: the folder of the adapter, in a folder of its own kind.
        device: as the gate's `--device`: where it measures, it also trains.
    """

    name: str
    config: TrainConfig
    out: Path
    device: str = "auto"

    def beside(self, suffix: str) -> Path:
        """The file of that suffix beside the adapter's folder."""
        return self.out.with_name(self.out.name + suffix)

    def write(self) -> None:
        """Write the configuration beside the adapter's folder.

        Raises:
            UsageProblem: nothing can be written there.
        """
        text = to_toml(self.config.model_dump(mode="json", exclude_none=True))
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.beside(".toml").write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageProblem(
                f"{self.out.parent}: cannot be written ({error.strerror}); give another --store"
            ) from error

    def refuse_failed(self) -> None:
        """Refuse what would fail again.

        Raises:
            NotMeasured: training failed before.
        """
        failed = failure_of(self.out)
        if failed.exists():
            reason = failed.read_text(encoding="utf-8").strip()
            raise NotMeasured(f"training {self.name} failed before: {reason}; remove {failed} to try again")


class Ended(NamedTuple):
    """How a process of the trainers ended: its exit code, below 0 for a signal, and the last line that it said."""

    code: int
    said: str

    @property
    def how(self) -> str:
        """The exit code in words."""
        return f"killed by {signal.Signals(-self.code).name}" if self.code < 0 else f"exit code {self.code}"


def train(job: Job, screen: Screen, *, place: str) -> bool:
    """Train, unless that was done before.

    Args:
        job: what to train, and where to.
        screen: shows how far it is.
        place: which of how many, for people.

    Returns:
        True when it was trained now.

    Raises:
        NotMeasured: training failed, now or before.
        HarnessError: the adapter was damaged, its folder cannot be made, or the device is not there.
    """
    if finished_job(job.out) is not None:
        return False
    job.refuse_failed()
    job.write()
    environment, chosen = surroundings(screen, job.device)
    screen.say(f"training {job.name} ({place})" + (f" on {chosen}" if chosen else ""))
    started = time.monotonic()
    log = job.beside(".log")
    ended = run([str(job.beside(".toml")), "--out", str(job.out)], log, screen, environment)
    if ended.code == INVALID:
        failure_of(job.out).write_text(ended.said + "\n", encoding="utf-8")
    if ended.code != 0:
        raise NotMeasured(f"training {job.name} failed ({ended.how}): {ended.said}; all it said is in {log}")
    screen.say(f"trained {job.name} in {time.monotonic() - started:.0f} s")
    return True


def surroundings(screen: Screen, device: str) -> tuple[dict[str, str], str]:
    """The environment of a training process, and which GPU was chosen for it, in words.

    Raises:
        UsageProblem: `device` is not there.
    """
    root = str(Path(__file__).parents[1])
    inherited = os.environ.get("PYTHONPATH")
    shown = {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"} if screen.live else {}
    environment = os.environ | shown | {"PYTHONPATH": os.pathsep.join([root, inherited] if inherited else [root])}
    return environment, one_gpu(environment, visible_gpus, device=device)


def to_toml(values: Mapping[str, Any]) -> str:
    """A configuration as TOML: what has no table first, then the tables, one level deep."""
    flat = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in flat.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:  # noqa: ANN401  # any JSON value but null and objects
    """JSON's texts, numbers, truth values and lists are TOML's too, but for one control character."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def run(words: Sequence[str], log: Path, screen: Screen, environment: Mapping[str, str]) -> Ended:
    """Run `python -m trainers WORDS` to its end; interrupted, interrupt it.

    Args:
        words: of its command line.
        log: gets all that it says, after what is there.
        screen: shows it.
        environment: from `surroundings`.
    """
    command = [sys.executable, "-m", "trainers", *words]
    with log.open("ab") as written, log.open("rb") as read:  # a file, because a pipe would die with this process
        read.seek(0, os.SEEK_END)
        start = read.tell()
        process = subprocess.Popen(  # noqa: S603  # our own module, a list of words, no shell
            command, stdout=written, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
        try:
            for said in _followed(process, read):
                screen.draw(said)
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        read.seek(start)
        lines = [line.strip() for line in CONTROL.sub("\n", read.read().decode(errors="replace")).splitlines()]
    told = [line.removeprefix("error: ") for line in lines if line]
    return Ended(process.returncode, told[-1] if told else "no message")


def _followed(process: "subprocess.Popen[bytes]", read: Any) -> Iterator[str]:  # noqa: ANN401  # an open file
    """What the process writes, as it comes, until it ends."""
    while True:
        ended = process.poll() is not None
        if said := read.read():
            yield said.decode(errors="replace")
        if ended:
            return
        time.sleep(POLL_S)
