"""Training configurations: what is refused, and how it is said."""

from pathlib import Path

import pytest

from harness.errors import BadSpec
from trainers.config import (
    Checkpoints,
    EarlyStopping,
    Evaluation,
    Hub,
    Lora,
    Optim,
    Quantization,
    TrainConfig,
    load_config,
)

SHIPPED = sorted((Path(__file__).parents[2] / "trainers").glob("*.toml"))
SHIPPED = [path for path in SHIPPED if path.stem != "shapes"]  # a table of models, not a configuration


def write(folder: Path, text: str) -> Path:
    """A configuration file with this text."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data = "d"\nepoch = 2', r"unknown key 'epoch'; did you mean 'epochs'\?"),
        ('data = "d"\n[lora]\nrnak = 8', r"unknown key 'lora.rnak'; did you mean 'rank'\?"),
        ('data = "d"\n[optim]\nzzz = 8', "unknown key 'optim.zzz'; known keys: name, learning_rate"),
        ("epochs = 1", "key 'data' is missing; training rows"),
        (
            'data = "d"\n[lora]\nrank = 0',
            "'lora.rank' = 0: input should be greater than or equal to 1; inner dimension",
        ),
        ('data = "d"\n[optim]\nlearning_rate = nan', "'optim.learning_rate' = nan: .*finite"),
        ('data = "d"\nreplay_fraction = 0.1', "'replay_fraction' > 0 and 'replay_data' go together"),
        ('data = "d"\nsystem = "a"\nsystem_file = "b"', "give 'system' or 'system_file', not both"),
        ('data = "d"\nepochs = 0\nsteps = 0', r"'epochs' = 0: .* \(and 1 more\)"),
        ("data = d", "not valid TOML"),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_names_file_and_key(tmp_path, text, said):
    """A mistyped key is never ignored, and the message says what would be right."""
    with pytest.raises(BadSpec, match=said) as caught:
        load_config(write(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "config.toml"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_usage_problem(tmp_path):
    """The path of the configuration itself is named."""
    with pytest.raises(BadSpec, match=r"none\.toml: cannot be read"):
        load_config(tmp_path / "none.toml")


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path, monkeypatch):
    """Where the command is typed changes nothing; a model beside the file is found, any other name is left alone."""
    path = write(tmp_path, 'data = "rows.jsonl"\nmodel = "mine"')
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").touch()
    monkeypatch.chdir("/")
    config = load_config(path)
    assert (config.data, config.model) == (tmp_path / "rows.jsonl", str(tmp_path / "mine"))
    assert load_config(path, overrides={"model": "embedded"}).model == "embedded"


@pytest.mark.parametrize(
    "section", [TrainConfig, Hub, Lora, Optim, Quantization, Checkpoints, EarlyStopping, Evaluation]
)
def test_every_field_says_what_it_is_for(section):
    """The descriptions are the reference of the configuration, so none may be missing."""
    assert [name for name, field in section.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_configurations_are_valid(path):
    """A shipped file that no longer fits the fields would break the demo."""
    config = load_config(path)
    assert config.model == "embedded"
    assert config.data.is_file()


def test_configurations_are_shipped():
    """The test above looks at files that are there."""
    assert {"default", "overtrained"} <= {path.stem for path in SHIPPED}


def test_yaml_is_read_as_toml_is(tmp_path):
    """The same keys, nested alike; a number that YAML takes for text is a number."""
    path = tmp_path / "config.yaml"
    path.write_text("data: rows.jsonl\noptim: {learning_rate: 2e-4}\nlora:\n  rank: 8\n  target_modules: [q_proj]\n")
    config = load_config(path)
    assert (config.data, config.optim.learning_rate) == (tmp_path / "rows.jsonl", 2e-4)
    assert (config.lora.rank, config.lora.target_modules) == (8, ("q_proj",))


@pytest.mark.parametrize(("text", "said"), [("a: [", "not valid YAML"), ("- a", "holds a list instead of keys")])
def test_yaml_that_is_no_configuration_is_one_line(tmp_path, text, said):
    """The parser's page-long message is folded into one line."""
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(BadSpec, match=said) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_rows_may_be_on_the_hub_and_the_suite_beside_the_file(tmp_path):
    """A table is a data set; a mistyped key in it is found, as in every section; a suite's path is made absolute."""
    path = write(tmp_path, 'data = { hub = "org/x", split = "dev" }\n[early_stopping]\nsuite = "s.py"')
    config = load_config(path)
    assert config.data == Hub(hub="org/x", split="dev")
    assert config.early_stopping.suite == tmp_path / "s.py"
    with pytest.raises(BadSpec, match=r"unknown key 'data.spilt'; did you mean 'split'\?"):
        load_config(write(tmp_path, 'data = { hub = "org/x", spilt = "dev" }'))
    with pytest.raises(BadSpec, match=r"unknown key 'early_stopping.patients'; did you mean 'patience'\?"):
        load_config(write(tmp_path, 'data = "d"\n[early_stopping]\nsuite = "s.py"\npatients = 3'))


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
def test_trackers_are_those_named_and_no_others(tmp_path):
    """None unless named: an empty list has meant all that are installed."""
    from trainers.arguments import arguments

    for text, expected in (("", []), ('report_to = ["tensorboard", "mlflow"]', ["tensorboard", "mlflow"])):
        config = load_config(write(tmp_path, f'data = "d"\n{text}'))
        assert arguments(config, tmp_path).report_to in (expected, expected or "none")
