"""How a run ends for whoever called it: the exit code of an outcome, decided in one place and written into run.json."""

from collections.abc import Mapping

from harness.types import Outcome

__all__ = ["EXIT_CODES", "ending", "ending_fault"]

EXIT_CODES: Mapping[Outcome, int] = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 10, Outcome.INVALID: 11}


def ending(outcome: Outcome, status: int, *, forgiven: bool) -> int:
    """The exit code of a finished run.

    Args:
        outcome: of the run.
        status: what pytest would end with by itself, less the failures of gates that were left out; never made greener.
        forgiven: whether INCONCLUSIVE is only said, and not an error.
    """
    code = 0 if forgiven and outcome is Outcome.INCONCLUSIVE else EXIT_CODES[outcome]
    return code or status


def ending_fault(outcome: Outcome, code: object) -> str:
    """What is wrong with the exit code that run.json tells of, when the outcome is this; empty for nothing.

    A PASS may end with pytest's own code for another test that failed, an INCONCLUSIVE with 0 where that was accepted.
    """
    if type(code) is not int or (outcome in (Outcome.FAIL, Outcome.INVALID) and code != EXIT_CODES[outcome]):
        return f"exit_code: run.json says {code!r}, {outcome} ends with {EXIT_CODES[outcome]}"
    return ""
