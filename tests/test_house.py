"""The rules of the house: which room may look into which, how long a file may grow, what is forbidden."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("harness", "reports", "suites", "tests", "trainers")
PACKAGES = ("harness", "reports", "trainers")
HEAVY = ("bitsandbytes", "datasets", "lm_eval", "openai", "peft", "torch", "transformers", "trl")
UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "diskcache"}
UNSAFE_CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "torch.load", "yaml.load"}
SPREADSHEETS = {"csv.writer", "csv.DictWriter"}  # which run cells that begin with `=`
SAFE_CELLS = Path("reports/sheet/cells.py")
LONGEST = 400
COMPOSITION_ROOTS = {Path("harness/cli.py"), Path("harness/speed_command.py")}
"""The command line, which may see everything, as conftest.py and trainers/__main__.py do."""
MAY_SEE = {"harness": {"harness"}, "reports": {"harness", "reports"}, "trainers": {"harness", "trainers"}}
MODULES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def tree(path):
    """The syntax tree of a file of the project."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(node):
    """(module, statement) for everything imported below a node."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from ((name.name, each) for name in each.names)
        elif isinstance(each, ast.ImportFrom) and each.module:
            yield each.module, each


def rooms_seen(node):
    """Which rooms a tree imports from."""
    return {module.partition(".")[0] for module, _ in imports(node)} & set(ROOMS)


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] in PACKAGES], ids=str)
def test_data_flows_one_way(path):
    """Harness sees neither reports nor trainers; reports and trainers see harness, never each other."""
    if path not in COMPOSITION_ROOTS:
        assert rooms_seen(tree(path)) <= MAY_SEE[path.parts[0]]


def test_the_one_way_rule_sees_a_wrong_turn():
    """An import of trainers, however deep in a function, is noticed."""
    assert rooms_seen(ast.parse("def f():\n    from trainers.sft import train")) == {"trainers"}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_file_is_one_idea(path):
    """No file grows beyond 400 lines."""
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] in PACKAGES], ids=str)
def test_no_pickle_no_shell_no_remote_code(path):
    """Nothing unpickles, nothing goes through a shell, and no model may bring code of its own."""
    assert unsafe(tree(path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import loads",
        "import diskcache",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=asked)",
        "torch.load(file)",
        "yaml.load(text)",
    ],
)
def test_what_is_unsafe_is_found(line):
    """The rule above could fail."""
    assert unsafe(ast.parse(f"def f():\n    {line}")) != []
    assert unsafe(ast.parse("model.eval()\nyaml.safe_load(text)\ncsv.reader(file)")) == []


def unsafe(node):
    """Whatever in a tree unpickles, runs text, goes through a shell, or lets a model bring code."""
    found = [module for module, _ in imports(node) if module.partition(".")[0] in UNSAFE_MODULES]
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        name = ast.unparse(call.func)
        found += [name] if name in UNSAFE_CALLS else []
        for keyword in call.keywords:
            if keyword.arg in ("shell", "trust_remote_code") and ast.unparse(keyword.value) != "False":
                found.append(f"{name}({keyword.arg}=...)")
    return found


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] in ("harness", "reports")], ids=str)
def test_no_table_is_written_for_spreadsheets(path):
    """A cell that begins with `=` runs when it is opened; one module writes tables, and makes such cells harmless."""
    assert (
        path == SAFE_CELLS
        or not {ast.unparse(each.func) for each in ast.walk(tree(path)) if isinstance(each, ast.Call)} & SPREADSHEETS
    )


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.parts[0] in ("harness", "reports", "suites")], ids=str
)
def test_heavy_libraries_are_imported_where_they_are_used(path):
    """No module of the gate imports torch and its kin at the top, so that collecting stays light."""
    if path.name.startswith("_") and path.name != "__init__.py":
        return  # leaves behind a backend or suite, themselves imported inside functions
    top = [each for each in tree(path).body if isinstance(each, ast.Import | ast.ImportFrom)]
    seen = {module.partition(".")[0] for statement in top for module, _ in imports(statement)}
    assert not seen & set(HEAVY)


@pytest.mark.parametrize(
    "module",
    [
        *("harness.plugin", "reports.plugin", "trainers.plugin", "harness.cli"),
        *("harness.starter", "reports.html", "trainers.config", "trainers.sweep"),
    ],
)
def test_importing_leaves_torch_alone(module):
    """The rooms' front doors open without torch, transformers or lm-eval."""
    script = f"import sys, {module}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
