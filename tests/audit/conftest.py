"""One folder of suites and one tiny base for all tests of the audit; the tokenizer is loaded once."""

from functools import cache

import pytest

from harness.audit import inspection
from harness.chat import load_tokenizer
from tests.audit.made import write_suites
from tests.tiny import make_tokenizer


@pytest.fixture(scope="session")
def suites(tmp_path_factory):
    """A folder with three suites."""
    return write_suites(tmp_path_factory.mktemp("audit") / "suites")


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A folder with a tokenizer and no weights: an audit needs no more."""
    folder = tmp_path_factory.mktemp("audit") / "base"
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def _loaded():
    return cache(load_tokenizer)


@pytest.fixture(autouse=True)
def _load_once(monkeypatch, _loaded):
    monkeypatch.setattr(inspection, "load_tokenizer", _loaded)
