"""The adapter's folder: whole or absent, made once for the same job, and never in place of something else."""

import pytest

from harness.errors import BadRunDirectory
from trainers.product import COMPLETE, finished_job, make_product


def write_adapter(folder):
    """Stand in for a training: one small file."""
    (folder / "adapter.bin").write_bytes(b"weights")


def never(_folder):
    """Stand in for a training that must not run."""
    pytest.fail("trained again")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_a_finished_folder_says_which_job_it_is(tmp_path):
    """The product is visible under its name with its marker, and nothing else is left beside it but the lock."""
    out = tmp_path / "runs" / "r16"
    assert make_product(out, "job", write_adapter)
    assert finished_job(out) == "job"
    assert {path.name for path in out.parent.iterdir()} == {"r16", ".r16.lock"}


def test_the_same_job_is_not_done_twice(tmp_path):
    """A second run finds the first one's product and does no work."""
    make_product(tmp_path / "out", "job", write_adapter)
    assert not make_product(tmp_path / "out", "job", never)


def test_a_killed_job_leaves_no_product_and_the_next_run_starts_clean(tmp_path):
    """Half an adapter is never seen under the adapter's name, and its files do not mix with the next run's."""

    def half(folder):
        (folder / "half.bin").touch()
        raise Killed

    with pytest.raises(Killed):
        make_product(tmp_path / "out", "job", half)
    assert not (tmp_path / "out").exists()
    assert make_product(tmp_path / "out", "job", write_adapter)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"adapter.bin", COMPLETE}


def test_other_contents_are_never_replaced(tmp_path):
    """Neither another job's adapter nor files of unknown origin are overwritten; an empty folder is used."""
    make_product(tmp_path / "out", "job", write_adapter)
    with pytest.raises(BadRunDirectory, match="adapter of another configuration"):
        make_product(tmp_path / "out", "other", never)
    (tmp_path / "mine").mkdir()
    assert make_product(tmp_path / "mine", "job", write_adapter)
    (tmp_path / "mine" / COMPLETE).unlink()
    with pytest.raises(BadRunDirectory, match="files of no finished training"):
        make_product(tmp_path / "mine", "job", never)


def test_a_folder_that_cannot_be_made_is_said_before_training(tmp_path):
    """A file in the way ends in one line, not after a minute of work."""
    (tmp_path / "file").touch()
    with pytest.raises(BadRunDirectory, match="file: cannot be made"):
        make_product(tmp_path / "file" / "out", "job", never)


@pytest.mark.parametrize("damage", [b"weightz", b"weight", None], ids=["flipped", "cut", "gone"])
def test_a_damaged_product_is_not_taken_for_finished(tmp_path, damage):
    """A changed, shortened or missing file is found by size and digest."""
    make_product(tmp_path / "out", "job", write_adapter)
    victim = tmp_path / "out" / "adapter.bin"
    victim.write_bytes(damage) if damage else victim.unlink()
    with pytest.raises(BadRunDirectory, match=r"adapter\.bin: missing or changed since training"):
        make_product(tmp_path / "out", "job", never)
