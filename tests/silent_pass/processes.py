"""Sessions whose process ends early, or is not alone. Each is run as a process of its own."""

from tests.silent_pass.running import body
from tests.silent_pass.ways import ADAPTER, Area, Way, conftest, nothing, rule

UNFINISHED = "has no receipt (run.json)"

WAYS = [
    Way(
        "os._exit(0) in a test",
        body("import os\ndef test_gate(gate, check): os._exit(0)"),
        11,
        UNFINISHED,
        ADAPTER,
        "verify",
    ),
    Way(
        "os._exit(0) after the last test",
        conftest("import os\n@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionfinish(): os._exit(0)"),
        11,
        UNFINISHED,
        ADAPTER,
        "verify",
    ),
    Way("the process is killed", rule("good", right=380, kill=100), 11, UNFINISHED, ADAPTER, "verify"),
    Way("the process is told to end", rule("good", right=380, terminate=100), 13, "continues it"),
    Way("two processes share the tests", nothing, 1, "run them without -n", (*ADAPTER, "-n", "1")),
]

AREA = Area("Processes", "pytest suites --model base --adapter good", WAYS)
