"""Bits that flip and files that are cut, in everything that is kept: refused or asked again, never another verdict."""

import json
import random
import shutil
import sqlite3

import pytest

from harness.answers import Engine, answer
from harness.backends.scripted import ScriptedBackend
from harness.errors import BadRunDirectory, HarnessError
from harness.models import identify
from harness.store import Store
from harness.types import ModelRef, Outcome, Sampling
from harness.verify import verify
from tests.silent_pass.test_ways import runs  # noqa: F401  # a fixture
from tests.tiny import make_adapter, make_base
from trainers.product import finished_job, make_product

FLIPS = 64


def cuts(data):
    """Cut at 0 bytes, 1 byte, the half, and one byte before the end."""
    return [data[:end] for end in (0, 1, len(data) // 2, len(data) - 1)]


def flips(data, count=FLIPS):
    """One bit flipped, at evenly spread places."""
    for place in range(0, len(data), max(1, len(data) // count)):
        yield data[:place] + bytes([data[place] ^ (1 << random.Random(place).randrange(8))]) + data[place + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan.json", "run.json", "records/asks--base.jsonl", "records/asks--bad.jsonl"])
def test_a_damaged_run_never_has_another_outcome(runs, tmp_path, name):  # noqa: F811
    """The run is a FAIL; damaged it is refused, INVALID, or, where only free words were hit, the same FAIL."""
    run = shutil.copytree(runs / "fail", tmp_path / "run")
    data = (run / name).read_bytes()
    seen = set()
    for damaged in [*cuts(data)[:-1], *flips(data)]:
        (run / name).write_bytes(damaged)
        try:
            seen.add(verify(run).outcome)
        except BadRunDirectory:
            continue
    assert seen <= {Outcome.INVALID, Outcome.FAIL}
    if name != "run.json":  # which tells of environment and seconds, too
        assert seen <= {Outcome.INVALID}


def test_a_damaged_answer_is_asked_again(tmp_path):
    """Whatever bit of key, checksum or value flips, the stored answer counts no more; damage that shows is counted."""
    (tmp_path / "script.json").write_text(json.dumps({"default": "an answer"}))
    backend = ScriptedBackend()
    model = backend.identify(ModelRef("base", str(tmp_path / "script.json")))
    prompts = [backend.render(model, [{"role": "user", "content": "a question"}])]

    def ask():
        store = Store(tmp_path / "store")
        said, fresh = answer(Engine(backend, store), model, prompts=prompts, sampling=Sampling(99), suite="s")
        store.close()
        seen.append(len(store.damaged))
        assert said[0].text == "an answer"
        return fresh

    seen = []
    assert (ask(), ask()) == (1, 0)
    db = sqlite3.connect(tmp_path / "store" / "store.sqlite", isolation_level=None)
    (row,) = db.execute("SELECT key, sha256, value FROM answers").fetchall()
    for column, text in zip(("key", "sha256", "value"), row, strict=True):
        for damaged in flips(text.encode()):
            db.execute("DELETE FROM answers")
            db.execute("INSERT INTO answers VALUES (?, ?, ?)", row)
            db.execute(f"UPDATE answers SET {column} = ?", (damaged.decode("latin-1"),))
            assert ask() == 1, (column, damaged)
            assert seen[-1] == (column != "key")  # under another key nobody looks for it
    db.close()


def test_a_cut_adapter_is_refused_and_a_flipped_one_is_another(tmp_path):
    """Safetensors notices every cut; a bit that flips makes another fingerprint, so that no stored answer is used."""
    base = make_base(tmp_path / "base")
    file = make_adapter(base, tmp_path / "lora") / "adapter_model.safetensors"
    model = ModelRef("lora", str(base), adapter=str(file.parent))
    whole, data = identify(model).fingerprint, file.read_bytes()
    for damaged in cuts(data):
        file.write_bytes(damaged)
        with pytest.raises(HarnessError, match="damaged"):
            identify(model)
    for damaged in flips(data, 8):
        file.write_bytes(damaged)
        try:
            assert identify(model).fingerprint != whole
        except HarnessError:
            continue


def test_a_damaged_product_is_found_by_its_receipt(tmp_path):
    """What training leaves, checkpoints included, names the digest of each file; any damage is told from it."""
    make_product(
        tmp_path / "out", "job", lambda folder: (folder / "weights").write_bytes(bytes(range(256)) * 4) and None
    )
    assert finished_job(tmp_path / "out") == "job"
    for name in ("weights", "COMPLETE"):
        file = tmp_path / "out" / name
        data = file.read_bytes()
        for damaged in [*cuts(data)[:-1], *flips(data)]:
            file.write_bytes(damaged)
            try:
                assert finished_job(tmp_path / "out") != "job", damaged
            except BadRunDirectory:
                continue
        file.write_bytes(data)
