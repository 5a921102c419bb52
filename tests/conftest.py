"""What holds for all tests."""

import pytest
import typer.rich_utils


@pytest.fixture(autouse=True, scope="session")
def _plain_words():
    """Usage errors are words without colour, also on a CI service.

    typer decides once, when its module is first imported, by variables such as GITHUB_ACTIONS; a test that sets one of
    them for itself would decide for all tests after it in the same process.
    """
    typer.rich_utils.FORCE_TERMINAL = None
